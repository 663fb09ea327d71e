//! What DeepConf's confidences over windows of tokens have in common (arXiv 2508.15260 §3.1).
//!
//! The paper's confidence of a token is minus the mean log-probability of the 20 likeliest ones. Stores keep the entropy instead,
//! which falls as that rises: confidence = minus entropy, score = `e^(mean confidence)`, a weight in (0, 1]. Windows have 2,048 tokens as in
//! the paper, whose solutions have tens of thousands; a shorter solution is one window, so a tuner tries windows of 64 tokens too.

use serde::{Deserialize, Serialize};

use super::confidence::{weight, windows};
use crate::parameters::Parameters;
use crate::selection::score::{Score, Signal, Signals};

/// A confidence over windows: which of their means counts.
#[derive(Debug)]
pub(super) struct Windowed {
    name: &'static str,
    /// Of the means of the windows, of which there is at least one.
    of: fn(Vec<f64>) -> Option<f64>,
    window: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Window {
    /// Tokens.
    window: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { window: 2048 }
    }
}

impl Windowed {
    /// With the paper's window.
    pub(super) const fn new(name: &'static str, of: fn(Vec<f64>) -> Option<f64>) -> Self {
        Self {
            name,
            of,
            window: 2048,
        }
    }

    /// The same over windows of so many tokens.
    pub(super) const fn over(&self, window: usize) -> Self {
        Self {
            name: self.name,
            of: self.of,
            window,
        }
    }
}

impl Score for Windowed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signal(&self) -> Signal {
        Signal::Tokens
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(&Window {
            window: self.window,
        })
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Score>, String> {
        let Window { window } = parameters.read()?;
        match window > 0 {
            true => Ok(Box::new(self.over(window))),
            false => Err("a window has at least 1 token".to_owned()),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["window=64"]
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        (self.of)(windows(signals.tokens, self.window)?).map(weight)
    }
}
