//! What a checkpoint's tensors say of its sizes: whether they are those that its `config.json` claims, and how much memory they
//! take.

use crate::Error;
use crate::architectures::DecoderSpec;
use crate::precision::{PrecisionRule, WeightStorage};
use crate::weights::{OpenWeights, StoredAs, TensorPlace};

impl OpenWeights<'_> {
    /// What the names of the decoder's tensors begin with. Models that were wrapped for a value head say so there.
    pub(crate) fn root(&self, spec: &DecoderSpec) -> &'static str {
        ["model", "pretrained_model.model", "base_model.model"]
            .into_iter()
            .find(|root| self.contains(&spec.embedding_name(root)))
            .unwrap_or("model")
    }

    /// Compares what the config claims with the tensors that there are, before memory is planned for it, or taken.
    pub(crate) fn check_sizes(&self, spec: &DecoderSpec) -> Result<(), Error> {
        let (root, names, hidden) = (self.root(spec), spec.tensors, spec.hidden_size);
        self.check(&spec.embedding_name(root), &[spec.vocabulary, hidden])?;
        for index in 0..spec.layers {
            let block = spec.block_name(root, index);
            let check =
                |name: &str, shape: &[usize]| self.check(&format!("{block}.{name}.weight"), shape);
            check(names.attention_norm, &[hidden])?;
            check(names.queries, &[spec.heads.query_width(), hidden])?;
            check(names.keys, &[spec.heads.key_width(), hidden])?;
            check(names.gate, &[spec.intermediate_size, hidden])?;
        }
        Ok(())
    }

    /// Whether tensors are kept in the memory of the host.
    pub(crate) fn is_on_host(&self) -> bool {
        self.device.is_cpu()
    }

    /// Estimate of the memory that the tensors take once loaded, in bytes.
    pub(crate) fn kept_bytes(&self, spec: &DecoderSpec, rule: PrecisionRule) -> u64 {
        let of_tensor = |(name, place): (&String, &TensorPlace)| {
            let numbers = place.shape.iter().product::<usize>() as u64;
            let (stored, blocks) = match place.stored {
                StoredAs::Plain(dtype) => (dtype.size_in_bytes().min(4) as u64, None),
                StoredAs::Blocks(dtype) => (2, Some(dtype)),
                StoredAs::Other(_) => (4, None),
            };
            let &[outputs, inputs] = place.shape.as_slice() else {
                return numbers.saturating_mul(4);
            };
            let kept = match blocks {
                Some(dtype) => rule.kept_blocks(dtype, outputs, inputs),
                None => rule.kept(outputs, inputs),
            };
            let layer = match kept {
                WeightStorage::F32 => numbers.saturating_mul(4),
                WeightStorage::Stored => numbers.saturating_mul(stored),
                // The fast kernels keep blocks twice, as stored and as they read them.
                WeightStorage::Blocks if blocks.is_some() => 2 * place.length as u64,
                WeightStorage::Blocks => numbers.saturating_mul(2 * 34) / 32,
            };
            if !name.ends_with(&format!("{}.weight", spec.tensors.embedding)) {
                return layer;
            }
            // What is looked up is read out of its blocks.
            let table = match rule.widens_embedding() || blocks.is_some() {
                true => numbers.saturating_mul(4),
                false => numbers.saturating_mul(stored),
            };
            match spec.tied_embedding {
                false => table,
                true if kept == WeightStorage::Blocks => table.saturating_add(layer),
                // A tied output layer is its own embedding.
                true => table.max(layer),
            }
        };
        self.tensors
            .iter()
            .map(of_tensor)
            .fold(0, u64::saturating_add)
    }
}
