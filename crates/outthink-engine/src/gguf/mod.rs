//! A GGUF file as a checkpoint: its metadata in the words of `config.json` and `tokenizer.json`, its tensors under the names
//! that transformers gives them.

mod header;
mod pre_tokenizer;
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

use serde_json::json;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::weights::Weights;
use crate::{Error, Precision};

use header::Value;
pub(crate) use header::{Header, type_name, types_read};
pub use split::gguf_parts;
use tokenizer::Vocabulary;

/// GGUF's name of a tensor, by the part that follows the layer.
const TENSORS: [(&str, &str); 11] = [
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

/// Architectures by GGUF's name. GGUF says `llama` of Mistral too; the two differ in nothing that is computed here but a
/// window, which GGUF does not tell.
const ARCHITECTURES: [(&str, &str); 3] = [
    ("llama", "LlamaForCausalLM"),
    ("qwen2", "Qwen2ForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
];

/// The name that transformers gives a tensor.
pub(crate) fn tensor_name(name: &str) -> String {
    let whole = match name {
        "token_embd.weight" => Some("model.embed_tokens.weight"),
        "output_norm.weight" => Some("model.norm.weight"),
        "output.weight" => Some("lm_head.weight"),
        _ => None,
    };
    let of_layer = || {
        let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        let (_, ours) = TENSORS.iter().find(|(theirs, _)| *theirs == part)?;
        Some(format!("model.layers.{layer}.{ours}.{kind}"))
    };
    whole
        .map(str::to_owned)
        .or_else(of_layer)
        .unwrap_or_else(|| name.to_owned())
}

impl Checkpoint {
    /// Reads a GGUF file, or all parts of a split one if `path` is one of them: a policy with its own tokenizer and chat
    /// template.
    pub fn read_gguf(path: &Path) -> Result<Self, Error> {
        let parts = split::parts(path)?;
        let header = &parts.first;
        let config = config(header, &parts.tensors)?.to_string().into_bytes();
        Config::parse(&config).map_err(|error| match error {
            Error::Malformed { reason, .. } => header.broken(format!("its metadata: {reason}")),
            other => other,
        })?;
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
        })
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
fn config(header: &Header, tensors: &split::Tensors) -> Result<serde_json::Value, Error> {
    let name = header
        .text("general.architecture")
        .ok_or_else(|| header.broken("its metadata names no architecture".into()))?;
    let unsupported = |what: String| Error::Unsupported {
        what: format!("{}: {what}", header.file),
    };
    let (_, architecture) = ARCHITECTURES
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| {
            let known: Vec<&str> = ARCHITECTURES.iter().map(|(known, _)| *known).collect();
            unsupported(format!(
                "its architecture is {name}, and those that are run are {}",
                known.join(", ")
            ))
        })?;
    let key = |what: &str| format!("{name}.{what}");
    let needed = |what: &str| {
        size(header, &key(what))?
            .ok_or_else(|| header.broken(format!("its metadata has no {}", key(what))))
    };
    if header
        .number(&key("expert_count"))
        .is_some_and(|count| count > 0)
    {
        return Err(unsupported("it is a mixture of experts".into()));
    }
    let (hidden, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
    let head_size = match size(header, &key("attention.key_length"))? {
        Some(size) => size,
        None => hidden.checked_div(heads).unwrap_or_default(),
    };
    for part in ["attention.value_length", "rope.dimension_count"] {
        if size(header, &key(part))?.is_some_and(|size| size != head_size) {
            return Err(unsupported(format!(
                "its {} is not the size of a head, {head_size}",
                key(part)
            )));
        }
    }
    let vocabulary = match tensors.vocabulary {
        Some(rows) => rows,
        None => header.list("tokenizer.ggml.tokens").map_or(0, <[_]>::len),
    };
    let mut config = json!({
        "architectures": [architecture],
        "hidden_size": hidden,
        "intermediate_size": needed("feed_forward_length")?,
        "num_hidden_layers": needed("block_count")?,
        "num_attention_heads": heads,
        // Those of old files have as many as of queries.
        "num_key_value_heads": size(header, &key("attention.head_count_kv"))?.unwrap_or(heads),
        "head_dim": head_size,
        "max_position_embeddings": needed("context_length")?,
        "vocab_size": vocabulary,
        "rms_norm_eps": header.real(&key("attention.layer_norm_rms_epsilon")).unwrap_or(1e-6),
        "tie_word_embeddings": tensors.tied,
        "rope_theta": header.real(&key("rope.freq_base")).unwrap_or(10_000.0),
        // llama.cpp's converter reorders the heads of Llama for rotations of neighbours.
        "rotates_neighbours": *architecture == "LlamaForCausalLM",
    });
    if let Some(scaling) = scaling(header, &key)? {
        config["rope_scaling"] = scaling;
    }
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
