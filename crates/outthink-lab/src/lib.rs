//! From searches to statements: trials of a method on a set of problems, estimates with their uncertainty, figures.
//!
//! The lab sees models only through the traits of `outthink-core`.

mod answers;
mod chart;
mod estimate;
mod reuse;
mod trial;

pub use answers::MathAnswers;
pub use chart::{Chart, Point, Series};
pub use estimate::{Interval, Proportion, paired_difference};
pub use reuse::TokenTrie;
pub use trial::{Outcome, Question, Trial};
