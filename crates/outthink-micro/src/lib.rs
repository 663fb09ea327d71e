//! The micro family: tiny models trained on a maths domain in which every step can be checked.
//!
//! [`domain`] makes problems, works them out and checks steps; [`family`] holds the trained checkpoints, built into the
//! binary; [`StepChecker`] is the verifier that never errs, the ceiling of every search.

pub mod domain;
pub mod experts;
pub mod family;
mod step_checker;

pub use experts::Experts;
pub use step_checker::StepChecker;
