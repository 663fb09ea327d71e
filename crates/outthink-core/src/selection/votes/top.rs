//! The vote of the `m` best samples; by length it is short-m@k (arXiv 2505.17813): of `k` samples that are drawn at once, the
//! first `m` to finish vote, and the others need not be drawn to their end.
//!
//! Each of the `m` has one vote; of answers with as many votes the one with the best sample is taken, as in the paper. Samples of one score
//! that are more than there are places left share these. `m = 3` where nothing is said, as the paper recommends.

use serde::{Deserialize, Serialize};

use super::{ranked, samples};
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Top = Top { m: 3 };

/// What the best place is worth beside a vote: less than any shares of votes differ by.
const BEST: f64 = 1e-9;

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Top {
    m: usize,
}

impl Default for Top {
    fn default() -> Self {
        USUAL
    }
}

impl Vote for Top {
    fn name(&self) -> &'static str {
        "top"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Length
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.m > 0 {
            true => Ok(Box::new(own)),
            false => Err("m is at least 1".to_owned()),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["m=5", "m=9"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = vec![0.0; classes];
        let all = samples(solutions).max(1) as f64;
        let mut above = 0;
        for equal in ranked(solutions).chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
            let own = samples(equal);
            let places = own.min(self.m - above);
            let share = places as f64 / own.max(1) as f64;
            let best = BEST * (1.0 - above as f64 / all);
            let mut counts = vec![0usize; classes];
            for solution in equal {
                counts[solution.class] = counts[solution.class].saturating_add(solution.count);
            }
            for (weight, count) in weights.iter_mut().zip(counts) {
                if count > 0 {
                    let first = if *weight == 0.0 { best } else { 0.0 };
                    *weight += share * count as f64 + first;
                }
            }
            above += places;
            if above == self.m {
                break;
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(m: usize, lengths: &[(usize, f64)]) -> Vec<f64> {
        let one = |&(class, length): &(usize, f64)| ScoredAnswer {
            class,
            score: -length,
            count: 1,
        };
        let solutions: Vec<ScoredAnswer> = lengths.iter().map(one).collect();
        let weights = Top { m }.weights(&solutions, 3);
        weights
            .iter()
            .map(|own| (own * 1e6).round() / 1e6)
            .collect()
    }

    #[test]
    fn by_hand_the_three_shortest_vote_and_ties_share_what_is_left() {
        let lengths = [
            (0, 40.0),
            (1, 10.0),
            (0, 50.0),
            (2, 20.0),
            (1, 30.0),
            (0, 60.0),
        ];
        assert_eq!(weights(3, &lengths), [0.0, 2.0, 1.0]);
        assert_eq!(weights(9, &lengths), [3.0, 2.0, 1.0], "all of them");
        // One place for two of 20.
        assert_eq!(
            weights(2, &[(0, 10.0), (1, 20.0), (2, 20.0)]),
            [1.0, 0.5, 0.5]
        );
        // One vote each: the shortest.
        let solution = |class, score| ScoredAnswer {
            class,
            score,
            count: 1,
        };
        let even = USUAL.weights(
            &[solution(0, -3.0), solution(1, -2.0), solution(2, -4.0)],
            3,
        );
        assert!(even[1] > even[0] && even[0] > even[2], "{even:?}");
    }
}
