//! From logits to a token.

use outthink_core::Sampling;
use outthink_prompt::Likelihood;

use crate::kernels::vocabulary::{self, PART, Sums};

/// The distribution after one prefix, ready to draw from many times.
pub(crate) struct Distribution<'l> {
    logits: &'l [f32],
    /// What a logit exceeds its token's log-probability by, at temperature 1.
    excess: f32,
    /// In nats, at temperature 1.
    entropy: f32,
    drawn: Drawn,
}

/// How a token is found at a number.
enum Drawn {
    /// (token, cumulative weight); one entry when greedy.
    Few(Vec<(u32, f64)>),
    /// Cumulative weights of parts of the vocabulary, which are looked through when one is drawn from.
    All {
        parts: Vec<f64>,
        highest: f32,
        inverse: f32,
    },
}

impl<'l> Distribution<'l> {
    /// From the logits of the tokens that exist.
    pub(crate) fn new(logits: &'l [f32], sampling: Sampling) -> Self {
        let sums = Sums::of(logits);
        let drawn = if sampling.temperature <= 0.0 {
            let best = (0..logits.len())
                .rev()
                .max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            Drawn::Few(vec![(best.unwrap_or(0) as u32, 1.0)])
        } else {
            // Of the lowest temperatures the inverse is beyond f32, and nothing times infinity is no number.
            let inverse = (1.0 / sampling.temperature).min(f64::from(f32::MAX)) as f32;
            match sampling.top_k == 0 && sampling.top_p >= 1.0 && sampling.min_p <= 0.0 {
                true => Drawn::all(logits, sums.highest, inverse),
                false => Drawn::few(logits, sums.highest, inverse, sampling),
            }
        };
        Self {
            logits,
            excess: sums.log_total(),
            entropy: sums.entropy(),
            drawn,
        }
    }

    /// The token at a uniform number in [0, 1), and how likely it was.
    pub(crate) fn draw(&self, uniform: f64) -> (u32, Likelihood) {
        let token = self.drawn.at(self.logits, uniform);
        let likelihood = Likelihood {
            logprob: Some(f64::from(self.logits[token as usize] - self.excess)),
            entropy: Some(f64::from(self.entropy)),
        };
        (token, likelihood)
    }
}

impl Drawn {
    fn all(logits: &[f32], highest: f32, inverse: f32) -> Self {
        let mut weights = [0f32; PART];
        let mut total = 0.0;
        let part = |part: &[f32]| {
            let weights = &mut weights[..part.len()];
            vocabulary::weights(part, highest, inverse, weights);
            total += weights.iter().map(|weight| f64::from(*weight)).sum::<f64>();
            total
        };
        Self::All {
            parts: logits.chunks(PART).map(part).collect(),
            highest,
            inverse,
        }
    }

    /// The tokens that top-k, top-p and min-p keep. Ties keep the lower token.
    fn few(logits: &[f32], highest: f32, inverse: f32, sampling: Sampling) -> Self {
        let Sampling {
            top_k,
            top_p,
            min_p,
            ..
        } = sampling;
        let mut all = vec![0f32; logits.len()];
        vocabulary::weights(logits, highest, inverse, &mut all);
        let mut kept: Vec<(u32, f64)> = Vec::new();
        let mut keep = |least: f64| {
            let numbered = (0..).zip(all.iter().map(|weight| f64::from(*weight)));
            kept.extend(numbered.filter(|(_, weight)| *weight >= least));
        };
        // What is dropped anyway is not sorted: vocabularies are large. All tokens below this weight together are less than what
        // top-p drops.
        let tail = match 0 < top_k && top_k < logits.len() {
            true => 0.0,
            false => {
                let whole: f64 = all.iter().map(|weight| f64::from(*weight)).sum();
                0.5 * (1.0 - top_p).max(0.0) * whole / logits.len() as f64
            }
        };
        // The best token has the weight 1.
        keep(min_p.max(tail));
        let best_first = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let dropped: f64 = match tail > 0.0 {
            true => {
                let below = all.iter().map(|weight| f64::from(*weight));
                below.filter(|weight| (min_p..tail).contains(weight)).sum()
            }
            false => 0.0,
        };
        if 0 < top_k && top_k < kept.len() {
            kept.select_nth_unstable_by(top_k - 1, best_first);
            kept.truncate(top_k);
        }
        kept.sort_unstable_by(best_first);
        let total: f64 = kept.iter().map(|(_, weight)| weight).sum::<f64>() + dropped;
        let mut sum = 0.0;
        let enough = kept.iter().position(|(_, weight)| {
            sum += weight;
            sum >= top_p * total
        });
        kept.truncate(enough.map_or(kept.len(), |at| at + 1));
        let mut total = 0.0;
        for (_, weight) in &mut kept {
            total += *weight;
            *weight = total;
        }
        Self::Few(kept)
    }

    fn at(&self, logits: &[f32], uniform: f64) -> u32 {
        match self {
            Self::Few(cumulative) => {
                let total = cumulative.last().map_or(0.0, |(_, total)| *total);
                let at = cumulative.partition_point(|(_, sum)| *sum <= uniform * total);
                cumulative[at.min(cumulative.len() - 1)].0
            }
            Self::All {
                parts,
                highest,
                inverse,
            } => {
                let wanted = uniform * parts.last().copied().unwrap_or(0.0);
                let part = parts.partition_point(|sum| *sum <= wanted);
                let part = part.min(parts.len() - 1);
                let before = part.checked_sub(1).map_or(0.0, |before| parts[before]);
                let own = &logits[part * PART..logits.len().min((part + 1) * PART)];
                let mut weights = [0f32; PART];
                vocabulary::weights(own, *highest, *inverse, &mut weights[..own.len()]);
                let mut sum = before;
                let mut last = 0;
                for (token, weight) in weights[..own.len()].iter().enumerate() {
                    sum += f64::from(*weight);
                    if *weight > 0.0 {
                        last = token;
                    }
                    if sum > wanted {
                        return (part * PART + token) as u32;
                    }
                }
                // Sums of the same numbers in another order may end a little lower.
                (part * PART + last) as u32
            }
        }
    }
}

/// The logarithm of the sum of all logits' exponentials: what a logit exceeds its log-probability by.
pub(crate) fn log_total(logits: &[f32]) -> f32 {
    Sums::of(logits).log_total()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(logits: &[f32], sampling: Sampling, draws: u32) -> Vec<u32> {
        let distribution = Distribution::new(logits, sampling);
        let mut tokens: Vec<u32> = (0..draws)
            .map(|i| distribution.draw(f64::from(i) / f64::from(draws)).0)
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    #[test]
    fn each_truncation_keeps_what_it_promises() {
        let logits: Vec<f32> = [0.5f32, 0.25, 0.15, 0.1].iter().map(|p| p.ln()).collect();
        let tokens = |sampling| tokens(&logits, sampling, 1000);
        let all = Sampling::at(1.0);
        assert_eq!(tokens(all), [0, 1, 2, 3]);
        assert_eq!(tokens(Sampling { top_k: 2, ..all }), [0, 1]);
        assert_eq!(tokens(Sampling { top_p: 0.76, ..all }), [0, 1, 2]);
        assert_eq!(tokens(Sampling { min_p: 0.4, ..all }), [0, 1]);
        assert_eq!(tokens(Sampling::GREEDY), [0]);
    }

    #[test]
    fn the_lowest_temperatures_are_greedy() {
        let logits = [0.0, 3.0, 2.999, f32::NEG_INFINITY];
        for temperature in [1e-3 / 64.0, 1e-38, 1e-40, 1e-300, f64::MIN_POSITIVE] {
            let all = Sampling::at(temperature);
            for sampling in [
                all,
                Sampling { top_p: 0.9, ..all },
                Sampling { min_p: 0.1, ..all },
            ] {
                assert_eq!(tokens(&logits, sampling, 100), [1], "{sampling:?}");
            }
        }
    }

    #[test]
    fn entropy_is_that_of_the_model_whatever_is_truncated() {
        let shares = [0.5f32, 0.25, 0.15, 0.1, 0.0];
        let logits: Vec<f32> = shares.iter().map(|p| p.ln() + 3.0).collect();
        let expected: f32 = shares[..4].iter().map(|p| -p * p.ln()).sum();
        for sampling in [
            Sampling::GREEDY,
            Sampling {
                top_k: 2,
                ..Sampling::at(0.5)
            },
        ] {
            let (token, likelihood) = Distribution::new(&logits, sampling).draw(0.0);
            let [logprob, entropy] = [likelihood.logprob, likelihood.entropy].map(Option::unwrap);
            assert_eq!(token, 0);
            assert!((entropy - f64::from(expected)).abs() < 1e-6);
            assert!((logprob - 0.5f64.ln()).abs() < 1e-6);
        }
    }

    /// Numbers that look random.
    fn logits(seed: u32, size: usize, scale: f32) -> Vec<f32> {
        let logit = |at: u32| {
            (at + 7)
                .wrapping_mul(seed * 2 + 1)
                .wrapping_mul(2_654_435_761)
        };
        (0..size as u32)
            .map(|at| (logit(at) >> 20) as f32 / scale)
            .collect()
    }

    /// The tokens that remain if all are sorted, by definition.
    fn sorted(logits: &[f32], sampling: Sampling) -> Vec<u32> {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weight = |logit: &f32| (f64::from(logit - highest) / sampling.temperature).exp();
        let mut all: Vec<(u32, f64)> = (0..).zip(logits.iter().map(weight)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if sampling.top_k > 0 {
            all.truncate(sampling.top_k);
        }
        all.retain(|(_, weight)| *weight >= sampling.min_p);
        let total: f64 = all.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let mut kept = Vec::new();
        for (token, weight) in all {
            kept.push(token);
            sum += weight;
            if sum >= sampling.top_p * total {
                break;
            }
        }
        kept.sort_unstable();
        kept
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_kept_is_what_sorting_everything_keeps(
            seed in 0u32..1000, size in 1usize..700, top_k in 0usize..50, top_p in 1u32..=100, min_p in 0u32..20,
        ) {
            let logits = logits(seed, size, 400.0);
            let sampling = Sampling {
                top_k,
                // Sums of f32 and of f64 may differ right at the edge.
                top_p: f64::from(top_p) / 100.0 + 0.000_137,
                min_p: f64::from(min_p) / 100.0 + 0.000_137,
                temperature: 0.8,
            };
            let sampling = Sampling { top_p: sampling.top_p.min(1.0), ..sampling };
            let Drawn::Few(kept) = Distribution::new(&logits, sampling).drawn else {
                return Err(TestCaseError::fail("nothing was dropped"));
            };
            let mut kept: Vec<u32> = kept.into_iter().map(|(token, _)| token).collect();
            kept.sort_unstable();
            prop_assert_eq!(kept, sorted(&logits, sampling));
        }

        #[test]
        fn a_draw_is_where_the_weights_add_up_to_it(seed in 0u32..1000, size in 1usize..1500, uniform in 0.0f64..1.0) {
            let logits = logits(seed + 1000, size, 500.0);
            let (token, _) = Distribution::new(&logits, Sampling::at(0.7)).draw(uniform);
            let weights: Vec<f64> = logits.iter().map(|logit| (f64::from(*logit) / 0.7).exp()).collect();
            let wanted = uniform * weights.iter().sum::<f64>();
            let below: f64 = weights[..token as usize].iter().sum();
            let edge = 1e-5 * weights.iter().sum::<f64>();
            prop_assert!(below <= wanted + edge && wanted < below + weights[token as usize] + edge);
        }
    }
}
