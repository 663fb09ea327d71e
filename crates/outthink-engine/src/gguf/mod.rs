//! A GGUF file as a checkpoint: its metadata in the words of `config.json` and `tokenizer.json`, its tensors under the names
//! that transformers gives them.

mod blocks;
mod header;
mod pre_tokenizer;
mod sentence_piece;
mod split;
mod tokenizer;

#[cfg(test)]
#[allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may print and may fail by panicking"
)]
mod tests;

use std::path::Path;

use serde_json::{Map, json};

use crate::architectures::{DecoderSpec, GgufFormat};
use crate::checkpoint::Checkpoint;
use crate::weights::Weights;
use crate::{Error, Precision};

pub(crate) use blocks::{TensorType, blocks as stored_blocks, kind as block_kind, mxfp4_numbers};
use header::Value;
pub(crate) use header::{Header, type_name, types_read};
pub(crate) use sentence_piece::{TokenizerFiles, sentence_piece};
pub use split::gguf_parts;
use tokenizer::Vocabulary;

/// How the files that belong together are written: their first one names the family.
pub(crate) fn format(headers: &[Header]) -> Option<&'static GgufFormat> {
    let name = |header: &Header| {
        header
            .text("general.architecture")
            .and_then(GgufFormat::named)
    };
    headers.iter().find_map(name)
}

impl Checkpoint {
    /// Reads a GGUF file, or all parts of a split one if `path` is one of them: a policy with its own tokenizer and chat
    /// template.
    pub fn read_gguf(path: &Path) -> Result<Self, Error> {
        let parts = split::parts(path)?;
        let header = &parts.first;
        let config = serde_json::Value::Object(config(header, &parts.tensors)?);
        let config = config.to_string().into_bytes();
        let spec = DecoderSpec::parse(&config).map_err(|error| match error {
            Error::Malformed { reason, .. } => header.broken(format!("its metadata: {reason}")),
            other => other,
        })?;
        let name = header.text("general.architecture").unwrap_or_default();
        let experts = header.number(&format!("{name}.expert_count"));
        if spec.experts.is_none() && experts.is_some_and(|count| count > 0) {
            return Err(Error::Unsupported {
                what: format!("{}: it is a mixture of experts", header.file),
            });
        }
        let vocabulary = Vocabulary::read(header)?;
        Ok(Self {
            config: config.into(),
            generation: json!({ "eos_token_id": vocabulary.ends() })
                .to_string()
                .into_bytes()
                .into(),
            tokenizer: vocabulary.tokenizer()?.to_string().into_bytes().into(),
            tokenizer_config: vocabulary.special().to_string().into_bytes().into(),
            template: header
                .text("tokenizer.chat_template")
                .unwrap_or_default()
                .to_owned()
                .into(),
            weights: Weights::Gguf(parts.paths),
            precision: Precision::default(),
            memory_limit: None,
        })
    }
}

impl Header {
    /// Says which layers slide, in the words of `config.json`, where a file of the architecture `name` does.
    pub(crate) fn window_pattern(&self, name: &str, config: &mut Map<String, serde_json::Value>) {
        match self.value(&format!("{name}.attention.sliding_window_pattern")) {
            // Of so many layers the last sees all; of none, none does.
            Some(Value::Whole(pattern)) => {
                config.insert("sliding_window_pattern".into(), (*pattern).into());
            }
            Some(Value::List(slides)) => {
                let kind = |slides: &Value| match slides {
                    Value::Flag(false) | Value::Whole(0) => "full_attention",
                    _ => "sliding_attention",
                };
                let kinds: Vec<&str> = slides.iter().map(kind).collect();
                config.insert("layer_types".into(), kinds.into());
            }
            _ => {}
        }
    }
}

/// A size; of a list with one a layer, the one that all have in common.
fn size(header: &Header, key: &str) -> Result<Option<u64>, Error> {
    let values = match header.value(key) {
        None => return Ok(None),
        Some(Value::List(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
    };
    let mut sizes = values.iter().map(Value::whole);
    let first = sizes.next().flatten();
    if first.is_none() {
        return Err(header.broken(format!("its {key} is no size")));
    }
    if sizes.any(|size| size != first) {
        return Err(Error::Unsupported {
            what: format!("{}: its layers differ in {key}", header.file),
        });
    }
    Ok(first)
}

/// The metadata in the words of `config.json`.
fn config(
    header: &Header,
    tensors: &split::Tensors,
) -> Result<Map<String, serde_json::Value>, Error> {
    let name = header
        .text("general.architecture")
        .ok_or_else(|| header.broken("its metadata names no architecture".into()))?;
    let unsupported = |what: String| Error::Unsupported {
        what: format!("{}: {what}", header.file),
    };
    let format = GgufFormat::named(name).ok_or_else(|| {
        unsupported(format!(
            "its architecture is {name}, and those that are run are {}",
            GgufFormat::names().join(", ")
        ))
    })?;
    let key = |what: &str| format!("{name}.{what}");
    let needed = |what: &str| {
        size(header, &key(what))?
            .ok_or_else(|| header.broken(format!("its metadata has no {}", key(what))))
    };
    let (hidden, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
    let head_size = match size(header, &key("attention.key_length"))? {
        Some(size) => size,
        None => hidden.checked_div(heads).unwrap_or_default(),
    };
    let values = key("attention.value_length");
    if size(header, &values)?.is_some_and(|size| size != head_size) {
        return Err(unsupported(format!(
            "its {values} is not the size of a head, {head_size}"
        )));
    }
    let vocabulary = match tensors.vocabulary {
        Some(rows) => rows,
        None => header.list("tokenizer.ggml.tokens").map_or(0, <[_]>::len),
    };
    let mut config = Map::new();
    let mut say = |key: &str, value: serde_json::Value| config.insert(key.to_owned(), value);
    say("hidden_size", hidden.into());
    say("intermediate_size", needed("feed_forward_length")?.into());
    say("num_hidden_layers", needed("block_count")?.into());
    say("num_attention_heads", heads.into());
    // Those of old files have as many as of queries.
    let key_heads = size(header, &key("attention.head_count_kv"))?;
    say("num_key_value_heads", key_heads.unwrap_or(heads).into());
    say("head_dim", head_size.into());
    say("max_position_embeddings", needed("context_length")?.into());
    say("vocab_size", vocabulary.into());
    let eps = header.real(&key("attention.layer_norm_rms_epsilon"));
    say("rms_norm_eps", eps.unwrap_or(1e-6).into());
    say("tie_word_embeddings", tensors.tied.into());
    let theta = header.real(&key("rope.freq_base"));
    say("rope_theta", theta.unwrap_or(10_000.0).into());
    if let Some(rotated) = size(header, &key("rope.dimension_count"))? {
        say("rotated_size", rotated.into());
    }
    if let Some(scaling) = scaling(header, &key)? {
        say("rope_scaling", scaling);
    }
    format.describe(header, &mut config)?;
    Ok(config)
}

/// How rotary positions are stretched; llama.cpp takes a factor without a type as linear.
fn scaling(
    header: &Header,
    key: &impl Fn(&str) -> String,
) -> Result<Option<serde_json::Value>, Error> {
    let real = |what: &str| header.real(&key(what)).filter(|&x| x != 0.0);
    let kind = header.text(&key("rope.scaling.type")).unwrap_or("linear");
    let factor = real("rope.scaling.factor").or_else(|| real("rope.scale_linear"));
    let (Some(factor), true) = (factor, kind != "none") else {
        return Ok(None);
    };
    let mut scaling = json!({ "rope_type": kind, "factor": factor });
    // llama.cpp multiplies attention by this, beside what the type does to it.
    let times = real("rope.scaling.attn_factor").unwrap_or(1.0);
    if kind == "yarn" {
        let plain = 0.1 * factor.max(1.0).ln() + 1.0;
        let all = real("rope.scaling.yarn_log_multiplier");
        let mscale = all.map_or(plain, |all| {
            plain / (0.1 * all * factor.max(1.0).ln() + 1.0)
        });
        scaling["attention_factor"] =
            json!(real("rope.scaling.yarn_attn_factor").unwrap_or(mscale) * times);
        scaling["original_max_position_embeddings"] =
            json!(header.number(&key("rope.scaling.original_context_length")));
        scaling["beta_fast"] = json!(real("rope.scaling.yarn_beta_fast"));
        scaling["beta_slow"] = json!(real("rope.scaling.yarn_beta_slow"));
    } else if times != 1.0 {
        return Err(Error::Unsupported {
            what: format!(
                "{}: rotary scaling {kind} with {}",
                header.file,
                key("rope.scaling.attn_factor")
            ),
        });
    }
    Ok(Some(scaling))
}
