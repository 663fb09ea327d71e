//! What a strategy chose, and what bounds a choice.

use crate::candidate::Candidate;

/// What a strategy chose, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The candidate.
    pub candidate: Candidate,
    /// The chance of being right that was predicted; none where nothing was fitted.
    pub predicted: Option<f64>,
    /// Why it and no other, for people.
    pub reason: String,
}

/// What bounds a choice beside the budget.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// Most samples.
    pub most: Option<usize>,
    /// The price of a unit of cost, if not the one that was fitted for the budget.
    pub price: Option<f64>,
}
