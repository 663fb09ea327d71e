//! CISC's weighted vote (arXiv 2502.06233): a sample's vote is the softmax of its confidence over all samples.
//!
//! weight of an answer = `Σ e^(c_i / T) / Σ_j e^(c_j / T)`, the first sum over its samples
//!
//! The lower the temperature `T`, the more the most confident samples count. The authors fit it for each model; 1 where
//! nothing is said.

use serde::{Deserialize, Serialize};

use super::ranked;
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Softmax = Softmax { temperature: 1.0 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Softmax {
    temperature: f64,
}

impl Default for Softmax {
    fn default() -> Self {
        USUAL
    }
}

impl Vote for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Tokens
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.temperature > 0.0 && own.temperature.is_finite() {
            true => Ok(Box::new(own)),
            false => Err(format!("a temperature is above 0, not {}", own.temperature)),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["temperature=0.1"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let ranked = ranked(solutions);
        let best = ranked.first().map_or(0.0, |own| own.score);
        let mut weights = vec![0.0; classes];
        let mut all = 0.0;
        for ScoredAnswer {
            class,
            score,
            count,
        } in ranked
        {
            // Equal scores differ by nothing, infinite ones too.
            let below = if score == best { 0.0 } else { score - best };
            let own = (below / self.temperature).exp() * count as f64;
            weights[class] += own;
            all += own;
        }
        if all > 0.0 {
            weights.iter_mut().for_each(|weight| *weight /= all);
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_one_of_three_times_the_odds_beats_two() {
        let solution = |class, score, count| ScoredAnswer {
            class,
            score,
            count,
        };
        // e^(ln 3) = 3 against twice e^0 = 1.
        let solutions = [solution(0, 3f64.ln(), 1), solution(1, 0.0, 2)];
        let weights = USUAL.weights(&solutions, 2);
        assert!((weights[0] - 0.6).abs() < 1e-12 && (weights[1] - 0.4).abs() < 1e-12);
        let mild = Softmax { temperature: 100.0 }.weights(&solutions, 2);
        assert!(mild[0] < mild[1], "a high temperature is the majority");
    }
}
