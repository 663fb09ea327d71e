//! DeepConf's bottom-10 % group confidence (arXiv 2508.15260 §3.1): the mean of the tenth of the windows in which a solution is least
//! sure, at least of one.

use super::windowed::Windowed;

pub(super) const USUAL: Windowed = Windowed::new("bottom", tenth);

fn tenth(mut means: Vec<f64>) -> Option<f64> {
    means.sort_by(f64::total_cmp);
    let least = means.get(..(means.len() / 10).max(1))?;
    Some(least.iter().sum::<f64>() / least.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TokenStats;
    use crate::selection::score::{Score, Signals};

    #[test]
    fn by_hand_a_tenth_of_twenty_windows_is_two() {
        let entropies: Vec<f32> = (1..=20).map(|own| own as f32 / 10.0).collect();
        let tokens = &TokenStats::of(20, vec![], entropies);
        let signals = Signals {
            rewards: &[],
            tokens,
            length: None,
        };
        // 2 and 1.9 nats.
        let least = USUAL.over(1).score(&signals).map(f64::ln);
        assert!((least.unwrap_or(0.0) + 1.95).abs() < 1e-9, "{least:?}");
    }
}
