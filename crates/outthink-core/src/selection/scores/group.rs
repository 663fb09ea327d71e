//! DeepConf's lowest group confidence (arXiv 2508.15260 §3.1): a solution is as sure as the window in which it is least sure.
//!
//! The paper's confidence of a token is minus the mean log-probability of the 20 likeliest ones. Stores keep the entropy instead,
//! which falls as that rises: confidence = minus entropy, score = `e^(mean confidence)`, a weight in (0, 1]. Windows have 2,048 tokens as in
//! the paper, whose solutions have tens of thousands; a shorter solution is one window, so a tuner tries windows of 64 tokens too.

use serde::{Deserialize, Serialize};

use super::confidence::{weight, windows};
use crate::parameters::Parameters;
use crate::selection::score::{Score, Signal, Signals};

pub(super) const USUAL: Group = Group { window: 2048 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Group {
    /// Tokens.
    window: usize,
}

impl Default for Group {
    fn default() -> Self {
        USUAL
    }
}

impl Score for Group {
    fn name(&self) -> &'static str {
        "group"
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
        means.into_iter().reduce(f64::min).map(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;

    #[test]
    fn by_hand_the_least_sure_of_three_windows() {
        let tokens = &TokenStats::of(4, vec![], vec![0.5, 1.5, 4.5, 0.5]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        // 1, 3 and 2.5 nats.
        assert_eq!(Group { window: 2 }.score(&signals), Some((-3f64).exp()));
        assert_eq!(USUAL.score(&signals), Some((-1.75f64).exp()), "one window");
    }
}
