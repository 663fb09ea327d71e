//! A linear layer whose result for a row does not depend on the other rows.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

/// Rows are multiplied in groups of this many. The matrix kernel chooses its order of additions by shape, so every call
/// has the same one: that, and not luck, makes a draw independent of what else is in the batch (the measured price is
/// in benches/README.md).
pub(crate) const ROWS: usize = 16;

/// `x · W + b`, the weight stored transposed (`[in, out]`): 3 to 7 times as fast as the checkpoint's own layout
/// at 4 to 16 rows.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// One layer of a checkpoint, `[out, in]` there.
    pub(crate) fn load(
        input: usize,
        output: usize,
        bias: bool,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        let bias = if bias {
            Some(vb.get(output, "bias")?)
        } else {
            None
        };
        Self::new(vb.get((output, input), "weight")?, bias)
    }

    /// Several layers with the same input as one; their outputs stand side by side.
    pub(crate) fn fused(
        layers: &[(usize, VarBuilder<'_>)],
        input: usize,
        bias: bool,
    ) -> Result<Self> {
        let weights: Vec<Tensor> = layers
            .iter()
            .map(|(output, vb)| vb.get((*output, input), "weight"))
            .collect::<Result<_>>()?;
        let biases: Vec<Tensor> = if bias {
            layers
                .iter()
                .map(|(output, vb)| vb.get(*output, "bias"))
                .collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        let bias = if bias {
            Some(Tensor::cat(&biases, 0)?)
        } else {
            None
        };
        Self::new(Tensor::cat(&weights, 0)?, bias)
    }

    /// From `[out, in]`.
    pub(crate) fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Ok(Self {
            weight: weight.t()?.contiguous()?,
            bias,
        })
    }

    /// `[rows, in]` to `[rows, out]`; `rows` is a multiple of [`ROWS`].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.matmul(&self.weight)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}
