//! The pessimistic vote (arXiv 2510.14913): an answer's mean score, less what few samples leave unknown.
//!
//! With `n_a` of the `N` samples giving the answer `a`:
//!
//! weight of `a` = mean score of its samples − `α · ln N / (n_a + 1)`
//!
//! The authors tune `α` and their value was not at hand: 0.5 where nothing is said, and a tuner tries less and more.

use serde::{Deserialize, Serialize};

use super::samples;
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Pessimistic = Pessimistic { alpha: 0.5 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pessimistic {
    alpha: f64,
}

impl Default for Pessimistic {
    fn default() -> Self {
        USUAL
    }
}

impl Vote for Pessimistic {
    fn name(&self) -> &'static str {
        "pessimistic"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Rewards
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.alpha >= 0.0 && own.alpha.is_finite() {
            true => Ok(Box::new(own)),
            false => Err(format!("alpha is at least 0, not {}", own.alpha)),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["alpha=0.1", "alpha=2.0"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let unknown = self.alpha * (samples(solutions).max(1) as f64).ln();
        let mut sums = vec![(0.0, 0.0); classes];
        for solution in solutions {
            let (sum, count) = &mut sums[solution.class];
            *sum += solution.score * solution.count as f64;
            *count += solution.count as f64;
        }
        let weight = |(sum, count): (f64, f64)| match count > 0.0 {
            true => sum / count - unknown / (count + 1.0),
            false => f64::NEG_INFINITY,
        };
        sums.into_iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_one_very_good_sample_beats_three_good_ones_until_alpha_is_large() {
        let solution = |class, score, count| ScoredAnswer {
            class,
            score,
            count,
        };
        let solutions = [
            solution(0, 0.9, 1),
            solution(1, 0.7, 2),
            solution(1, 0.4, 1),
        ];
        // 0.9 − 0.5 · ln 4 / 2 and 0.6 − 0.5 · ln 4 / 4.
        let weights = USUAL.weights(&solutions, 2);
        let expected = [
            0.9 - 0.346_573_590_279_972_65,
            0.6 - 0.173_286_795_139_986_33,
        ];
        assert!((weights[0] - expected[0]).abs() < 1e-12, "{weights:?}");
        assert!((weights[1] - expected[1]).abs() < 1e-12, "{weights:?}");
        assert!(weights[0] > weights[1]);
        let wary = Pessimistic { alpha: 2.0 }.weights(&solutions, 2);
        assert!(wary[0] < wary[1], "{wary:?}");
    }
}
