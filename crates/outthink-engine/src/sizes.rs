//! What a checkpoint's tensors say of its sizes: whether they are those that its `config.json` claims, and how much memory they
//! take.

use candle_core::DType;

use crate::Error;
use crate::architectures::{DecoderSpec, TensorNames};
use crate::kernels::BlockKind;
use crate::layers::head::Head;
use crate::precision::{Precision, PrecisionRule, WeightStorage};
use crate::weights::{OpenWeights, StoredAs, TensorPlace};

const ROOTS: [&str; 5] = [
    "model",
    "pretrained_model.model",
    "base_model.model",
    "language_model.model",
    "model.language_model",
];

impl OpenWeights<'_> {
    /// What the names of the decoder's tensors begin with. Models that were wrapped for a value head say so there, and
    /// models that see as well.
    pub(crate) fn root(&self, spec: &DecoderSpec) -> &'static str {
        ROOTS
            .into_iter()
            .find(|root| self.contains(&spec.embedding_name(root)))
            .unwrap_or("model")
    }

    /// Compares what the config claims with the tensors that there are, before memory is planned for it, or taken.
    pub(crate) fn check_sizes(&self, spec: &DecoderSpec) -> Result<(), Error> {
        let (root, names, hidden) = (self.root(spec), spec.tensors, spec.hidden_size);
        self.check(&spec.embedding_name(root), &[spec.vocabulary, hidden])?;
        let heads = [
            spec.heads.query_width(),
            spec.heads.key_width(),
            spec.heads.key_width(),
        ];
        for (index, particular) in spec.blocks.iter().enumerate() {
            let block = spec.block_name(root, index);
            let check = |names: &[&str], outputs: &[usize]| {
                let parts = TensorNames::parts(&block, names, outputs);
                let mut parts = parts.into_iter();
                parts.try_for_each(|(name, outputs)| {
                    self.check(&format!("{name}.weight"), &[outputs, hidden])
                })
            };
            let norms = [names.attention_norms, names.mlp_norms];
            for norm in norms.iter().flat_map(|names| [names.before, names.after]) {
                let name = norm.map(|norm| format!("{block}.{norm}.weight"));
                name.map_or(Ok(()), |name| self.check(&name, &[hidden]))?;
            }
            check(names.qkv, &heads)?;
            let Some(experts) = spec.experts.filter(|_| particular.mixed) else {
                check(names.gate_up, &[spec.intermediate_size; 2])?;
                continue;
            };
            check(&[names.router], &[experts.count])?;
            for number in 0..experts.count {
                let expert = TensorNames::expert(&block, number);
                let down = format!("{expert}.{}.weight", TensorNames::EXPERT_DOWN);
                self.check(&down, &[hidden, experts.width])?;
            }
        }
        Ok(())
    }

    /// Estimate of the memory that the tensors take once loaded, in bytes.
    pub(crate) fn kept_bytes(&self, spec: &DecoderSpec, rule: PrecisionRule) -> u64 {
        let kept = self.kept(spec, rule);
        kept.map(|(_, bytes)| bytes).fold(0, u64::saturating_add)
    }

    /// What the weights are kept in, with the share of memory of each, the largest first: `4-bit blocks (78 %)`.
    pub(crate) fn kept_in(&self, spec: &DecoderSpec, rule: PrecisionRule) -> Vec<(String, f64)> {
        let mut all: Vec<(String, u64)> = Vec::new();
        for (name, bytes) in self.kept(spec, rule) {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += bytes,
                None => all.push((name.to_owned(), bytes)),
            }
        }
        all.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let total: u64 = all.iter().map(|(_, bytes)| bytes).sum();
        let share = |bytes: u64| bytes as f64 / total.max(1) as f64;
        all.into_iter()
            .map(|(name, bytes)| (name, share(bytes)))
            .collect()
    }

    /// What each tensor is kept in, and its bytes.
    fn kept<'k>(
        &'k self,
        spec: &'k DecoderSpec,
        rule: PrecisionRule,
    ) -> impl Iterator<Item = (&'static str, u64)> {
        let head = Head::of(self, spec);
        let looked_up = format!("{}.weight", spec.tensors.embedding);
        // Of a language model whose output layer is no embedding; others may have it, and it is not read.
        let logits = format!("{}.weight", spec.tensors.logits);
        let unread = head != Head::LanguageModel || spec.tied_embedding;
        let router = format!("{}.weight", spec.tensors.router);
        self.tensors
            .iter()
            .filter(move |(name, _)| !(unread && name.ends_with(&logits)))
            .map(move |(name, place): (&String, &TensorPlace)| {
                let numbers = place.shape.iter().product::<usize>();
                let (plain, blocks) = match place.stored {
                    _ if self.added.contains_key(name) => (("f32", 4), None),
                    StoredAs::Plain(DType::BF16) => (("bf16", 2), None),
                    StoredAs::Plain(DType::F16) => (("f16", 2), None),
                    StoredAs::Blocks(dtype) => (("f16", 2), Some(dtype)),
                    _ => (("f32", 4), None),
                };
                let kept = match place.shape.as_slice() {
                    // What is only looked up stays as it is.
                    [_, _] if name.ends_with(&looked_up) && !head.embeds(spec) => {
                        PrecisionRule::new(Precision::Stored, 0).kept(numbers, blocks)
                    }
                    [_, _] if spec.experts.is_some() && name.ends_with(&router) => {
                        WeightStorage::F32
                    }
                    [_, _] => rule.kept(numbers, blocks),
                    _ => WeightStorage::F32,
                };
                // In 32nds of a byte a number.
                let (name, each) = match kept {
                    WeightStorage::F32 => ("f32", 4 * 32),
                    WeightStorage::F16 => ("f16", 2 * 32),
                    WeightStorage::Plain => (plain.0, plain.1 * 32),
                    WeightStorage::Rounded | WeightStorage::Blocks(BlockKind::Eight) => {
                        ("8-bit blocks", 34)
                    }
                    WeightStorage::Blocks(BlockKind::Four) => ("4-bit blocks", 18),
                    WeightStorage::Blocks(BlockKind::FourOffset) => ("4-bit blocks", 20),
                };
                (name, (numbers as u64).saturating_mul(each) / 32)
            })
    }
}
