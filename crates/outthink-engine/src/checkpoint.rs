//! A Hugging Face checkpoint: its files, read but not yet a model.

use std::borrow::Cow;
use std::path::Path;

use candle_core::Device;
use outthink_prompt::Tokenizer;
use serde::Deserialize;

use crate::Error;
use crate::config::Config;
use crate::precision::{Choice, Precision};
use crate::weights::Weights;

/// The files of one checkpoint, from a folder or from the binary itself.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// `config.json`
    pub config: Cow<'static, [u8]>,
    /// `generation_config.json`; may be empty.
    pub generation: Cow<'static, [u8]>,
    /// `tokenizer.json`
    pub tokenizer: Cow<'static, [u8]>,
    /// `tokenizer_config.json`; may be empty.
    pub tokenizer_config: Cow<'static, [u8]>,
    /// `chat_template.jinja`, or that field of `tokenizer_config.json`.
    pub template: Cow<'static, str>,
    /// `model.safetensors`, its shards, or a GGUF file.
    pub weights: Weights,
    /// What weights are kept in once loaded.
    pub precision: Precision,
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
            tokenizer_config: file("tokenizer_config.json").unwrap_or_default().into(),
            template: template(&file)?.into(),
            weights: Weights::find(folder)?,
            precision: Precision::default(),
        })
    }

    /// Bytes of memory that the weights take once loaded, about.
    pub fn memory(&self) -> Result<u64, Error> {
        let parameters = self.weights.open(&Device::Cpu)?.parameters();
        let bytes = Choice::new(self.precision, parameters).bytes();
        Ok((parameters as f64 * bytes) as u64)
    }

    pub(crate) fn config(&self) -> Result<Config, Error> {
        Config::parse(&self.config)
    }

    pub(crate) fn tokenizer(&self) -> Result<Tokenizer, Error> {
        Ok(Tokenizer::from_bytes(&self.tokenizer)?.with_config(&self.tokenizer_config)?)
    }

    /// Tokens that end an answer, by the generation config or else the config.
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
        let mut ends = None;
        for (file, json) in [
            ("generation_config.json", &self.generation),
            ("config.json", &self.config),
        ] {
            if ends.is_none() && !json.is_empty() {
                let read: Ends =
                    serde_json::from_slice(json).map_err(|error| Error::Malformed {
                        file,
                        reason: error.to_string(),
                    })?;
                ends = read.eos_token_id;
            }
        }
        Ok(match ends {
            Some(OneOrMore::One(token)) => vec![token],
            Some(OneOrMore::More(tokens)) => tokens,
            None => Vec::new(),
        })
    }
}

/// A chat template stands in a file of its own, or in the tokenizer's configuration; a verifier may do without.
fn template(file: &impl Fn(&str) -> Result<Vec<u8>, Error>) -> Result<String, Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Templates {
        One(String),
        Named(Vec<Named>),
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
        template: String,
    }
    #[derive(Deserialize)]
    struct TokenizerConfig {
        chat_template: Option<Templates>,
    }
    if let Ok(bytes) = file("chat_template.jinja") {
        let text = String::from_utf8(bytes).map_err(|e| Error::Malformed {
            file: "chat_template.jinja",
            reason: e.to_string(),
        })?;
        return Ok(text.trim_end_matches('\n').to_owned());
    }
    let Ok(json) = file("tokenizer_config.json") else {
        return Ok(String::new());
    };
    let config: TokenizerConfig = serde_json::from_slice(&json).map_err(|e| Error::Malformed {
        file: "tokenizer_config.json",
        reason: e.to_string(),
    })?;
    Ok(match config.chat_template {
        Some(Templates::One(template)) => template,
        Some(Templates::Named(templates)) => templates
            .into_iter()
            .find(|named| named.name == "default")
            .map(|named| named.template)
            .unwrap_or_default(),
        None => String::new(),
    })
}
