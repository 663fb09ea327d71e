//! A linear layer whose result for a row does not depend on the other rows.

use candle_core::{DType, Tensor};

use crate::Error;
use crate::weights::OpenWeights;

/// Rows are multiplied in groups of this many. The matrix kernel chooses its order of additions by shape, so every call
/// has the same one: that, and not luck, makes a draw independent of what else is in the batch (the measured price is
/// in benches/README.md).
pub(crate) const ROWS: usize = 16;

/// Columns of a half-precision weight that are widened at a time: few enough to stay in the cache.
const TILE: usize = 512;

/// `x · W + b`, the weight stored transposed (`[in, out]`): 3 to 7 times as fast as the checkpoint's own layout
/// at 4 to 16 rows.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    /// Is the weight as it stands in the checkpoint, `[out, in]`? It is where it is shared with the embedding.
    shared: bool,
    bias: Option<Tensor>,
}

impl Linear {
    /// One or several layers of a checkpoint with the same input, `[out, in]` there; their outputs stand side by side.
    /// A bias is there if the checkpoint has one. `wide` keeps the weight in f32, else it stays as it is stored.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        layers: &[(String, usize)],
        input: usize,
        wide: bool,
    ) -> Result<Self, Error> {
        let mut parts = Vec::with_capacity(layers.len());
        let mut biases = Vec::with_capacity(layers.len());
        for (name, output) in layers {
            let stored = weights.stored(&format!("{name}.weight"), &[*output, input])?;
            parts.push(if wide {
                stored.to_dtype(DType::F32)?
            } else {
                stored
            });
            let bias = format!("{name}.bias");
            if weights.contains(&bias) {
                biases.push(weights.get(&bias, &[*output])?);
            }
        }
        if !biases.is_empty() && biases.len() != layers.len() {
            return Err(Error::Malformed {
                file: "the weights",
                reason: format!("some of {layers:?} have a bias and some have none"),
            });
        }
        let whole = if parts.len() == 1 {
            parts.swap_remove(0)
        } else {
            Tensor::cat(&parts, 0)?
        };
        drop(parts);
        Ok(Self {
            weight: whole.t()?.contiguous()?,
            shared: false,
            bias: if biases.is_empty() {
                None
            } else {
                Some(Tensor::cat(&biases, 0)?)
            },
        })
    }

    /// The embedding as output layer, without a copy where a copy would be large.
    pub(crate) fn tied(embedding: &Tensor) -> Result<Self, Error> {
        const SMALL: usize = 1 << 22;
        let shared = embedding.elem_count() > SMALL;
        let weight = if shared {
            embedding.clone()
        } else {
            embedding.t()?.contiguous()?
        };
        Ok(Self {
            weight,
            shared,
            bias: None,
        })
    }

    /// `[rows, in]` to `[rows, out]`; `rows` is a multiple of [`ROWS`].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let y = if self.weight.dtype() == DType::F32 {
            if self.shared {
                x.matmul(&self.weight.t()?)?
            } else {
                x.matmul(&self.weight)?
            }
        } else {
            self.widened(x)?
        };
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }

    /// The product with a weight in half precision, a tile of its outputs at a time. Half the memory of f32, and the
    /// same numbers.
    fn widened(&self, x: &Tensor) -> Result<Tensor, Error> {
        let side = usize::from(!self.shared);
        let outputs = self.weight.dim(side)?;
        let mut tiles = Vec::with_capacity(outputs.div_ceil(TILE));
        for start in (0..outputs).step_by(TILE) {
            let tile = self.weight.narrow(side, start, TILE.min(outputs - start))?;
            let tile = tile.to_dtype(DType::F32)?;
            tiles.push(if self.shared {
                x.matmul(&tile.t()?)?
            } else {
                x.matmul(&tile)?
            });
        }
        Ok(Tensor::cat(&tiles, 1)?)
    }
}
