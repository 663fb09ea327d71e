//! Proportions and paired differences with 95 % intervals.

use serde::{Deserialize, Serialize};

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval around a value whose variance has a part that the interval does not know of.
    pub(crate) fn widened(self, value: f64, variance: f64) -> Self {
        let own = (self.high - self.low) / (2.0 * Z);
        if variance <= 0.0 || own <= 0.0 || !own.is_finite() {
            return self;
        }
        let wider = (1.0 + variance / (own * own)).sqrt();
        Self {
            low: (value - (value - self.low) * wider).max(0.0),
            high: (value + (self.high - value) * wider).min(1.0),
        }
    }
}

/// `successes` out of `trials`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proportion {
    /// How many succeeded.
    pub successes: usize,
    /// Out of how many.
    pub trials: usize,
}

impl Proportion {
    /// Counts what is true.
    pub fn of(outcomes: impl IntoIterator<Item = bool>) -> Self {
        let (mut successes, mut trials) = (0, 0);
        for outcome in outcomes {
            successes += usize::from(outcome);
            trials += 1;
        }
        Self { successes, trials }
    }

    /// The share of successes; not a number for no trials.
    pub fn mean(self) -> f64 {
        self.successes as f64 / self.trials as f64
    }

    /// Wilson's score interval (Wilson 1927): sensible near 0 and 1 and for few trials, where mean ± 2 SE is not.
    pub fn interval(self) -> Interval {
        if self.trials == 0 {
            return Interval {
                low: 0.0,
                high: 1.0,
            };
        }
        Self::wilson(self.mean(), self.trials as f64)
    }

    /// The same for a share `p` of `n` trials, whole or not.
    pub fn wilson(p: f64, n: f64) -> Interval {
        let centre = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Interval {
            low: ((centre - spread) / scale).max(0.0),
            high: ((centre + spread) / scale).min(1.0),
        }
    }
}

/// The difference `a - b` of two success rates on the same problems, in order, with the adjusted Wald interval for
/// matched pairs (Agresti & Min 2005: half a pair is added to each cell of the 2 × 2 table).
///
/// Returns the plain difference and its interval; `None` when the lengths differ or there are no pairs.
pub fn paired_difference(a: &[bool], b: &[bool]) -> Option<(f64, Interval)> {
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let count =
        |wanted: (bool, bool)| a.iter().zip(b).filter(|&(&a, &b)| (a, b) == wanted).count() as f64;
    let (only_a, only_b) = (count((true, false)), count((false, true)));
    let n = a.len() as f64;
    let (x, y, m) = (only_a + 0.5, only_b + 0.5, n + 2.0);
    let centre = (x - y) / m;
    let spread = Z * ((x + y - (x - y) * (x - y) / m).max(0.0)).sqrt() / m;
    let interval = Interval {
        low: (centre - spread).max(-1.0),
        high: (centre + spread).min(1.0),
    };
    Some(((only_a - only_b) / n, interval))
}

/// A mean difference with its paired interval.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The difference.
    pub mean: f64,
    /// Its 95 % interval.
    pub interval: Interval,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        // Newcombe 1998, Table I, method 3: 81/263 and 15/148; 0/20.
        for ((successes, trials), (low, high)) in [
            ((81, 263), (0.2553, 0.3662)),
            ((15, 148), (0.0624, 0.1605)),
            ((0, 20), (0.0, 0.1611)),
        ] {
            let interval = Proportion { successes, trials }.interval();
            assert!((interval.low - low).abs() < 1e-4, "{interval:?}");
            assert!((interval.high - high).abs() < 1e-4, "{interval:?}");
        }
    }

    proptest! {
        #[test]
        fn swapping_the_sides_mirrors_the_interval(pairs in prop::collection::vec(any::<(bool, bool)>(), 1..200)) {
            let (a, b): (Vec<bool>, Vec<bool>) = pairs.into_iter().unzip();
            let (forth, there) = paired_difference(&a, &b).expect("pairs");
            let (back, here) = paired_difference(&b, &a).expect("pairs");
            prop_assert!((forth + back).abs() < 1e-12);
            prop_assert!((there.low + here.high).abs() < 1e-12);
            prop_assert!(there.low <= there.high);
        }
    }

    #[test]
    fn the_paired_interval_covers_the_truth_about_as_often_as_it_says() {
        // True difference 0.2 at n = 200 with correlated pairs; a small generator is enough to draw them.
        let mut state = 1u64;
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let covered = Proportion::of((0..2000).map(|_| {
            let draws = (0..200).map(|_| uniform()).map(|u| match u {
                u if u < 0.3 => (true, true),
                u if u < 0.6 => (true, false),
                u if u < 0.7 => (false, true),
                _ => (false, false),
            });
            let (a, b): (Vec<bool>, Vec<bool>) = draws.unzip();
            let (_, interval) = paired_difference(&a, &b).expect("pairs");
            interval.low <= 0.2 && 0.2 <= interval.high
        }));
        assert!((0.93..0.97).contains(&covered.mean()), "{covered:?}");
    }
}
