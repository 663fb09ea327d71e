//! DeepConf's lowest group confidence (arXiv 2508.15260 §3.1): a solution is as sure as the window in which it is least sure.

use super::windowed::Windowed;

pub(super) const USUAL: Windowed = Windowed::new("group", lowest);

fn lowest(means: Vec<f64>) -> Option<f64> {
    means.into_iter().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;
    use crate::selection::score::{Score, Signals};

    #[test]
    fn by_hand_the_least_sure_of_three_windows() {
        let tokens = &TokenStats::of(4, vec![], vec![0.5, 1.5, 4.5, 0.5]);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        // 1, 3 and 2.5 nats.
        assert_eq!(USUAL.over(2).score(&signals), Some((-3f64).exp()));
        assert_eq!(USUAL.score(&signals), Some((-1.75f64).exp()), "one window");
    }
}
