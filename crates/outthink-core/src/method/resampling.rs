//! Resampling by weight, as particle filters do it.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// The log-odds of a reward, kept within what a float next to 0 or 1 has, so that a sure reward is a large number and not an
/// infinite one (as the code of arXiv 2502.01618 clips it). No reward is one of 0.
pub(super) fn logit(reward: Option<f64>) -> f64 {
    let known = reward.filter(|reward| !reward.is_nan()).unwrap_or(0.0);
    let reward = known.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    reward.ln() - (-reward).ln_1p()
}

/// `e^(x / temperature)` of each, over that of the largest: no overflow, and the largest is 1.
pub(super) fn exponentials(of: &[f64], temperature: f64) -> Vec<f64> {
    let largest = of.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |x: &f64| ((x - largest) / temperature).exp();
    of.iter().map(weight).collect()
}

/// Systematic resampling: so many copies in all, shared by weight. The points `offset, 1 + offset, 2 + offset, …` are laid
/// over the weights, stretched to the number of copies; each point copies what it lies on. With an `offset` that is uniform in
/// [0, 1) the expected copies of each are its share, and no count is a whole copy off. None where no weight is above 0.
pub(super) fn systematic(weights: &[f64], copies: usize, offset: f64) -> Vec<usize> {
    let total: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|&weight| weight > 0.0);
    let mut below = 0;
    let mut sum = 0.0;
    weights
        .iter()
        .enumerate()
        .map(|(place, weight)| {
            sum += weight;
            let points = match last {
                // Rounding must not lose the last point.
                Some(last) if place >= last => copies,
                Some(_) => ((sum / total * copies as f64 - offset).ceil() as usize).min(copies),
                None => 0,
            };
            let own = points.saturating_sub(below);
            below = below.max(points);
            own
        })
        .collect()
}

/// How many equally weighted particles are worth as much as these: `(Σ w)² / Σ w²` over the particles, of which several may
/// share a weight (Kish 1965).
pub(super) fn effective_size(weights: &[f64], particles: &[usize]) -> f64 {
    let each = || weights.iter().zip(particles.iter().map(|&own| own as f64));
    let sum: f64 = each().map(|(weight, own)| own * weight).sum();
    let squares: f64 = each().map(|(weight, own)| own * weight * weight).sum();
    sum * sum / squares
}

/// What a method decides at random: numbers in [0, 1), from its seed alone.
pub(super) struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(super) fn uniform(&mut self) -> f64 {
        // Not a generator of std or a crate: a tree must be the same in every build, as the draws' seeds are.
        let mut hasher = SipHasher13::new_with_keys(self.seed, self.drawn);
        hasher.write_u64(self.drawn);
        self.drawn += 1;
        (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// So many of a list, or all, each set and each order equally likely.
    pub(super) fn some_of<'t, T>(&mut self, of: &'t [T], count: usize) -> Vec<&'t T> {
        let mut left: Vec<&T> = of.iter().collect();
        let count = count.min(left.len());
        for place in 0..count {
            let others = left.len() - place;
            let other = (self.uniform() * others as f64) as usize;
            left.swap(place, place + other.min(others - 1));
        }
        left.truncate(count);
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sure_rewards_have_finite_log_odds() {
        assert_eq!(logit(Some(0.5)), 0.0);
        assert!((logit(Some(0.9)) - 9f64.ln()).abs() < 1e-12);
        let most = logit(Some(1.0));
        assert!((36.0..37.0).contains(&most));
        assert!((logit(Some(0.0)) + most).abs() < 1e-9);
        for odd in [f64::NAN, f64::NEG_INFINITY, -1.0] {
            assert_eq!(logit(Some(odd)), logit(None));
        }
        assert_eq!(logit(Some(f64::INFINITY)), most);
    }

    #[test]
    fn systematic_resampling_by_hand() {
        // Over four copies the weights end at 2, 2, 3 and 4; the points are 0.5, 1.5, 2.5 and 3.5.
        assert_eq!(systematic(&[2.0, 0.0, 1.0, 1.0], 4, 0.5), [2, 0, 1, 1]);
        // They end at 1.5 and 3; the points are 0.4, 1.4 and 2.4, or 0.6, 1.6 and 2.6.
        assert_eq!(systematic(&[1.0, 1.0], 3, 0.4), [2, 1]);
        assert_eq!(systematic(&[1.0, 1.0], 3, 0.6), [1, 2]);
        assert_eq!(systematic(&[0.0, 0.0], 3, 0.6), [0, 0]);
        assert_eq!(systematic(&[], 3, 0.6), [0; 0]);
    }

    proptest! {
        #[test]
        fn copies_are_all_dealt_and_within_one_of_their_share(
            weights in prop::collection::vec(prop_oneof![Just(0.0), 1e-12..1.0f64], 1..20),
            copies in 1usize..50,
            offset in 0.0..1.0f64,
        ) {
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.0);
            let own = systematic(&weights, copies, offset);
            prop_assert_eq!(own.iter().sum::<usize>(), copies);
            for (own, weight) in own.into_iter().zip(weights) {
                let share = weight / total * copies as f64;
                prop_assert!((own as f64 - share).abs() < 1.0 + 1e-9 && (weight > 0.0 || own == 0));
            }
        }

        #[test]
        fn the_expected_copies_are_the_share(
            weights in prop::collection::vec(0u8..10, 1..8),
            copies in 1usize..12,
            seed: u64,
        ) {
            let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
            let total: f64 = weights.iter().sum();
            prop_assume!(total > 0.0);
            let mut chance = Chance::new(seed);
            const TRIALS: usize = 4000;
            let mut sums = vec![0; weights.len()];
            for _ in 0..TRIALS {
                for (sum, own) in sums.iter_mut().zip(systematic(&weights, copies, chance.uniform())) {
                    *sum += own;
                }
            }
            for (sum, weight) in sums.into_iter().zip(weights) {
                // A count has a variance of at most 1/4, so this is more than five standard errors.
                let mean = sum as f64 / TRIALS as f64;
                prop_assert!((mean - weight / total * copies as f64).abs() < 0.045, "{}", mean);
            }
        }
    }
}
