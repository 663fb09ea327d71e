//! DeepConf's bottom-10 % group confidence (arXiv 2508.15260 §3.1): the mean of the tenth of the windows in which a solution is least sure, at
//! least of one.
//!
//! The paper's confidence of a token is minus the mean log-probability of the 20 likeliest ones. Stores keep the entropy instead,
//! which falls as that rises: confidence = minus entropy, score = `e^(mean confidence)`, a weight in (0, 1]. Windows have 2,048 tokens as in
//! the paper, whose solutions have tens of thousands; a shorter solution is one window, so a tuner tries windows of 64 tokens too.

use serde::{Deserialize, Serialize};

use super::confidence::{weight, windows};
use crate::parameters::Parameters;
use crate::selection::score::{Score, Signal, Signals};

pub(super) const USUAL: Bottom = Bottom { window: 2048 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Bottom {
    /// Tokens.
    window: usize,
}

impl Default for Bottom {
    fn default() -> Self {
        USUAL
    }
}

impl Score for Bottom {
    fn name(&self) -> &'static str {
        "bottom"
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
        let mut means = windows(signals.tokens, self.window)?;
        means.sort_by(f64::total_cmp);
        let least = &means[..(means.len() / 10).max(1)];
        Some(weight(least.iter().sum::<f64>() / least.len() as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;

    #[test]
    fn by_hand_a_tenth_of_twenty_windows_is_two() {
        let entropies: Vec<f32> = (1..=20).map(|own| own as f32 / 10.0).collect();
        let tokens = &TokenStats::of(20, vec![], entropies);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        // 2 and 1.9 nats.
        let least = Bottom { window: 1 }.score(&signals).map(f64::ln);
        assert!((least.unwrap_or(0.0) + 1.95).abs() < 1e-9, "{least:?}");
    }
}
