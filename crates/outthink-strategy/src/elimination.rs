//! How one total is spent over many problems, where it goes by what their draws show.

use crate::allocation::Order;
use crate::candidate::Candidate;
use crate::confidence::Confidence;
use crate::unlike::Seen;

/// What every problem does as far as it comes, and who draws on first.
#[derive(Clone, Debug)]
pub struct Elimination {
    /// What every problem does.
    pub candidate: Candidate,
    /// Who draws on first.
    pub order: Order,
    /// What it came to when it was fitted.
    pub accuracy: f64,
    /// How sure one may be of the answer in the end.
    pub confidence: Confidence,
    /// What the problems are like that it was fitted on, if that is known.
    pub seen: Option<Seen>,
}
