//! A Hugging Face checkpoint: its files, read but not yet a model.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use crate::Error;

/// The files of one checkpoint, from a folder or from the binary itself.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// `config.json`
    pub config: Cow<'static, [u8]>,
    /// `generation_config.json`; may be empty.
    pub generation: Cow<'static, [u8]>,
    /// `tokenizer.json`
    pub tokenizer: Cow<'static, [u8]>,
    /// `chat_template.jinja`, or that field of `tokenizer_config.json`.
    pub template: Cow<'static, str>,
    /// `model.safetensors`
    pub weights: Cow<'static, [u8]>,
}

impl Checkpoint {
    /// Reads a checkpoint folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| Error::File { path, source })
        };
        Ok(Self {
            config: file("config.json")?.into(),
            generation: file("generation_config.json").unwrap_or_default().into(),
            tokenizer: file("tokenizer.json")?.into(),
            template: template(&file)?.into(),
            weights: file("model.safetensors")?.into(),
        })
    }

    pub(crate) fn config(&self) -> Result<Config, Error> {
        let config: Config =
            serde_json::from_slice(&self.config).map_err(|e| Error::Malformed {
                file: "config.json",
                reason: e.to_string(),
            })?;
        config.check()?;
        Ok(config)
    }

    /// Tokens that end an answer.
    pub(crate) fn end_tokens(&self) -> Result<Vec<u32>, Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(u32),
            More(Vec<u32>),
        }
        #[derive(Deserialize)]
        struct Ends {
            eos_token_id: Option<OneOrMore>,
        }
        let read = |file, json: &[u8]| -> Result<Option<OneOrMore>, Error> {
            let ends: Ends = serde_json::from_slice(json).map_err(|e| Error::Malformed {
                file,
                reason: e.to_string(),
            })?;
            Ok(ends.eos_token_id)
        };
        let mut ends = None;
        if !self.generation.is_empty() {
            ends = read("generation_config.json", &self.generation)?;
        }
        if ends.is_none() {
            ends = read("config.json", &self.config)?;
        }
        match ends {
            Some(OneOrMore::One(token)) => Ok(vec![token]),
            Some(OneOrMore::More(tokens)) => Ok(tokens),
            None => Err(Error::Malformed {
                file: "config.json",
                reason: "no eos_token_id".into(),
            }),
        }
    }
}

/// A chat template stands in a file of its own, or in the tokenizer's configuration.
fn template(file: &impl Fn(&str) -> Result<Vec<u8>, Error>) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct TokenizerConfig {
        chat_template: String,
    }
    if let Ok(bytes) = file("chat_template.jinja") {
        let text = String::from_utf8(bytes).map_err(|e| Error::Malformed {
            file: "chat_template.jinja",
            reason: e.to_string(),
        })?;
        return Ok(text.trim_end_matches('\n').to_owned());
    }
    let config: TokenizerConfig =
        serde_json::from_slice(&file("tokenizer_config.json")?).map_err(|e| Error::Malformed {
            file: "tokenizer_config.json",
            reason: e.to_string(),
        })?;
    Ok(config.chat_template)
}

/// What of `config.json` the decoder needs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Config {
    pub architectures: Vec<String>,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f64,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default = "silu")]
    pub hidden_act: String,
    rope_theta: Option<f64>,
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<serde_json::Value>,
    num_labels: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
struct RopeParameters {
    rope_theta: f64,
    rope_type: String,
}

fn silu() -> String {
    "silu".into()
}

/// What a checkpoint's last layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Logits of the next token.
    LanguageModel,
    /// Linear, ReLU, linear to this many labels.
    ProcessReward(usize),
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        let malformed = |reason: String| {
            Err(Error::Malformed {
                file: "config.json",
                reason,
            })
        };
        self.head()?;
        let scaled = self
            .rope_scaling
            .as_ref()
            .is_some_and(|scaling| !scaling.is_null())
            || self
                .rope_parameters
                .as_ref()
                .is_some_and(|rope| rope.rope_type != "default");
        if scaled {
            return Err(Error::Unsupported {
                what: "scaled rotary positions".into(),
            });
        }
        if self.hidden_act != "silu" {
            return Err(Error::Unsupported {
                what: format!("the activation {}", self.hidden_act),
            });
        }
        let sizes = [
            self.hidden_size,
            self.intermediate_size,
            self.num_hidden_layers,
            self.num_attention_heads,
            self.num_key_value_heads,
            self.max_position_embeddings,
            self.vocab_size,
        ];
        if sizes.contains(&0) {
            return malformed("a size is 0".into());
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads)
            || !self.head_size().is_multiple_of(2)
        {
            return malformed(format!(
                "{} heads do not divide {}",
                self.num_attention_heads, self.hidden_size
            ));
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return malformed(format!(
                "{} key heads do not divide {}",
                self.num_key_value_heads, self.num_attention_heads
            ));
        }
        Ok(())
    }

    pub(crate) fn head(&self) -> Result<Head, Error> {
        match self.architectures.first().map(String::as_str) {
            Some("Qwen2ForCausalLM") => Ok(Head::LanguageModel),
            Some("Qwen2ForProcessRewardModel") => {
                Ok(Head::ProcessReward(self.num_labels.unwrap_or(2)))
            }
            other => Err(Error::Unsupported {
                what: other.unwrap_or("a checkpoint without architecture").into(),
            }),
        }
    }

    pub(crate) fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    pub(crate) fn rope_theta(&self) -> f64 {
        let nested = self.rope_parameters.as_ref().map(|rope| rope.rope_theta);
        nested.or(self.rope_theta).unwrap_or(10_000.0)
    }
}
