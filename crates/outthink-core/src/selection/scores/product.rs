//! The product of all rewards (arXiv 2305.20050).

use crate::selection::score::{Score, Signals};

pub(super) struct Product;

impl Score for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let rewards = signals.rewards;
        (!rewards.is_empty()).then(|| rewards.iter().product())
    }
}
