//! The Borda vote over self-certainty (arXiv 2502.18581): a sample's vote falls with its rank by score.
//!
//! Of `N` samples the one of rank `r`, 1 for the best, has `(N − r + 1)^p` votes. Samples of one score share the mean of their
//! ranks' votes. With `p = 0` it is the majority; the larger `p`, the more the best samples count. The authors take a larger
//! `p` for more samples; 1 where nothing is said.

use serde::{Deserialize, Serialize};

use super::{ranked, samples};
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Borda = Borda { p: 1.0 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Borda {
    p: f64,
}

impl Default for Borda {
    fn default() -> Self {
        USUAL
    }
}

impl Vote for Borda {
    fn name(&self) -> &'static str {
        "borda"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Tokens
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.p >= 0.0 && own.p.is_finite() {
            true => Ok(Box::new(own)),
            false => Err(format!("p is at least 0, not {}", own.p)),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["p=0.3"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let all = samples(solutions);
        let mut weights = vec![0.0; classes];
        let mut above = 0usize;
        for equal in ranked(solutions).chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
            let own = samples(equal);
            // Shares of the most votes, so that no power of many samples is beyond all numbers.
            let votes = |rank: usize| (all.saturating_sub(rank) as f64 / all as f64).powf(self.p);
            let mean =
                (above..above.saturating_add(own)).map(votes).sum::<f64>() / own.max(1) as f64;
            for solution in equal {
                weights[solution.class] += mean * solution.count as f64;
            }
            above = above.saturating_add(own);
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_four_votes_against_three_and_two_and_a_tie_shares() {
        let solution = |class, score, count| ScoredAnswer {
            class,
            score,
            count,
        };
        // 4, 3, 2 and 1 votes, each over 4.
        let ranked = [
            solution(0, 0.9, 1),
            solution(1, 0.5, 1),
            solution(1, 0.4, 1),
            solution(2, 0.1, 1),
        ];
        assert_eq!(USUAL.weights(&ranked, 3), [1.0, 1.25, 0.25]);
        // 16 against 9 + 4.
        assert_eq!(Borda { p: 2.0 }.weights(&ranked, 3), [1.0, 0.8125, 0.0625]);
        // The second and the third of three are alike: 3 votes, and (2 + 1) / 2 for each of two.
        let tied = [
            solution(0, 0.5, 1),
            solution(1, 0.1, 1),
            solution(2, 0.1, 1),
        ];
        assert_eq!(USUAL.weights(&tied, 3), [1.0, 0.5, 0.5]);
    }
}
