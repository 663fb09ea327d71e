//! The lowest reward (arXiv 2502.06703 §2.3).

use crate::selection::score::{Score, Signals};

pub(super) struct Min;

impl Score for Min {
    fn name(&self) -> &'static str {
        "min"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        signals.rewards.iter().copied().reduce(f64::min)
    }
}
