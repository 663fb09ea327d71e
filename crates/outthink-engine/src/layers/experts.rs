//! A feed-forward part of many experts, of which each token goes to a few.

use super::buffers::Buffers;
use super::linear::Linear;
use crate::Error;
use crate::architectures::{DecoderSpec, ExpertsSpec, TensorNames};
use crate::kernels::{Gate, rows};
use crate::precision::PrecisionRule;
use crate::weights::OpenWeights;

/// The sum of what the chosen experts give, each times its share.
pub(crate) struct Experts {
    /// A logit an expert.
    router: Linear,
    experts: Vec<Expert>,
    spec: ExpertsSpec,
    gate: Gate,
    hidden: usize,
}

/// `down(activation(gate(x)) · up(x))`
struct Expert {
    gate_up: Linear,
    down: Linear,
}

impl Experts {
    /// `block` is what the block's tensors are named after.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        block: &str,
        spec: &DecoderSpec,
        experts: ExpertsSpec,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let (hidden, width, names) = (spec.hidden_size, experts.width, spec.tensors);
        let router = [(format!("{block}.{}", names.router), experts.count)];
        let load = |number: usize| {
            let expert = TensorNames::expert(block, number);
            let gate_up =
                TensorNames::EXPERT_GATE_UP.map(|name| (format!("{expert}.{name}"), width));
            let down = [(format!("{expert}.{}", TensorNames::EXPERT_DOWN), hidden)];
            Ok(Expert {
                gate_up: Linear::load(weights, &gate_up, hidden, rule)?,
                down: Linear::load(weights, &down, width, rule)?,
            })
        };
        Ok(Self {
            // It is small, and who is chosen hangs on it.
            router: Linear::load(weights, &router, hidden, rule.exact())?,
            experts: (0..experts.count).map(load).collect::<Result<_, Error>>()?,
            spec: experts,
            gate: spec.gate,
            hidden,
        })
    }

    /// From `normed` to `out`, `[rows, hidden]` each. A row's results are added in the order of the experts' numbers, whatever
    /// rows go to the same ones.
    pub(crate) fn forward(&self, buffers: &mut Buffers) {
        let Buffers {
            rounded,
            normed,
            wide,
            inner,
            out,
            gathered,
            given,
            ..
        } = buffers;
        self.router.forward(normed, rounded, wide);
        let mut rows_of: Vec<Vec<(usize, f32)>> = vec![Vec::new(); self.experts.len()];
        for (row, logits) in wide.chunks_exact(self.experts.len()).enumerate() {
            for (expert, share) in self.spec.choose(logits) {
                rows_of[expert].push((row, share));
            }
        }
        out.clear();
        out.resize(normed.len(), 0.0);
        let place = |row: usize| row * self.hidden..(row + 1) * self.hidden;
        for (expert, rows) in self.experts.iter().zip(rows_of) {
            if rows.is_empty() {
                continue;
            }
            gathered.clear();
            for (row, _) in &rows {
                gathered.extend_from_slice(&normed[place(*row)]);
            }
            expert.gate_up.forward(gathered, rounded, wide);
            inner.resize(wide.len() / 2, 0.0);
            rows::gated(self.gate, wide, inner, self.spec.width);
            expert.down.forward(inner, rounded, given);
            for ((row, share), given) in rows.iter().zip(given.chunks_exact(self.hidden)) {
                rows::add_times(&mut out[place(*row)], *share, given);
            }
        }
    }
}

impl ExpertsSpec {
    /// The experts with the highest logits, of equal ones the first, and the share of each.
    fn choose(&self, logits: &[f32]) -> Vec<(usize, f32)> {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_unstable_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let highest = order.first().map_or(0.0, |&first| logits[first]);
        let weight = |expert: usize| rows::exp(logits[expert] - highest);
        let chosen = &order[..self.chosen.min(order.len())];
        let total: f32 = match self.shares_of_all {
            true => (0..logits.len()).map(weight).sum(),
            false => chosen.iter().map(|&expert| weight(expert)).sum(),
        };
        let share = |&expert: &usize| (expert, weight(expert) / total);
        chosen.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_logits_choose_and_share() {
        let choose = |shares_of_all, logits: &[f32]| {
            let spec = ExpertsSpec {
                count: logits.len(),
                chosen: 2,
                width: 1,
                shares_of_all,
            };
            spec.choose(logits)
        };
        let logits = [0.0, 3f32.ln(), 1f32.ln(), 5f32.ln()];
        let close = |(expert, share): (usize, f32), (wanted, of): (usize, f32)| {
            assert!(
                expert == wanted && (share - of).abs() < 1e-6,
                "{expert} {share}"
            );
        };
        let all = choose(true, &logits);
        close(all[0], (3, 0.5));
        close(all[1], (1, 0.3));
        let chosen = choose(false, &logits);
        close(chosen[0], (3, 0.625));
        close(chosen[1], (1, 0.375));
        assert_eq!(
            choose(false, &[1.0; 4])
                .iter()
                .map(|(expert, _)| *expert)
                .collect::<Vec<_>>(),
            [0, 1]
        );
        assert!(
            choose(false, &[f32::NAN; 3])
                .iter()
                .all(|(_, share)| share.is_nan())
        );
    }
}
