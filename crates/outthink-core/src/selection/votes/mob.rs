//! Majority-of-the-Bests (arXiv 2511.18630): the answer that best-of-`m` would take most often, of `m` of the `n` samples.
//!
//! The paper draws many subsets and counts; here they are all counted. Of samples with one score, `e` in number and `b` below them,
//! one is the best of a subset in `C(b + e, m) − C(b, m)` of the `C(n, m)` subsets, each of them as often:
//!
//! weight of an answer = `Σ [C(b + e, m) − C(b, m)] / C(n, m) / e` over its samples
//!
//! `m` is the trust in the verifier: with `m = 1` it is the majority, with `m = n` best-of-N. `⌈√n⌉` where nothing is said.

use serde::{Deserialize, Serialize};

use super::{max::Max, ranked, samples};
use crate::parameters::Parameters;
use crate::selection::score::Signal;
use crate::selection::vote::{ScoredAnswer, Vote};

pub(super) const USUAL: Mob = Mob { m: None };

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Mob {
    /// Samples of a subset; none is the root of all.
    m: Option<usize>,
}

impl Vote for Mob {
    fn name(&self) -> &'static str {
        "mob"
    }

    fn suits(&self, signal: Signal) -> bool {
        signal == Signal::Rewards
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        let own: Self = parameters.read()?;
        match own.m {
            Some(0) => Err("m is at least 1".to_owned()),
            _ => Ok(Box::new(own)),
        }
    }

    fn settings(&self) -> &'static [&'static str] {
        &["m=2", "m=8"]
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let all = samples(solutions);
        let m = self
            .m
            .unwrap_or_else(|| (all as f64).sqrt().ceil() as usize);
        if m >= all {
            // One subset, and best-of-N knows how ties in it end.
            return Max.weights(solutions, classes);
        }
        let mut weights = vec![0.0; classes];
        if m == 1 {
            // Every sample is the best of its own subset as often: the majority, without a rounding error that would decide ties.
            for solution in solutions {
                weights[solution.class] += solution.count as f64;
            }
            weights.iter_mut().for_each(|own| *own /= all as f64);
            return weights;
        }
        let mut through = all;
        // The share of subsets that have none above: C(through, m) / C(all, m).
        let mut share = 1.0;
        for equal in ranked(solutions).chunk_by(|a, b| a.score.total_cmp(&b.score).is_eq()) {
            let own = samples(equal);
            if own == 0 {
                continue;
            }
            let below = through.saturating_sub(own);
            let without = share * kept(below, through, m);
            let each = (share - without) / own as f64;
            let mut counts = vec![0usize; classes];
            for solution in equal {
                counts[solution.class] = counts[solution.class].saturating_add(solution.count);
            }
            for (weight, count) in weights.iter_mut().zip(counts) {
                *weight += each * count as f64;
            }
            (through, share) = (below, without);
            if share == 0.0 {
                break;
            }
        }
        // Equal chances that were added up in other parts are equal: ties are for the count of samples to decide.
        weights
            .iter_mut()
            .for_each(|own| *own = (*own * 1e12).round() / 1e12);
        weights
    }
}

/// `C(below, m) / C(through, m)`, by the shorter of its two products.
fn kept(below: usize, through: usize, m: usize) -> f64 {
    if below < m {
        return 0.0;
    }
    let between = through - below;
    let ratio = |above: usize, under: usize| above as f64 / under as f64;
    match between < m {
        true => (1..=between)
            .map(|i| ratio(below + i - m, below + i))
            .product(),
        false => (0..m).map(|i| ratio(below - i, through - i)).product(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_best_of_two_is_mostly_the_good_many_and_best_of_three_the_best_one() {
        let solution = |class, score| ScoredAnswer {
            class,
            score,
            count: 1,
        };
        let solutions = [(0, 0.9), (1, 0.8), (1, 0.7), (1, 0.6), (2, 0.1)]
            .map(|(class, score)| solution(class, score));
        // Of the 10 pairs 4 hold the first, 3 + 2 + 1 one of the next three and not the first.
        let close = |weights: Vec<f64>, expected: [f64; 3]| {
            let mut pairs = weights.iter().zip(expected);
            assert!(
                pairs.all(|(own, other)| (own - other).abs() < 1e-12),
                "{weights:?}"
            );
        };
        close(Mob { m: Some(2) }.weights(&solutions, 3), [0.4, 0.6, 0.0]);
        // Of the 10 triples 6 hold the first, 3 the second without it, 1 the third without both; ⌈√5⌉ = 3.
        close(USUAL.weights(&solutions, 3), [0.6, 0.4, 0.0]);
        // Of the 6 pairs of four 3 hold the first, 2 + 1 the others: a tie, to the last digit.
        let even = Mob { m: Some(2) }.weights(&solutions[..4], 2);
        assert_eq!(even[0], even[1]);
    }
}
