//! A linear layer whose result for a row does not depend on the other rows.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use crate::Error;
use crate::weights::OpenWeights;

/// Rows are multiplied in groups of this many. The matrix kernel chooses its order of additions by shape, so every call
/// has the same one: that, and not luck, makes a draw independent of what else is in the batch (the measured price is
/// in benches/README.md).
pub(crate) const ROWS: usize = 16;

/// Outputs of a half-precision weight that are widened at a time: few enough to stay in the cache.
const TILE: usize = 512;

/// `x · W + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
}

#[derive(Debug)]
enum Weight {
    /// In f32, `[in, out]`: 3 to 7 times as fast as the checkpoint's own layout at 4 to 16 rows.
    Wide(Tensor),
    /// As the checkpoint has it, `[out, in]` in any type: shared with the embedding.
    Shared(Tensor),
    /// In half precision, `[in, TILE]` each. Half the memory of f32, and the same numbers.
    Half(Vec<Tensor>),
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
        let weight = if whole.dtype() == DType::F32 {
            Weight::Wide(whole.t()?.contiguous()?)
        } else {
            let tile = |range: (usize, usize)| whole.narrow(0, range.0, range.1)?.t()?.contiguous();
            Weight::Half(tiles(whole.dim(0)?).map(tile).collect::<Result<_, _>>()?)
        };
        Ok(Self {
            weight,
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
        let weight = if embedding.elem_count() > SMALL || embedding.dtype() != DType::F32 {
            Weight::Shared(embedding.clone())
        } else {
            Weight::Wide(embedding.t()?.contiguous()?)
        };
        Ok(Self { weight, bias: None })
    }

    /// `[rows, in]` to `[rows, out]`; `rows` is a multiple of [`ROWS`].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let y = match &self.weight {
            Weight::Wide(weight) => x.matmul(weight)?,
            Weight::Shared(weight) => {
                let tile = |(start, length)| {
                    x.matmul(&weight.narrow(0, start, length)?.to_dtype(DType::F32)?.t()?)
                };
                let all: Vec<_> = tiles(weight.dim(0)?).collect();
                let outputs: Vec<Tensor> =
                    all.into_par_iter().map(tile).collect::<Result<_, _>>()?;
                Tensor::cat(&outputs, 1)?
            }
            Weight::Half(parts) => {
                let tile = |part: &Tensor| x.matmul(&part.to_dtype(DType::F32)?);
                let outputs: Vec<Tensor> = parts.par_iter().map(tile).collect::<Result<_, _>>()?;
                Tensor::cat(&outputs, 1)?
            }
        };
        Ok(match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        })
    }
}

/// (start, length) of each tile.
fn tiles(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..outputs)
        .step_by(TILE)
        .map(move |start| (start, TILE.min(outputs - start)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::weights::Weights;

    #[test]
    fn half_precision_gives_the_numbers_of_its_widened_weight() {
        let (outputs, inputs) = (TILE + 188, 32);
        let stored = Tensor::randn(0f32, 1.0, (outputs, inputs), &Device::Cpu).unwrap();
        let stored = stored.to_dtype(DType::BF16).unwrap();
        let file = std::env::temp_dir().join(format!("outthink-linear-{}", std::process::id()));
        let tensors = std::collections::HashMap::from([("a.weight".to_owned(), stored.clone())]);
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let weights = Weights::Files(vec![file.clone()]);
        let weights = weights.open().unwrap();
        let x = Tensor::randn(0f32, 1.0, (ROWS, inputs), &Device::Cpu).unwrap();
        let run = |linear: Linear| {
            let y = linear.forward(&x).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let load =
            |wide| Linear::load(&weights, &[("a".to_owned(), outputs)], inputs, wide).unwrap();
        let wide = run(load(true));
        for other in [run(load(false)), run(Linear::tied(&stored).unwrap())] {
            let gap = wide
                .iter()
                .zip(&other)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(gap < 1e-4, "{gap}");
        }
        std::fs::remove_file(file).unwrap();
    }
}
