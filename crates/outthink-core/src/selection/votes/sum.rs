//! The weighted vote: the answer whose solutions' scores add up highest (arXiv 2408.03314, 2502.06703 §2.3).

use crate::selection::score::Signal;
use crate::selection::vote::{Reads, ScoredAnswer, Vote};

pub(super) struct Sum;

impl Vote for Sum {
    fn name(&self) -> &'static str {
        "vote"
    }

    fn reads(&self) -> Reads {
        Reads::Sum
    }

    fn suits(&self, signal: Signal) -> bool {
        signal != Signal::Length
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = vec![0.0; classes];
        for ScoredAnswer {
            class,
            score,
            count,
        } in solutions
        {
            weights[*class] += score * *count as f64;
        }
        weights
    }
}
