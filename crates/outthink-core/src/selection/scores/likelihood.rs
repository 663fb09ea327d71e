//! CISC's confidence by response probability (arXiv 2502.06233): the geometric mean of the tokens' probabilities,
//! `e^(mean log-probability)`.
//!
//! The paper prefers the probability that the policy gives to "1" when it is asked whether its answer is right, which is another
//! call and is not stored; response probability is the second of its confidences.

use super::confidence::{weight, windows};
use crate::TokenStats;
use crate::selection::score::{Score, Signal, Signals};

pub(super) struct Likelihood;

impl Score for Likelihood {
    fn name(&self) -> &'static str {
        "likelihood"
    }

    fn signal(&self) -> Signal {
        Signal::Tokens
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let drawn = TokenStats {
            logprobs: signals.tokens.logprobs.clone(),
            entropies: Vec::new(),
        };
        let all = windows(&drawn, usize::MAX)?;
        all.first().copied().map(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_the_mean_log_probability() {
        let tokens = &TokenStats::of(2, vec![-0.5, -1.5], vec![9.0, 9.0]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        assert_eq!(Likelihood.score(&signals), Some((-1f64).exp()));
    }
}
