//! Self-certainty (arXiv 2502.18581), as far as what is stored allows: how sure the policy was of its tokens on average.
//!
//! The paper takes the mean divergence of the uniform distribution from the policy's, which needs every token's probability at every
//! place. Stores keep the entropy, which is the divergence the other way round, but for a constant: score = `e^(− mean entropy)`.
//! Its Borda vote reads ranks alone.

use super::confidence::{weight, windows};
use crate::selection::score::{Score, Signal, Signals};

pub(super) struct Certainty;

impl Score for Certainty {
    fn name(&self) -> &'static str {
        "certainty"
    }

    fn signal(&self) -> Signal {
        Signal::Tokens
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let all = windows(signals.tokens, usize::MAX)?;
        all.first().copied().map(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;

    #[test]
    fn by_hand_the_mean_entropy() {
        let tokens = &TokenStats::of(2, vec![], vec![0.5, 1.5]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        assert_eq!(Certainty.score(&signals), Some((-1f64).exp()));
    }
}
