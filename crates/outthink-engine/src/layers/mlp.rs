//! The feed-forward part of a block.

use super::buffers::Buffers;
use super::linear::Linear;
use crate::Error;
use crate::architectures::{DecoderSpec, TensorNames};
use crate::kernels::{Gate, rows};
use crate::precision::PrecisionRule;
use crate::weights::OpenWeights;

/// `down(activation(gate(x)) · up(x))`.
pub(crate) struct GatedMlp {
    /// Gate and up side by side.
    gate_up: Linear,
    down: Linear,
    width: usize,
    gate: Gate,
}

impl GatedMlp {
    /// `block` is what the block's tensors are named after.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        block: &str,
        spec: &DecoderSpec,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let (hidden, inner) = (spec.hidden_size, spec.intermediate_size);
        let names = spec.tensors;
        let gate_up = TensorNames::parts(block, names.gate_up, &[inner, inner]);
        let down = [(format!("{block}.{}", names.down), hidden)];
        Ok(Self {
            gate_up: Linear::load(weights, &gate_up, hidden, rule)?,
            down: Linear::load(weights, &down, inner, rule)?,
            width: inner,
            gate: spec.gate,
        })
    }

    /// From `normed` to `out`, `[rows, hidden]` each.
    pub(crate) fn forward(&self, buffers: &mut Buffers) {
        let Buffers {
            rounded,
            normed,
            wide,
            inner,
            out,
            ..
        } = buffers;
        self.gate_up.forward(normed, rounded, wide);
        inner.resize(wide.len() / 2, 0.0);
        rows::gated(self.gate, wide, inner, self.width);
        self.down.forward(inner, rounded, out);
    }
}
