//! A linear layer whose result for a row does not depend on the other rows.

use super::matrix::Matrix;
use crate::Error;
use crate::kernels::{QuantizedRows, rows};
use crate::precision::PrecisionRule;
use crate::weights::OpenWeights;

/// `x · Wᵀ + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Outputs one below the other.
    matrices: Vec<Matrix>,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// One or several layers of a checkpoint with the same input, `[out, in]` there; their outputs stand side by side.
    /// A bias is there if the checkpoint has one.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        layers: &[(String, usize)],
        inputs: usize,
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
        let tensors: Vec<(String, usize)> = layers
            .iter()
            .map(|(name, output)| (format!("{name}.weight"), *output))
            .collect();
        Ok(Self {
            bias: (!biases.is_empty()).then(|| biases.concat()),
            ..Self::without_bias(weights, &tensors, inputs, rule)?
        })
    }

    /// From tensors by their whole names.
    pub(crate) fn without_bias(
        weights: &OpenWeights<'_>,
        tensors: &[(String, usize)],
        inputs: usize,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        Ok(Self {
            matrices: Matrix::load(weights, tensors, inputs, rule)?,
            bias: None,
            inputs,
            outputs: tensors.iter().map(|(_, output)| output).sum(),
        })
    }

    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weights of one output, `inputs` numbers: an output layer that is tied to an embedding is that embedding.
    pub(crate) fn row(&self, output: usize, into: &mut [f32]) {
        let mut output = output;
        for matrix in &self.matrices {
            if output < matrix.outputs() {
                return matrix.row(output, into);
            }
            output -= matrix.outputs();
        }
    }

    /// `[rows, inputs]` to `[rows, outputs]`. `rounded` and `out` are memory that is used again.
    pub(crate) fn forward(&self, x: &[f32], rounded: &mut QuantizedRows, out: &mut Vec<f32>) {
        let rows = x.len() / self.inputs;
        out.resize(rows * self.outputs, 0.0);
        if self
            .matrices
            .iter()
            .any(|own| matches!(own, Matrix::Blocks(_)))
        {
            rounded.fill(x, self.inputs);
        }
        let mut first = 0;
        for matrix in &self.matrices {
            matrix.multiply(x, rounded, out, self.outputs, first);
            first += matrix.outputs();
        }
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(self.outputs) {
                rows::add(row, bias);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::precision::Precision;
    use crate::weights::Weights;

    /// A layer of random numbers in bf16, kept in several ways, on the same rows.
    fn outputs(outputs: usize, inputs: usize) -> impl Fn(Precision) -> Vec<f32> {
        let stored = Tensor::randn(0f32, 1.0, (outputs, inputs), &Device::Cpu).unwrap();
        let stored = stored.to_dtype(DType::BF16).unwrap();
        let x = Tensor::randn(0f32, 1.0, (5, inputs), &Device::Cpu).unwrap();
        let x: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        let name = format!("outthink-linear-{}-{outputs}", std::process::id());
        let file = std::env::temp_dir().join(name);
        let tensors = std::collections::HashMap::from([("a.weight".to_owned(), stored)]);
        candle_core::safetensors::save(&tensors, &file).unwrap();
        move |precision| {
            let weights = Weights::Files(vec![file.clone()]);
            let weights = weights.open().unwrap();
            let rule = PrecisionRule::new(precision, 1 << 30);
            let linear = Linear::load(&weights, &[("a".to_owned(), outputs)], inputs, rule);
            let linear = linear.unwrap();
            let wanted = weights.get("a.weight", &[outputs, inputs]).unwrap();
            let mut row = vec![0.0; inputs];
            linear.row(500, &mut row);
            for (x, wanted) in row.iter().zip(&wanted[500 * inputs..]) {
                assert!((x - wanted).abs() <= 0.02, "{x} for {wanted}");
            }
            let (mut rounded, mut out) = (QuantizedRows::default(), Vec::new());
            linear.forward(&x, &mut rounded, &mut out);
            out
        }
    }

    #[test]
    fn half_precision_gives_the_numbers_of_its_widened_weight() {
        let kept = outputs(700, 32);
        assert_eq!(kept(Precision::F32), kept(Precision::Stored));
    }

    #[test]
    fn eight_bits_lose_less_than_a_hundredth_of_the_output() {
        let kept = outputs(512, 500);
        let (wide, eight) = (kept(Precision::F32), kept(Precision::Q8));
        let norm =
            |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>().sqrt();
        let lost = norm(&mut wide.iter().zip(&eight).map(|(a, b)| a - b));
        let whole = norm(&mut wide.iter().copied());
        // Steps of 1/127 of the largest of 32 numbers, about 2.1 standard deviations, are off by 0.5 % of one; weights and
        // inputs are both rounded.
        assert!(
            (0.002 * whole..0.01 * whole).contains(&lost),
            "{lost} of {whole}"
        );
    }
}
