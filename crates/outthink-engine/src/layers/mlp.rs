//! The feed-forward part of a block.

use super::buffers::Buffers;
use super::linear::Linear;
use crate::Error;
use crate::architectures::DecoderSpec;
use crate::kernels::rows;
use crate::precision::PrecisionRule;
use crate::weights::OpenWeights;

/// `down(silu(gate(x)) · up(x))`.
pub(crate) struct GatedMlp {
    /// Gate and up side by side.
    gate_up: Linear,
    down: Linear,
    width: usize,
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
        let named = |name: &str, width| (format!("{block}.{name}"), width);
        let names = spec.tensors;
        let gate_up = [named(names.gate, inner), named(names.up, inner)];
        Ok(Self {
            gate_up: Linear::load(weights, &gate_up, hidden, rule)?,
            down: Linear::load(weights, &[named(names.down, hidden)], inner, rule)?,
            width: inner,
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
        rows::swiglu(wide, inner, self.width);
        self.down.forward(inner, rounded, out);
    }
}
