//! From logits to a token.

use outthink_core::Sampling;
use outthink_prompt::Likelihood;

/// The distribution after one prefix, ready to draw from many times.
pub(crate) struct Distribution<'l> {
    logits: &'l [f32],
    /// What a logit exceeds its token's log-probability by, at temperature 1.
    excess: f32,
    /// In nats, at temperature 1.
    entropy: f32,
    /// (token, cumulative weight); one entry when greedy.
    cumulative: Vec<(u32, f64)>,
}

impl<'l> Distribution<'l> {
    /// From the logits of the tokens that exist.
    pub(crate) fn new(logits: &'l [f32], sampling: Sampling) -> Self {
        let mut weights: Vec<(u32, f64)> = if sampling.temperature <= 0.0 {
            let best = (0..logits.len())
                .rev()
                .max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            vec![(best.unwrap_or(0) as u32, 1.0)]
        } else {
            let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weight = |&logit: &f32| (f64::from(logit - highest) / sampling.temperature).exp();
            (0..).zip(logits.iter().map(weight)).collect()
        };
        truncate(&mut weights, sampling);
        let mut total = 0.0;
        for (_, weight) in &mut weights {
            total += *weight;
            *weight = total;
        }
        let (excess, entropy) = total_and_entropy(logits);
        Self {
            logits,
            excess,
            entropy,
            cumulative: weights,
        }
    }

    /// The token at a uniform number in [0, 1), and how likely it was.
    pub(crate) fn draw(&self, uniform: f64) -> (u32, Likelihood) {
        let total = self.cumulative.last().map_or(0.0, |(_, total)| *total);
        let at = self
            .cumulative
            .partition_point(|(_, sum)| *sum <= uniform * total);
        let token = self.cumulative[at.min(self.cumulative.len() - 1)].0;
        let likelihood = Likelihood {
            logprob: Some(f64::from(self.logits[token as usize] - self.excess)),
            entropy: Some(f64::from(self.entropy)),
        };
        (token, likelihood)
    }
}

/// Drops the tokens that top-k, top-p and min-p drop. Ties keep the lower token.
fn truncate(weights: &mut Vec<(u32, f64)>, sampling: Sampling) {
    let Sampling {
        top_k,
        top_p,
        min_p,
        ..
    } = sampling;
    if top_k == 0 && top_p >= 1.0 && min_p <= 0.0 {
        return;
    }
    let best_first = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    // What is dropped anyway is not sorted: vocabularies are large.
    if 0 < top_k && top_k < weights.len() {
        weights.select_nth_unstable_by(top_k - 1, best_first);
        weights.truncate(top_k);
    }
    let best = weights
        .iter()
        .map(|(_, weight)| *weight)
        .fold(0.0, f64::max);
    weights.retain(|(_, weight)| *weight >= best * min_p);
    weights.sort_unstable_by(best_first);
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    let enough = weights.iter().position(|(_, weight)| {
        sum += weight;
        sum >= top_p * total
    });
    weights.truncate(enough.map_or(weights.len(), |at| at + 1));
}

/// The logarithm of the sum of all logits' exponentials: what a logit exceeds its log-probability by.
pub(crate) fn log_total(logits: &[f32]) -> f32 {
    total_and_entropy(logits).0
}

/// The same, and the entropy of the distribution in nats.
fn total_and_entropy(logits: &[f32]) -> (f32, f32) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut total, mut weighted) = (0.0f32, 0.0f32);
    for logit in logits {
        let below = logit - highest;
        let weight = below.exp();
        total += weight;
        // A token that can never come has a logit of minus infinity.
        weighted += if weight > 0.0 { weight * below } else { 0.0 };
    }
    (highest + total.ln(), total.ln() - weighted / total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn each_truncation_keeps_what_it_promises() {
        let logits: Vec<f32> = [0.5f32, 0.25, 0.15, 0.1].iter().map(|p| p.ln()).collect();
        let tokens = |sampling| -> Vec<u32> {
            let distribution = Distribution::new(&logits, sampling);
            let mut tokens: Vec<u32> = (0..1000)
                .map(|i| distribution.draw(f64::from(i) / 1000.0).0)
                .collect();
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        let all = Sampling::at(1.0);
        assert_eq!(tokens(all), [0, 1, 2, 3]);
        assert_eq!(tokens(Sampling { top_k: 2, ..all }), [0, 1]);
        assert_eq!(tokens(Sampling { top_p: 0.76, ..all }), [0, 1, 2]);
        assert_eq!(tokens(Sampling { min_p: 0.4, ..all }), [0, 1]);
        assert_eq!(tokens(Sampling::GREEDY), [0]);
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
}
