//! DeepConf's offline vote (arXiv 2508.15260 §3): only the most confident samples vote, each with its confidence.
//!
//! Kept is the share `top` of the samples with the highest scores, rounded up, and with the last of them all of the same score; then
//! weight of an answer = the sum of the scores of its kept samples. The authors take a tenth, which is best on average, or nine
//! tenths, which is safer.

use serde::{Deserialize, Serialize};

use super::{ranked, samples};
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Filtered = Filtered { top: 0.1 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Filtered {
    top: f64,
}

impl Default for Filtered {
    fn default() -> Self {
        USUAL
    }
}

impl Vote for Filtered {
    fn name(&self) -> &'static str {
        "filtered"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Tokens
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.top > 0.0 && own.top <= 1.0 {
            true => Ok(Box::new(own)),
            false => Err(format!(
                "top is a share above 0 and at most 1, not {}",
                own.top
            )),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["top=0.9"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        // A tenth of ten is one, whatever the last digit of 0.1 · 10 says.
        let wanted = (self.top * samples(solutions) as f64 - 1e-9).ceil();
        let mut weights = vec![0.0; classes];
        let mut kept = 0usize;
        for equal in ranked(solutions).chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
            for solution in equal {
                weights[solution.class] += solution.score * solution.count as f64;
                kept = kept.saturating_add(solution.count);
            }
            if kept as f64 >= wanted {
                break;
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_half_of_four_is_two_and_a_tie_is_kept_whole() {
        let solution = |class, score, count| ScoredAnswer {
            class,
            score,
            count,
        };
        let half = Filtered { top: 0.5 };
        let solutions = [
            solution(1, 0.25, 2),
            solution(0, 0.75, 1),
            solution(0, 0.5, 1),
        ];
        assert_eq!(half.weights(&solutions, 2), [1.25, 0.0]);
        assert_eq!(
            USUAL.weights(&solutions, 2),
            [0.75, 0.0],
            "a tenth is one sample"
        );
        let tied = [
            solution(0, 0.75, 1),
            solution(1, 0.5, 2),
            solution(0, 0.25, 1),
        ];
        assert_eq!(half.weights(&tied, 2), [0.75, 1.0]);
    }
}
