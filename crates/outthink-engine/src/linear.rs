//! A linear layer whose result for a row does not depend on the other rows.

use candle_core::quantized::QMatMul;
use candle_core::{DType, Module, Tensor};
use rayon::prelude::*;

use crate::Error;
use crate::precision::{Choice, Kept};
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
    /// Quantized in blocks, one a layer of the checkpoint. Inputs are quantized too, row by row.
    Blocks(Vec<QMatMul>),
}

impl Weight {
    fn load(
        weights: &OpenWeights<'_>,
        layers: &[(String, usize)],
        input: usize,
        choice: Choice,
    ) -> Result<Self, Error> {
        let parts = || {
            layers
                .iter()
                .map(|(name, output)| (format!("{name}.weight"), *output))
        };
        let kept = |(name, output): (String, usize)| match weights.blocks(&name) {
            Some(dtype) => choice.kept_blocks(dtype, output, input),
            None => choice.kept(output, input),
        };
        if parts().all(|part| kept(part) == Kept::Blocks) {
            let blocks = |(name, output): (String, usize)| -> Result<QMatMul, Error> {
                let quantized = weights.quantized(&name, &[output, input])?;
                Ok(QMatMul::from_qtensor(quantized)?)
            };
            return Ok(Self::Blocks(parts().map(blocks).collect::<Result<_, _>>()?));
        }
        let wide = parts().any(|part| kept(part) == Kept::F32);
        let mut tensors = Vec::with_capacity(layers.len());
        for (name, output) in parts() {
            let stored = weights.stored(&name, &[output, input])?;
            tensors.push(if wide {
                stored.to_dtype(DType::F32)?
            } else if weights.blocks(&name).is_some() {
                // It comes wide; half of that is more than it ever had.
                stored.to_dtype(DType::F16)?
            } else {
                stored
            });
        }
        let whole = if tensors.len() == 1 {
            tensors.swap_remove(0)
        } else {
            Tensor::cat(&tensors, 0)?
        };
        drop(tensors);
        if whole.dtype() == DType::F32 {
            return Ok(Self::Wide(whole.t()?.contiguous()?));
        }
        let tile = |range: (usize, usize)| whole.narrow(0, range.0, range.1)?.t()?.contiguous();
        Ok(Self::Half(
            tiles(whole.dim(0)?).map(tile).collect::<Result<_, _>>()?,
        ))
    }
}

impl Linear {
    /// One or several layers of a checkpoint with the same input, `[out, in]` there; their outputs stand side by side.
    /// A bias is there if the checkpoint has one.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        layers: &[(String, usize)],
        input: usize,
        choice: Choice,
    ) -> Result<Self, Error> {
        let mut biases = Vec::with_capacity(layers.len());
        for (name, output) in layers {
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
        Ok(Self {
            weight: Weight::load(weights, layers, input, choice)?,
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
            Weight::Blocks(parts) => {
                let outputs: Vec<Tensor> = parts
                    .iter()
                    .map(|part| part.forward(x))
                    .collect::<Result<_, _>>()?;
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
    use crate::precision::Precision;
    use crate::weights::Weights;

    /// A layer of random numbers in bf16, kept in several ways, on the same rows.
    fn outputs(outputs: usize, inputs: usize) -> (Vec<f32>, impl Fn(Precision) -> Vec<f32>) {
        let stored = Tensor::randn(0f32, 1.0, (outputs, inputs), &Device::Cpu).unwrap();
        let stored = stored.to_dtype(DType::BF16).unwrap();
        let x = Tensor::randn(0f32, 1.0, (ROWS, inputs), &Device::Cpu).unwrap();
        let run = |linear: Linear, x: &Tensor| {
            let y = linear.forward(x).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let tied = run(Linear::tied(&stored).unwrap(), &x);
        let name = format!("outthink-linear-{}-{outputs}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let tensors = std::collections::HashMap::from([("a.weight".to_owned(), stored)]);
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let kept = move |precision| {
            let weights = Weights::Files(vec![file.clone()]);
            let weights = weights.open().unwrap();
            let choice = Choice::new(precision, 1 << 30);
            let layers = [("a".to_owned(), outputs)];
            run(Linear::load(&weights, &layers, inputs, choice).unwrap(), &x)
        };
        (tied, kept)
    }

    fn largest_gap(a: &[f32], b: &[f32]) -> f32 {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn half_precision_gives_the_numbers_of_its_widened_weight() {
        let (tied, kept) = outputs(TILE + 188, 32);
        let wide = kept(Precision::F32);
        assert!(largest_gap(&wide, &kept(Precision::Stored)) < 1e-4);
        assert!(largest_gap(&wide, &tied) < 1e-4);
    }

    #[test]
    fn eight_bits_lose_less_than_a_hundredth_of_the_output() {
        let (_, kept) = outputs(512, 512);
        let (wide, eight) = (kept(Precision::F32), kept(Precision::Q8));
        let norm =
            |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
        let lost = norm(&mut wide.iter().zip(&eight).map(|(a, b)| a - b));
        // Where this machine has no fast kernel, nothing is quantized.
        assert!(lost < 0.01 * norm(&mut wide.iter().copied()), "{lost}");
    }
}
