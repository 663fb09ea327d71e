//! Fitting the compute-optimal strategy: which method, settings, verifier and `N` a problem gets for a budget
//! (arXiv 2502.06703 §3), fitted on one set of problems, checked on others, and written as a small file.
//!
//! From a study's store comes [`Evidence`]: for every run of every problem the chance that each
//! [`Candidate`](outthink_strategy::Candidate) is right and what it costs, and what a probe of the first few samples would
//! have seen. [`Tuning`] fits on it; [`Tuned`] is what comes out, and [`strategy_file`] writes it down.

mod awareness;
mod chooser;
mod evaluation;
mod evidence;
pub(crate) mod folds;
mod halves;
mod options;
mod reading;
mod replay;
mod report;
mod sharing;
#[cfg(test)]
mod synthetic;
mod tune;
mod writing;

pub use evaluation::{
    Calibrated, Compared, Rival, Split, Tested, TuneError, budgets, commonest, compare, difference,
    fixed, majority, reliability, rivals,
};
pub use evidence::{Evidence, EvidenceError, Row, chains_of_thought, tunable};
pub use halves::{Chooser, HeldOut, held_out};
pub use report::{Alone, Part, report};
pub use sharing::Shared;
pub use tune::{Decision, Entry, Outcome, Tuned, Tuning, calibrate};
pub use writing::strategy_file;
