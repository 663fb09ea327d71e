//! The compute-optimal strategy: which method, settings, verifier and `N` a problem gets for a budget (arXiv 2502.06703 §3),
//! fitted on one set of problems, checked on others, and kept as a small file.
//!
//! From a study's store comes [`Evidence`]: for every run of every problem the chance that each [`Candidate`] is right and
//! what it costs, and what a probe of the first few samples would have seen. [`Tuning`] fits on it; [`Tuned`] is what comes out.

mod allocation;
mod awareness;
mod batch;
mod builtin;
mod candidate;
mod chooser;
mod confidence;
mod elimination;
mod error;
mod evaluation;
mod evidence;
mod features;
mod file;
mod fitted;
mod folds;
mod kind;
mod memory;
mod multiplier;
mod numbers;
mod options;
mod predictor;
mod reading;
mod replay;
mod report;
mod sharing;
mod solve;
mod stopping;
#[cfg(test)]
mod synthetic;
mod tariff;
mod tune;
mod unlike;
mod written;

pub use crate::analysis::measured::Measured;
pub use allocation::Order;
pub use batch::Batch;
pub use builtin::{Builtin, Fixed};
pub use candidate::Candidate;
pub use chooser::{Forecast, Predicted, Predictor, Probe};
pub use confidence::{Confidence, Ended};
pub use error::StrategyError;
pub use evaluation::{
    Calibrated, Compared, Rival, Split, Tested, TuneError, budgets, commonest, compare, difference,
    fixed, majority, reliability, rivals,
};
pub use evidence::{Cost, Evidence, EvidenceError, Row, chains_of_thought, tunable};
pub use features::Glimpse;
pub use file::StrategyFile;
pub use fitted::Fitted;
pub use kind::{Bounds, Chosen, Strategy};
pub use report::{Alone, Part, report};
pub use sharing::Shared;
pub use solve::{Hands, SolveError, Solved};
pub use stopping::{Ballot, PROBE, Standing, Stopping};
pub use tariff::{Tariff, TariffError, Unit};
pub use tune::{Decision, Entry, Outcome, Tuned, Tuning, calibrate};
pub use unlike::Shown;
pub use written::Origin;
