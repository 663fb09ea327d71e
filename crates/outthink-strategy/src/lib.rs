//! Strategies at work: which method, settings, verifier and `N` a problem gets for a budget (arXiv 2502.06703 §3).
//!
//! A [`Strategy`] is read from a [`StrategyFile`], or is a [`Builtin`] one of others. It solves one problem
//! ([`Strategy::solve`]) or many that share a total ([`Batch`]): it looks at the first samples if that pays, predicts each
//! [`Candidate`]'s chance and cost, searches, and stops early. Strategies are fitted in `outthink-lab`.

pub mod allocation;
mod batch;
mod builtin;
mod candidate;
mod choice;
mod confidence;
mod cost_model;
mod elimination;
mod error;
pub mod features;
mod file;
mod fitted;
mod journal_file;
pub mod linear;
mod memory;
mod models;
pub mod multiplier;
mod numbers;
mod predictor;
mod racing;
mod recorded;
mod solve;
mod stopping;
mod strategy;
#[cfg(test)]
mod testing;
mod unlike;
pub mod written;

pub use allocation::Order;
pub use batch::Batch;
pub use builtin::{Builtin, Fixed};
pub use candidate::Candidate;
pub use choice::{Bounds, Chosen};
pub use confidence::{Confidence, Ended};
pub use cost_model::{Cost, CostModel, CostModelError, Unit};
pub use elimination::Elimination;
pub use error::StrategyError;
pub use features::ProbeFeatures;
pub use file::StrategyFile;
pub use fitted::Fitted;
pub use journal_file::{JournalError, JournalFile};
pub use models::{PolicyModel, VerifierModel};
pub use numbers::rounded;
pub use predictor::{Forecast, Predicted, Predictor, Probe};
pub use recorded::{Journal, RecordedPolicy, RecordedVerifier};
pub use solve::{SolveContext, SolveError, Solved};
pub use stopping::{Ballot, PROBE, Stopping, VoteState};
pub use strategy::Strategy;
pub use unlike::{Seen, Shown};
pub use written::Origin;
