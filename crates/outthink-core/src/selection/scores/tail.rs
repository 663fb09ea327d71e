//! DeepConf's tail confidence (arXiv 2508.15260 §3.1): how sure a solution is of its last window, where it comes to its answer.
//!
//! The paper's confidence of a token is minus the mean log-probability of the 20 likeliest ones. Stores keep the entropy instead,
//! which falls as that rises: confidence = minus entropy, score = `e^(mean confidence)`, a weight in (0, 1]. Windows have 2,048 tokens as in
//! the paper, whose solutions have tens of thousands; a shorter solution is one window, so a tuner tries windows of 64 tokens too.

use serde::{Deserialize, Serialize};

use super::confidence::{weight, windows};
use crate::parameters::Parameters;
use crate::selection::score::{Score, Signal, Signals};

pub(super) const USUAL: Tail = Tail { window: 2048 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tail {
    /// Tokens.
    window: usize,
}

impl Default for Tail {
    fn default() -> Self {
        USUAL
    }
}

impl Score for Tail {
    fn name(&self) -> &'static str {
        "tail"
    }

    fn signal(&self) -> Signal {
        Signal::Tokens
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Score>, String> {
        let own: Self = parameters.read()?;
        match own.window > 0 {
            true => Ok(Box::new(own)),
            false => Err("a window has at least 1 token".to_owned()),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["window=64"]
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let means = windows(signals.tokens, self.window)?;
        means.last().copied().map(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;

    #[test]
    fn by_hand_the_last_window() {
        let tokens = &TokenStats::of(4, vec![], vec![0.5, 1.5, 4.5, 0.5]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        assert_eq!(Tail { window: 2 }.score(&signals), Some((-2.5f64).exp()));
    }
}
