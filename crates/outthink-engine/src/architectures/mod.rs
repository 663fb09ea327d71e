//! The families of decoders, one a file. A file says how its family's `config.json` and GGUF header become a
//! [`DecoderSpec`], and where its tensors are; the decoder itself is one for all.
//!
//! A new family is a file here with an [`Architecture`], its line in [`ARCHITECTURES`], and a golden test beside
//! transformers in `tests/architectures`. What it does that no other does becomes a field of [`DecoderSpec`] or
//! [`BlockSpec`], and a layer that obeys it.

mod config;
mod gemma;
mod gpt_oss;
mod llama;
mod mistral;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3_moe;
mod smollm3;
mod spec;

use serde_json::{Map, Value};

use crate::Error;
use crate::gguf::Header;

pub(crate) use config::{ModelConfig, malformed};
pub(crate) use spec::{BlockSpec, DecoderSpec, ExpertsSpec, HeadNorms, ScoreSpec};

/// All families, in the order in which messages name them.
const ARCHITECTURES: [&Architecture; 11] = [
    &llama::LLAMA,
    &mistral::MISTRAL,
    &qwen2::QWEN2,
    &qwen3::QWEN3,
    &qwen3_moe::QWEN3_MOE,
    &smollm3::SMOLLM3,
    &olmo2::OLMO2,
    &phi3::PHI3,
    &gemma::GEMMA2,
    &gemma::GEMMA3,
    &gpt_oss::GPT_OSS,
];

/// A family of decoders.
pub(crate) struct Architecture {
    /// How the names of its classes in transformers begin: the `Qwen2` of `Qwen2ForCausalLM`.
    name: &'static str,
    /// Its names as `model_type` of `config.json`.
    model_types: &'static [&'static str],
    defaults: Defaults,
    tensors: &'static TensorNames,
    /// Says in the words of all families what this one says in words of its own.
    translate: fn(&mut ModelConfig) -> Result<(), Error>,
    /// Adds to the usual reading of a config what only this family has.
    describe: fn(&ModelConfig, &mut DecoderSpec) -> Result<(), Error>,
    /// None for a family that has no name of its own in GGUF files.
    gguf: Option<GgufFormat>,
}

/// What transformers takes for what `config.json` leaves out (`configuration_llama.py` and so on).
struct Defaults {
    vocabulary: usize,
    hidden_size: usize,
    intermediate_size: usize,
    layers: usize,
    heads: usize,
    /// None is as many as of queries.
    key_heads: Option<usize>,
    /// None is as wide as the heads fit.
    head_size: Option<usize>,
    /// Most tokens of a sequence.
    positions: usize,
    eps: f64,
    /// Base of the rotary frequencies.
    theta: f64,
    /// Is the output layer the embedding?
    tied: bool,
}

impl Defaults {
    /// What most classes take.
    const USUAL: Self = Self {
        vocabulary: 32_000,
        hidden_size: 4096,
        intermediate_size: 11_008,
        layers: 32,
        heads: 32,
        key_heads: None,
        head_size: None,
        positions: 2048,
        eps: 1e-6,
        theta: 10_000.0,
        tied: false,
    };
}

/// Of a family whose GGUF files say nothing that others do not.
fn described(_: &Header, _: &mut Map<String, Value>) -> Result<(), Error> {
    Ok(())
}

/// Of a family that says all in the words of all.
fn says_nothing_else(_: &mut ModelConfig) -> Result<(), Error> {
    Ok(())
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
    pub attention_norms: NormNames,
    /// Queries, keys and values, or one tensor with all of them.
    pub qkv: &'static [&'static str],
    pub query_norm: &'static str,
    pub key_norm: &'static str,
    /// Where each head has one, without `.weight` or with it.
    pub sinks: Option<&'static str>,
    pub attended: &'static str,
    pub mlp_norms: NormNames,
    /// Gate and up, or one tensor with both.
    pub gate_up: &'static [&'static str],
    pub down: &'static str,
    /// Of a mixture.
    pub router: &'static str,
}

/// The norms of what a part of a block is given, and of what it gives, where it has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormNames {
    pub before: Option<&'static str>,
    pub after: Option<&'static str>,
}

impl TensorNames {
    /// Of an expert, after its name.
    pub(crate) const EXPERT_GATE_UP: [&'static str; 2] = ["gate_proj", "up_proj"];
    pub(crate) const EXPERT_DOWN: &'static str = "down_proj";

    /// What the names of an expert's tensors begin with.
    pub(crate) fn expert(block: &str, number: usize) -> String {
        format!("{block}.mlp.experts.{number}")
    }

    /// The tensors that some outputs stand in, below each other, and how many in each.
    pub(crate) fn parts(block: &str, names: &[&str], outputs: &[usize]) -> Vec<(String, usize)> {
        let named = |name: &str| format!("{block}.{name}");
        match names {
            [one] => vec![(named(one), outputs.iter().sum())],
            _ => {
                let each = names.iter().zip(outputs);
                each.map(|(name, outputs)| (named(name), *outputs))
                    .collect()
            }
        }
    }
}

/// How GGUF files of a family are written.
pub(crate) struct GgufFormat {
    /// `general.architecture`.
    name: &'static str,
    /// What transformers calls the language model.
    class: &'static str,
    /// Names of a block's tensors that are not the usual ones, GGUF's and transformers'.
    own_tensors: &'static [(&'static str, &'static str)],
    /// Adds to the usual reading of a header what only this family has, in the words of `config.json`.
    describe: fn(&Header, &mut Map<String, Value>) -> Result<(), Error>,
}

/// GGUF's names of tensors, and transformers'.
const GGUF_WHOLE: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// The same after `blk.N`, and after `model.layers.N`.
const GGUF_OF_BLOCK: [(&str, &str); 11] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

impl DecoderSpec {
    /// Reads a `config.json` of any family.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        let mut config = ModelConfig::parse(json)?;
        let (class, architecture) = of_config(&config)?;
        (architecture.translate)(&mut config)?;
        let mut spec = Self::usual(&config, class, architecture)?;
        (architecture.describe)(&config, &mut spec)?;
        Ok(spec)
    }
}

/// The first class that a config names, or else that of its type's language model, and its family.
fn of_config(config: &ModelConfig) -> Result<(String, &'static Architecture), Error> {
    let named = config.get::<Vec<String>>("architectures")?;
    let typed = |kind: String| {
        let known = ARCHITECTURES
            .iter()
            .find(|known| known.model_types.contains(&kind.as_str()));
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
    pub(crate) fn describe(
        &self,
        header: &Header,
        config: &mut Map<String, Value>,
    ) -> Result<(), Error> {
        config.insert("architectures".into(), vec![self.class].into());
        (self.describe)(header, config)
    }

    /// The name that transformers gives a tensor; one that it does not know keeps its own.
    pub(crate) fn tensor_name(&self, name: &str) -> String {
        let ours = |names: &[(&str, &'static str)], theirs: &str| {
            let known = names.iter().find(|(known, _)| *known == theirs);
            known.map(|(_, ours)| *ours)
        };
        let renamed = || {
            let (part, kind) = name.rsplit_once('.')?;
            if let Some(ours) = ours(&GGUF_WHOLE, part) {
                return Some(format!("{ours}.{kind}"));
            }
            let (layer, part) = part.strip_prefix("blk.")?.split_once('.')?;
            let ours = ours(self.own_tensors, part).or_else(|| ours(&GGUF_OF_BLOCK, part))?;
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
