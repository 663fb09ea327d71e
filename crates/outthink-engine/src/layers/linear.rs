//! A linear layer whose result for a row does not depend on the other rows.

use candle_core::quantized::{GgmlDType, QMatMul, QTensor};
use candle_core::{DType, Module, Tensor};
use rayon::prelude::*;

use crate::Error;
use crate::precision::{PrecisionRule, WeightStorage};
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
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let parts = || {
            layers
                .iter()
                .map(|(name, output)| (format!("{name}.weight"), *output))
        };
        let kept = |(name, output): (String, usize)| match weights.blocks(&name) {
            Some(dtype) => rule.kept_blocks(dtype, output, input),
            None => rule.kept(output, input),
        };
        if parts().all(|part| kept(part) == WeightStorage::Blocks) {
            let blocks = |(name, output): (String, usize)| -> Result<QMatMul, Error> {
                let quantized = weights.quantized(&name, &[output, input])?;
                Ok(QMatMul::from_qtensor(quantized)?)
            };
            return Ok(Self::Blocks(parts().map(blocks).collect::<Result<_, _>>()?));
        }
        let wide = parts().any(|part| kept(part) == WeightStorage::F32);
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
        Self::dense(&whole)
    }

    /// From the checkpoint's layout, `[out, in]`.
    fn dense(weight: &Tensor) -> Result<Self, Error> {
        if weight.dtype() == DType::F32 {
            return Ok(Self::Wide(weight.t()?.contiguous()?));
        }
        let tile = |(start, length)| weight.narrow(0, start, length)?.t()?.contiguous();
        let all = tiles(weight.dim(0)?).map(tile);
        Ok(Self::Half(all.collect::<Result<_, _>>()?))
    }
}

impl Linear {
    /// One or several layers of a checkpoint with the same input, `[out, in]` there; their outputs stand side by side.
    /// A bias is there if the checkpoint has one.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        layers: &[(String, usize)],
        input: usize,
        rule: PrecisionRule,
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
            weight: Weight::load(weights, layers, input, rule)?,
            bias: if biases.is_empty() {
                None
            } else {
                Some(Tensor::cat(&biases, 0)?)
            },
        })
    }

    /// An embedding, `[out, in]`, as output layer, without a bias.
    pub(crate) fn tied(embedding: &Tensor, rule: PrecisionRule) -> Result<Self, Error> {
        let (outputs, inputs) = embedding.dims2()?;
        let weight = match rule.kept(outputs, inputs) {
            WeightStorage::Blocks => {
                let wide = embedding.to_dtype(DType::F32)?;
                let blocks = QTensor::quantize(&wide, GgmlDType::Q8_0)?;
                Weight::Blocks(vec![QMatMul::from_qtensor(blocks)?])
            }
            WeightStorage::F32 => Weight::dense(&embedding.to_dtype(DType::F32)?)?,
            WeightStorage::Stored => Weight::dense(embedding)?,
        };
        Ok(Self { weight, bias: None })
    }

    /// Can the weights of an output be read back? Not from blocks.
    pub(crate) fn embeds(&self) -> bool {
        !matches!(self.weight, Weight::Blocks(_))
    }

    /// The weights of some outputs, `[outputs, in]` in f32: a tied layer is its own embedding.
    pub(crate) fn embed(&self, outputs: &[u32]) -> Result<Tensor, Error> {
        let column = |&output: &u32| {
            let output = output as usize;
            match &self.weight {
                Weight::Wide(weight) => weight.narrow(1, output, 1)?.squeeze(1),
                Weight::Half(parts) => parts[output / TILE].narrow(1, output % TILE, 1)?.squeeze(1),
                Weight::Blocks(_) => candle_core::bail!("blocks are not read back"),
            }
        };
        let columns: Vec<Tensor> = outputs.iter().map(column).collect::<Result<_, _>>()?;
        Ok(Tensor::stack(&columns, 0)?.to_dtype(DType::F32)?)
    }

    /// `[rows, in]` to `[rows, out]`; `rows` is a multiple of [`ROWS`].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let y = match &self.weight {
            Weight::Wide(weight) => x.matmul(weight)?,
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
    use crate::precision::{FastKernels, Precision};
    use crate::weights::Weights;

    /// A layer of random numbers in bf16, kept in several ways, on the same rows.
    fn outputs(outputs: usize, inputs: usize) -> impl Fn(Precision) -> Vec<f32> {
        let stored = Tensor::randn(0f32, 1.0, (outputs, inputs), &Device::Cpu).unwrap();
        let stored = stored.to_dtype(DType::BF16).unwrap();
        let x = Tensor::randn(0f32, 1.0, (ROWS, inputs), &Device::Cpu).unwrap();
        let run = |linear: Linear, x: &Tensor| {
            let y = linear.forward(x).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let name = format!("outthink-linear-{}-{outputs}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let tensors = std::collections::HashMap::from([("a.weight".to_owned(), stored)]);
        candle_core::safetensors::save(&tensors, &file).unwrap();
        move |precision| {
            let weights = Weights::Files(vec![file.clone()]);
            let weights = weights.open(&Device::Cpu).unwrap();
            // Quantized whether this machine multiplies that fast or not.
            let kernels = FastKernels {
                k_blocks: true,
                eight_bits: true,
            };
            let rule = PrecisionRule::with_kernels(precision, 1 << 30, kernels);
            let layers = [("a".to_owned(), outputs)];
            let loaded = run(Linear::load(&weights, &layers, inputs, rule).unwrap(), &x);
            let embedding = weights.stored("a.weight", &[outputs, inputs]).unwrap();
            let tied = Linear::tied(&embedding, rule).unwrap();
            if tied.embeds() {
                let rows = tied.embed(&[3, 500]).unwrap();
                let wide = embedding.to_dtype(DType::F32).unwrap();
                let wanted =
                    wide.index_select(&Tensor::new(&[3u32, 500], &Device::Cpu).unwrap(), 0);
                let wanted = wanted.unwrap().to_vec2::<f32>().unwrap();
                assert_eq!(rows.to_vec2::<f32>().unwrap(), wanted);
            }
            assert_eq!(
                loaded,
                run(tied, &x),
                "a tied layer is a layer like any other"
            );
            loaded
        }
    }

    #[test]
    fn half_precision_gives_the_numbers_of_its_widened_weight() {
        let kept = outputs(TILE + 188, 32);
        let (wide, stored) = (kept(Precision::F32), kept(Precision::Stored));
        let gap = wide
            .iter()
            .zip(&stored)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(gap < 1e-4, "{gap}");
    }

    #[test]
    fn eight_bits_lose_less_than_a_hundredth_of_the_output() {
        let kept = outputs(512, 512);
        let (wide, eight) = (kept(Precision::F32), kept(Precision::Q8));
        let norm =
            |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
        let lost = norm(&mut wide.iter().zip(&eight).map(|(a, b)| a - b));
        let whole = norm(&mut wide.iter().copied());
        // Steps of 1/127 of the largest of 32 numbers, about 2.1 standard deviations, are off by 0.5 % of one; weights and
        // inputs are both quantized.
        assert!(
            (0.002 * whole..0.01 * whole).contains(&lost),
            "{lost} of {whole}"
        );
    }
}
