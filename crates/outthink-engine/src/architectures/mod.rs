//! The families of decoders, one a file. A file says how its family's `config.json` and GGUF header become a
//! [`DecoderSpec`], and where its tensors are; the decoder itself is one for all.
//!
//! A new family is a file here with an [`Architecture`], its line in [`ARCHITECTURES`], and a golden test beside
//! transformers in `tests/architectures`. What it does that no other does becomes a field of [`DecoderSpec`] or
//! [`BlockSpec`], and a layer that obeys it.

mod config;
mod llama;
mod mistral;
mod qwen2;
mod qwen3;
mod spec;

use serde_json::{Map, Value};

use crate::Error;
use crate::gguf::Header;

pub(crate) use config::{ModelConfig, malformed};
pub(crate) use spec::{BlockSpec, DecoderSpec};

/// All families, in the order in which messages name them.
const ARCHITECTURES: [&Architecture; 4] = [
    &llama::LLAMA,
    &mistral::MISTRAL,
    &qwen2::QWEN2,
    &qwen3::QWEN3,
];

/// A family of decoders.
pub(crate) struct Architecture {
    /// How the names of its classes in transformers begin: the `Qwen2` of `Qwen2ForCausalLM`.
    name: &'static str,
    /// `model_type` of `config.json`.
    model_type: &'static str,
    defaults: Defaults,
    tensors: &'static TensorNames,
    /// Adds to the usual reading of a config what only this family has.
    describe: fn(&ModelConfig, &mut DecoderSpec) -> Result<(), Error>,
    /// None for a family that has no name of its own in GGUF files.
    gguf: Option<GgufFormat>,
}

/// What transformers takes for what `config.json` leaves out (`configuration_llama.py` and so on).
struct Defaults {
    vocabulary: usize,
    intermediate_size: usize,
    /// None is as many as of queries.
    key_heads: Option<usize>,
    /// None is as wide as the heads fit.
    head_size: Option<usize>,
    /// Most tokens of a sequence.
    positions: usize,
}

/// Names of tensors in transformers' checkpoints, without `.weight` and `.bias`. A bias is there if the checkpoint has one.
#[derive(Debug)]
pub(crate) struct TensorNames {
    /// After the root, as `model`.
    pub embedding: &'static str,
    pub layers: &'static str,
    pub norm: &'static str,
    /// Beside the root.
    pub logits: &'static str,
    /// Of a block, after its number.
    pub attention_norm: &'static str,
    pub queries: &'static str,
    pub keys: &'static str,
    pub values: &'static str,
    pub query_norm: &'static str,
    pub key_norm: &'static str,
    pub attended: &'static str,
    pub mlp_norm: &'static str,
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
}

/// How GGUF files of a family are written.
pub(crate) struct GgufFormat {
    /// `general.architecture`.
    name: &'static str,
    /// What transformers calls the language model.
    class: &'static str,
    tensors: &'static GgufTensors,
    /// Adds to the usual reading of a header what only this family has, in the words of `config.json`.
    describe: fn(&Header, &mut Map<String, Value>),
}

/// GGUF's names of tensors and transformers'.
struct GgufTensors {
    whole: &'static [(&'static str, &'static str)],
    /// After `blk.N`, and after `model.layers.N`.
    of_block: &'static [(&'static str, &'static str)],
}

impl DecoderSpec {
    /// Reads a `config.json` of any family.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        let config = ModelConfig::parse(json)?;
        let (class, architecture) = of_config(&config)?;
        let mut spec = Self::usual(&config, class, architecture)?;
        (architecture.describe)(&config, &mut spec)?;
        Ok(spec)
    }
}

/// The first class that a config names, or else that of its type's language model, and its family.
fn of_config(config: &ModelConfig) -> Result<(String, &'static Architecture), Error> {
    let named = config.get::<Vec<String>>("architectures")?;
    let typed = |kind: String| {
        let known = ARCHITECTURES.iter().find(|known| known.model_type == kind);
        known.map_or(kind, |known| format!("{}ForCausalLM", known.name))
    };
    let class = match named.and_then(|all| all.into_iter().next()) {
        Some(class) => class,
        None => config
            .get("model_type")?
            .map(typed)
            .ok_or_else(|| malformed("it names no architecture".into()))?,
    };
    let family = ARCHITECTURES.into_iter().find(|known| {
        let rest = class.strip_prefix(known.name);
        rest.is_some_and(|rest| rest.starts_with("For"))
    });
    match family {
        Some(family) => Ok((class, family)),
        None => Err(Error::Unsupported {
            what: format!(
                "the architecture {class}, only the decoders of {}",
                ARCHITECTURES.map(|known| known.name).join(", ")
            ),
        }),
    }
}

impl GgufFormat {
    /// By GGUF's name of the family.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|format| format.name == name)
    }

    /// GGUF's names of all families that have one.
    pub(crate) fn names() -> Vec<&'static str> {
        Self::all().map(|format| format.name).collect()
    }

    fn all() -> impl Iterator<Item = &'static Self> {
        let families = ARCHITECTURES.into_iter();
        families.filter_map(|family| family.gguf.as_ref())
    }

    /// Adds the class, and what only this family has, to what a header says in the words of `config.json`.
    pub(crate) fn describe(&self, header: &Header, config: &mut Map<String, Value>) {
        config.insert("architectures".into(), vec![self.class].into());
        (self.describe)(header, config);
    }

    /// The name that transformers gives a tensor; one that it does not know keeps its own.
    pub(crate) fn tensor_name(&self, name: &str) -> String {
        let ours = |names: &[(&str, &'static str)], theirs: &str| {
            let known = names.iter().find(|(known, _)| *known == theirs);
            known.map(|(_, ours)| *ours)
        };
        let renamed = || {
            let (part, kind) = name.rsplit_once('.')?;
            if let Some(ours) = ours(self.tensors.whole, part) {
                return Some(format!("{ours}.{kind}"));
            }
            let (layer, part) = part.strip_prefix("blk.")?.split_once('.')?;
            let ours = ours(self.tensors.of_block, part)?;
            Some(format!("model.layers.{layer}.{ours}.{kind}"))
        };
        renamed().unwrap_or_else(|| name.to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_architecture_is_compared_with_transformers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/families");
        let mut compared = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let folder = entry.unwrap().path();
            if let (Ok(json), true) = (
                std::fs::read(folder.join("config.json")),
                folder.join("golden.json").is_file(),
            ) {
                compared.push(
                    of_config(&ModelConfig::parse(&json).unwrap())
                        .unwrap()
                        .1
                        .name,
                );
            }
        }
        for known in ARCHITECTURES {
            assert!(
                compared.contains(&known.name),
                "{} is in no golden file",
                known.name
            );
        }
    }
}
