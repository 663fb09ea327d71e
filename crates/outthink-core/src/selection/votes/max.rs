//! Best-of-N: the answer of the best solution (arXiv 2110.14168).

use crate::selection::score::Signal;
use crate::selection::vote::{Reads, ScoredAnswer, Vote};

pub(super) struct Max;

impl Vote for Max {
    fn name(&self) -> &'static str {
        "max"
    }

    fn reads(&self) -> Reads {
        Reads::Best
    }

    /// A policy's confidence alone picks no better than chance (arXiv 2604.16535): it weighs votes, but does not replace them.
    fn suits(&self, signal: Signal) -> bool {
        signal != Signal::Tokens
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = vec![f64::NEG_INFINITY; classes];
        for solution in solutions {
            let weight = &mut weights[solution.class];
            *weight = weight.max(solution.score);
        }
        weights
    }
}
