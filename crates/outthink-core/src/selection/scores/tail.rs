//! DeepConf's tail confidence (arXiv 2508.15260 §3.1): how sure a solution is of its last window, where it comes to its answer.

use super::windowed::Windowed;

pub(super) const USUAL: Windowed = Windowed::new("tail", last);

fn last(means: Vec<f64>) -> Option<f64> {
    means.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;
    use crate::selection::score::{Score, Signals};

    #[test]
    fn by_hand_the_last_window() {
        let tokens = &TokenStats::of(4, vec![], vec![0.5, 1.5, 4.5, 0.5]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        assert_eq!(USUAL.over(2).score(&signals), Some((-2.5f64).exp()));
    }
}
