//! The average reward (arXiv 2502.06703 §2.3).

use crate::selection::score::{Score, Signals};

pub(super) struct Mean;

impl Score for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let rewards = signals.rewards;
        (!rewards.is_empty()).then(|| rewards.iter().sum::<f64>() / rewards.len() as f64)
    }
}
