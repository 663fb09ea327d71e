//! The newest reward (arXiv 2408.03314, 2502.06703 §2.3).

use crate::selection::score::{Score, Signals};

pub(super) struct Last;

impl Score for Last {
    fn name(&self) -> &'static str {
        "last"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        signals.rewards.last().copied()
    }
}
