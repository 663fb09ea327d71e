//! The search that lets a small model outthink a big one.
//!
//! A [`Policy`] proposes reasoning steps, a [`Verifier`] scores each, a [`Method`] spends a budget of `N` solutions on
//! them through the one kernel [`search`], and a [`Selection`] takes the answer from the finished [`Tree`].
//!
//! This crate knows nothing of tensors, servers or maths: both models are traits, and answers are compared through
//! [`Domain`].

mod calibrated;
mod capped;
mod combined;
mod cost;
mod defaults;
mod distinct;
mod domain;
mod error;
pub mod file;
mod generative;
pub mod guard;
pub mod identity;
mod kernel;
pub mod method;
mod model_info;
mod model_table;
mod nearest;
pub mod number;
mod parameters;
mod policy;
mod probe;
mod quorum;
mod search;
mod seed;
pub mod selection;
mod template;
pub mod thinking;
mod token_stats;
mod traced;
mod tree;
mod verifier;
mod visible;

pub use calibrated::{Calibrated, Isotonic};
pub use capped::{Capped, Halt};
pub use combined::{Combination, Combined, Weighted, combined_cost, log_odds};
pub use cost::{Expected, Flops, ModelCost, Spending, Usage};
pub use defaults::Pair;
pub use distinct::{CountedPolicy, CountedVerifier, Shared, SharedTokens};
pub use domain::{Domain, ExactAnswers, classes, verdicts};
pub use error::{Error, ModelError};
pub use generative::{Generative, JudgePrompt, Reading, verdict};
pub use kernel::{Limits, search};
pub use method::{AnyMethod, Finished, Method, Plan};
pub use model_info::ModelInfo;
pub use model_table::ModelTable;
pub use nearest::{did_you_mean, nearest};
pub use policy::{Continuation, Extension, Policy, Reply, Sampling, Stop, Until};
pub use probe::{Probe, ProbeHead, ProbeLayout, Statistic};
pub use quorum::{Quorum, QuorumPolicy};
pub use search::{Outcome, Search};
pub(crate) use seed::allocator_seed;
pub use seed::{draw_seed, piece_seed, problem_seed, question_seed};
pub use selection::{Ballot, Chosen, Scoring, Selection, Voting};
pub use thinking::{Thinker, Thinking, Thoughts};
pub use token_stats::TokenStats;
pub use traced::{Traced, traced, traceparent};
pub use tree::{Node, NodeId, Problem, Solution, Step, Tree, TreeNode};
pub use verifier::{Judgement, Prefix, Verifier};
pub use visible::{visible, visible_line};
