//! Root-mean-square norms.

use crate::Error;
use crate::kernels::rows;
use crate::weights::OpenWeights;

/// RMSNorm over the hidden size.
pub(crate) struct Norm {
    weight: Vec<f32>,
    eps: f32,
}

impl Norm {
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        name: &str,
        size: usize,
        eps: f64,
    ) -> Result<Self, Error> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"), &[size])?,
            eps: eps as f32,
        })
    }

    /// `[rows, size]` to the same; `out` is memory that is used again.
    pub(crate) fn forward(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        rows::rms_norm(x, &self.weight, self.eps, out);
    }
}

/// RMSNorm over the numbers of one attention head, in place.
pub(crate) struct HeadNorm {
    weight: Vec<f32>,
    eps: f32,
}

impl HeadNorm {
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        name: &str,
        size: usize,
        eps: f64,
    ) -> Result<Self, Error> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"), &[size])?,
            eps: eps as f32,
        })
    }

    pub(crate) fn apply(&self, head: &mut [f32]) {
        let square: f32 = head.iter().map(|x| x * x).sum();
        let scale = 1.0 / (square / head.len() as f32 + self.eps).sqrt();
        for (x, weight) in head.iter_mut().zip(&self.weight) {
            *x *= scale * weight;
        }
    }
}
