//! A GGUF file as a checkpoint: its metadata in the words of `config.json` and `tokenizer.json`, its tensors under the names
//! that transformers gives them. The tokenizer is candle's reading of the metadata.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use serde_json::{Map, json};

use crate::checkpoint::Checkpoint;
use crate::weights::{Weights, opened};
use crate::{Error, Precision};

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

/// How a text is cut before its tokens are merged, by llama.cpp's name and by candle's.
const PRE_TOKENIZERS: [(&str, &str); 6] = [
    ("qwen2", "qwen2"),
    ("deepseek-r1-qwen", "qwen2"),
    ("llama-bpe", "llama3"),
    ("llama3", "llama3"),
    ("smaug-bpe", "llama3"),
    ("gpt-2", "gpt2"),
];

/// Types of tokens: in no text, and in texts only as a whole.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// The header of a GGUF file.
pub(crate) fn content(path: &Path) -> Result<Content, Error> {
    let (file, _) = opened(path)?;
    Content::read(&mut BufReader::new(file)).map_err(|error| Error::Weights {
        file: path.display().to_string(),
        reason: error.to_string(),
    })
}

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
    /// Reads a GGUF file: a policy with its own tokenizer and chat template.
    pub fn read_gguf(path: &Path) -> Result<Self, Error> {
        let metadata = Metadata {
            content: content(path)?,
            file: path.display().to_string(),
        };
        Ok(Self {
            config: metadata.config()?.into(),
            generation: metadata.generation()?.into(),
            tokenizer: metadata.tokenizer()?.into(),
            tokenizer_config: metadata.tokenizer_config()?.into(),
            template: metadata
                .text("tokenizer.chat_template")
                .unwrap_or_default()
                .into(),
            weights: Weights::Gguf(path.to_owned()),
            precision: Precision::default(),
        })
    }
}

struct Metadata {
    content: Content,
    file: String,
}

impl Metadata {
    fn broken(&self, reason: String) -> Error {
        Error::Weights {
            file: self.file.clone(),
            reason,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.content.metadata.get(key)?.to_string().ok().cloned()
    }

    fn number(&self, key: &str) -> Option<u64> {
        whole(self.content.metadata.get(key)?)
    }

    fn real(&self, key: &str) -> Option<f64> {
        match self.content.metadata.get(key)? {
            Value::F32(x) => Some(f64::from(*x)),
            Value::F64(x) => Some(*x),
            other => whole(other).map(|x| x as f64),
        }
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.content.metadata.get(key)?.to_bool().ok()
    }

    fn list(&self, key: &str) -> Result<&[Value], Error> {
        match self.content.metadata.get(key) {
            Some(Value::Array(values)) => Ok(values),
            _ => Err(self.broken(format!("its metadata has no list {key}"))),
        }
    }

    fn tokens(&self) -> Result<Vec<&str>, Error> {
        let mut tokens = Vec::new();
        for token in self.list("tokenizer.ggml.tokens")? {
            let text = token.to_string();
            tokens.push(
                text.map_err(|_| self.broken("a token is no text".into()))?
                    .as_str(),
            );
        }
        Ok(tokens)
    }

    /// The metadata in the words of `config.json`.
    fn config(&self) -> Result<Vec<u8>, Error> {
        let name = self
            .text("general.architecture")
            .ok_or_else(|| self.broken("its metadata names no architecture".into()))?;
        let (_, architecture) = ARCHITECTURES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::Unsupported {
                what: format!("the architecture {name} of {}", self.file),
            })?;
        let key = |key: &str| format!("{name}.{key}");
        let needed = |what: &str| {
            self.number(&key(what))
                .ok_or_else(|| self.broken(format!("its metadata has no {}", key(what))))
        };
        let mut config = json!({
            "architectures": [architecture],
            "hidden_size": needed("embedding_length")?,
            "intermediate_size": needed("feed_forward_length")?,
            "num_hidden_layers": needed("block_count")?,
            "num_attention_heads": needed("attention.head_count")?,
            "num_key_value_heads": self.number(&key("attention.head_count_kv")),
            "head_dim": self.number(&key("attention.key_length")),
            "max_position_embeddings": needed("context_length")?,
            "vocab_size": self.tokens()?.len(),
            "rms_norm_eps": self.real(&key("attention.layer_norm_rms_epsilon")).unwrap_or(1e-6),
            "tie_word_embeddings": !self.content.tensor_infos.contains_key("output.weight"),
            "rope_theta": self.real(&key("rope.freq_base")).unwrap_or(10_000.0),
            // llama.cpp's converter reorders the heads of Llama for rotations of neighbours.
            "rotates_neighbours": *architecture == "LlamaForCausalLM",
        });
        let scaling = self.text(&key("rope.scaling.type"));
        if let Some(kind) = scaling.filter(|kind| kind != "none") {
            config["rope_scaling"] = json!({
                "rope_type": kind,
                "factor": self.real(&key("rope.scaling.factor")),
                "original_max_position_embeddings": self.number(&key("rope.scaling.original_context_length")),
                "attention_factor": self.real(&key("rope.scaling.attn_factor")),
            });
        }
        Ok(config.to_string().into_bytes())
    }

    fn generation(&self) -> Result<Vec<u8>, Error> {
        let ends: Vec<u64> = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"]
            .into_iter()
            .filter_map(|key| self.number(key))
            .collect();
        Ok(json!({ "eos_token_id": ends }).to_string().into_bytes())
    }

    fn tokenizer_config(&self) -> Result<Vec<u8>, Error> {
        let tokens = self.tokens()?;
        let mut config = Map::new();
        for (key, name) in [
            ("bos", "bos_token"),
            ("eos", "eos_token"),
            ("padding", "pad_token"),
        ] {
            let id = self.number(&format!("tokenizer.ggml.{key}_token_id"));
            if let Some(token) = id.and_then(|id| tokens.get(id as usize)) {
                config.insert(name.into(), json!(token));
            }
        }
        let add_bos = self.flag("tokenizer.ggml.add_bos_token").unwrap_or(false);
        config.insert("add_bos_token".into(), json!(add_bos));
        Ok(serde_json::Value::Object(config).to_string().into_bytes())
    }

    /// A `tokenizer.json` as candle makes one, but for what it takes all special tokens for: those that a user's text may
    /// hold, as `</think>`, are text.
    fn tokenizer(&self) -> Result<Vec<u8>, Error> {
        let named = self
            .text("tokenizer.ggml.pre")
            .unwrap_or_else(|| "gpt-2".into());
        let (_, pre) = PRE_TOKENIZERS
            .iter()
            .find(|(known, _)| *known == named)
            .ok_or_else(|| Error::Unsupported {
                what: format!("the pre-tokenizer {named} of {}", self.file),
            })?;
        let keys = self
            .content
            .metadata
            .iter()
            .filter(|(key, _)| key.starts_with("tokenizer."));
        let mut metadata: HashMap<String, Value> = keys
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        metadata.insert("tokenizer.ggml.pre".into(), Value::String((*pre).into()));
        if *pre == "llama3" {
            // Llama 3 takes a whole word that is a token before it merges.
            metadata.insert("tokenizer.ggml.ignore_merges".into(), Value::Bool(true));
        }
        let content = Content {
            metadata,
            tensor_infos: HashMap::new(),
            magic: self.content.magic,
            tensor_data_offset: 0,
        };
        let unreadable = |reason: String| self.broken(format!("its tokenizer: {reason}"));
        let tokenizer = tokenizers::Tokenizer::from_gguf(&content)
            .map_err(|error| unreadable(error.to_string()))?;
        let json = tokenizer
            .to_string(false)
            .map_err(|error| unreadable(error.to_string()))?;
        let mut json: serde_json::Value =
            serde_json::from_str(&json).map_err(|error| unreadable(error.to_string()))?;
        let types: Vec<u64> = self
            .list("tokenizer.ggml.token_type")?
            .iter()
            .map(|value| whole(value).unwrap_or_default())
            .collect();
        if let Some(added) = json["added_tokens"].as_array_mut() {
            let kind = |token: &serde_json::Value| {
                let id = token["id"].as_u64().unwrap_or(u64::MAX);
                usize::try_from(id)
                    .ok()
                    .and_then(|id| types.get(id).copied())
            };
            added.retain(|token| matches!(kind(token), Some(CONTROL | USER_DEFINED)));
            for token in added {
                token["special"] = json!(kind(token) == Some(CONTROL));
                token["normalized"] = json!(false);
            }
        }
        Ok(json.to_string().into_bytes())
    }
}

/// A whole number of any width.
fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::U8(x) => Some(u64::from(*x)),
        Value::U16(x) => Some(u64::from(*x)),
        Value::U32(x) => Some(u64::from(*x)),
        Value::U64(x) => Some(*x),
        Value::I8(x) => u64::try_from(*x).ok(),
        Value::I16(x) => u64::try_from(*x).ok(),
        Value::I32(x) => u64::try_from(*x).ok(),
        Value::I64(x) => u64::try_from(*x).ok(),
        _ => None,
    }
}
