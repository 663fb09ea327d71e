//! What is done to all logits of a row at once.

use super::isa::vectorized;
use super::rows::exp;

/// Logits whose weights are added up together: to draw, one such part is looked through.
pub(crate) const PART: usize = 256;

/// Sums over a row of logits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub highest: f32,
    /// Of e^(logit − highest).
    pub total: f64,
    /// Of the same, each times logit − highest.
    pub weighted: f64,
}

vectorized! {
    fn highest(logits: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; 32];
        let (chunks, rest) = logits.as_chunks::<32>();
        for chunk in chunks {
            for lane in 0..32 {
                lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
            }
        }
        lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

vectorized! {
    /// The sums of e^(logit − highest) and of the same times logit − highest.
    fn exponentials(logits: &[f32], highest: f32) -> (f32, f32) {
        let (mut totals, mut weighted) = ([0f32; 16], [0f32; 16]);
        let (chunks, rest) = logits.as_chunks::<16>();
        for chunk in chunks {
            for lane in 0..16 {
                let below = chunk[lane] - highest;
                let weight = exp(below);
                totals[lane] += weight;
                // A token that can never come has a logit of minus infinity.
                weighted[lane] += weight * if below > -100.0 { below } else { -100.0 };
            }
        }
        for (lane, logit) in rest.iter().enumerate() {
            let below = logit - highest;
            totals[lane] += exp(below);
            weighted[lane] += exp(below) * below.max(-100.0);
        }
        (totals.iter().sum(), weighted.iter().sum())
    }
}

vectorized! {
    /// `e^((logit − highest) / temperature)` of some logits.
    pub(crate) fn weights(logits: &[f32], highest: f32, inverse: f32, out: &mut [f32]) {
        for (out, logit) in out.iter_mut().zip(logits) {
            *out = exp((logit - highest) * inverse);
        }
    }
}

impl Sums {
    pub(crate) fn of(logits: &[f32]) -> Self {
        let highest = highest(logits);
        let (mut total, mut weighted) = (0.0, 0.0);
        for part in logits.chunks(PART) {
            let (own, own_weighted) = exponentials(part, highest);
            total += f64::from(own);
            weighted += f64::from(own_weighted);
        }
        Self {
            highest,
            total,
            weighted,
        }
    }

    /// The logarithm of the sum of all logits' exponentials: what a logit exceeds its token's log-probability by.
    pub(crate) fn log_total(&self) -> f32 {
        self.highest + self.total.ln() as f32
    }

    /// The entropy of the distribution in nats.
    pub(crate) fn entropy(&self) -> f32 {
        (self.total.ln() - self.weighted / self.total) as f32
    }
}
