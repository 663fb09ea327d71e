//! Root-mean-square norms.

use super::buffers::Buffers;
use crate::Error;
use crate::architectures::{DecoderSpec, NormNames};
use crate::kernels::rows;
use crate::weights::OpenWeights;

/// What all norms of a model have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormSpec {
    pub eps: f64,
    /// What is added to the weights that are stored.
    pub offset: f32,
}

/// RMSNorm over as many numbers as there are weights.
pub(crate) struct Norm {
    weight: Vec<f32>,
    eps: f32,
}

impl Norm {
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        name: &str,
        size: usize,
        spec: NormSpec,
    ) -> Result<Self, Error> {
        let mut weight = weights.get(&format!("{name}.weight"), &[size])?;
        if spec.offset != 0.0 {
            weight.iter_mut().for_each(|x| *x += spec.offset);
        }
        Ok(Self {
            weight,
            eps: spec.eps as f32,
        })
    }

    /// `[rows, size]` to the same; `out` is memory that is used again.
    pub(crate) fn forward(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        rows::rms_norm(x, &self.weight, self.eps, out);
    }

    /// In place, of each part: an attention head, or all of them together.
    pub(crate) fn apply(&self, heads: &mut [f32]) {
        for part in heads.chunks_exact_mut(self.weight.len()) {
            let square: f32 = part.iter().map(|x| x * x).sum();
            let scale = 1.0 / (square / part.len() as f32 + self.eps).sqrt();
            for (x, weight) in part.iter_mut().zip(&self.weight) {
                *x *= scale * weight;
            }
        }
    }
}

/// The norms of what a part of a block is given, and of what it gives.
pub(crate) struct PartNorms {
    before: Option<Norm>,
    after: Option<Norm>,
}

impl PartNorms {
    /// `block` is what the block's tensors are named after.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        block: &str,
        names: NormNames,
        spec: &DecoderSpec,
    ) -> Result<Self, Error> {
        let load = |name: Option<&str>| {
            let named = name.map(|name| format!("{block}.{name}"));
            let norm = |name: String| Norm::load(weights, &name, spec.hidden_size, spec.norm);
            named.map(norm).transpose()
        };
        Ok(Self {
            before: load(names.before)?,
            after: load(names.after)?,
        })
    }

    /// What the part is given.
    pub(crate) fn given(&self, x: &[f32], normed: &mut Vec<f32>) {
        match &self.before {
            Some(norm) => norm.forward(x, normed),
            None => {
                normed.clear();
                normed.extend_from_slice(x);
            }
        }
    }

    /// Adds what the part gives, the buffers' `out`.
    pub(crate) fn add(&self, x: &mut [f32], buffers: &mut Buffers) {
        match &self.after {
            Some(norm) => {
                norm.forward(&buffers.out, &mut buffers.normed);
                rows::add(x, &buffers.normed);
            }
            None => rows::add(x, &buffers.out),
        }
    }
}
