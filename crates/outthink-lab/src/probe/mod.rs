//! Probes: a head on a policy's own hidden states, fitted on stored samples, and what it is worth.
//!
//! Whoever has the states hands them over ([`ProbeData::add`]); the lab sees no engine. What is reported is always of problems that the
//! head was not fitted on, and the comparison that counts is within problems: that hard problems come out wrong is no news to a
//! selection.

mod audit;
mod data;
mod fit;
mod stored;
mod train;

pub use audit::{KindAudit, ProbeAudit, RuleAudit, VERDICT_USELESS};
pub use data::{ProbeData, ProbeError, ProbeSample};
pub use fit::{FitOptions, Fitted, fit};
pub use stored::stored_samples;
