//! From logits to a token.

use outthink_core::Sampling;

/// The distribution after one prefix, ready to draw from many times.
pub(crate) struct Distribution {
    /// Log-probability of every token at temperature 1.
    logprobs: Vec<f32>,
    /// (token, cumulative weight); one entry when greedy.
    cumulative: Vec<(u32, f64)>,
}

impl Distribution {
    /// From the logits of the tokens that exist.
    pub(crate) fn new(logits: &[f32], sampling: Sampling) -> Self {
        let logprobs = log_softmax(logits);
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
        Self {
            logprobs,
            cumulative: weights,
        }
    }

    /// The token at a uniform number in [0, 1), and its log-probability.
    pub(crate) fn draw(&self, uniform: f64) -> (u32, f64) {
        let total = self.cumulative.last().map_or(0.0, |(_, total)| *total);
        let at = self
            .cumulative
            .partition_point(|(_, sum)| *sum <= uniform * total);
        let token = self.cumulative[at.min(self.cumulative.len() - 1)].0;
        (token, f64::from(self.logprobs[token as usize]))
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
    weights.sort_by(|a, b| b.1.total_cmp(&a.1));
    if top_k > 0 {
        weights.truncate(top_k);
    }
    let floor = weights.first().map_or(0.0, |(_, best)| best * min_p);
    weights.retain(|(_, weight)| *weight >= floor);
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    let enough = weights.iter().position(|(_, weight)| {
        sum += weight;
        sum >= top_p * total
    });
    weights.truncate(enough.map_or(weights.len(), |at| at + 1));
}

pub(crate) fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    let shift = highest + total.ln();
    logits.iter().map(|logit| logit - shift).collect()
}

#[cfg(test)]
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
}
