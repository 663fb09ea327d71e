//! What a checkpoint folder says beside its weights: enough to prompt a model that runs somewhere else.

use std::path::Path;

use serde::Deserialize;

use crate::{ChatTemplate, Error, Tokenizer};

/// The files of a checkpoint that turn text into tokens and back.
pub struct PromptFiles {
    /// The first architecture of `config.json`; empty without the file.
    pub architecture: String,
    /// Tokens that end an answer, by the generation config or else the config.
    pub end_tokens: Vec<u32>,
    /// `tokenizer.json`, with the special tokens of `tokenizer_config.json`.
    pub tokenizer: Tokenizer,
    /// Source of the chat template, from its own file or the tokenizer's config; empty if there is none.
    pub template: String,
}

impl PromptFiles {
    /// Reads a checkpoint folder; `tokenizer.json` must be there, weights need not.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let tokenizer = folder.join("tokenizer.json");
        let tokenizer = std::fs::read(&tokenizer).map_err(|source| Error::File {
            path: tokenizer,
            source,
        })?;
        let optional = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
        let tokenizer_config = optional("tokenizer_config.json");
        let template = template(&optional("chat_template.jinja"), &tokenizer_config)?;
        Self::new(
            &optional("config.json"),
            &optional("generation_config.json"),
            &tokenizer,
            &tokenizer_config,
            template,
        )
    }

    /// From the files' contents; all but the tokenizer's may be empty.
    pub fn new(
        config: &[u8],
        generation: &[u8],
        tokenizer: &[u8],
        tokenizer_config: &[u8],
        template: String,
    ) -> Result<Self, Error> {
        let tokenizer = Tokenizer::from_bytes(tokenizer)?.with_config(tokenizer_config)?;
        let Architectures { architectures } = parse("config.json", config)?;
        Ok(Self {
            architecture: architectures.into_iter().next().unwrap_or_default(),
            end_tokens: end_tokens(generation, config)?,
            tokenizer,
            template,
        })
    }

    /// The compiled chat template.
    pub fn chat_template(&self) -> Result<ChatTemplate, Error> {
        ChatTemplate::new(self.template.clone())
    }
}

/// Tokens that end an answer, by `generation_config.json` or else `config.json`; either may be empty.
pub fn end_tokens(generation: &[u8], config: &[u8]) -> Result<Vec<u32>, Error> {
    let of = |file, json| parse::<Ends>(file, json).map(|ends| ends.eos_token_id);
    let ends = match of("generation_config.json", generation)? {
        Some(ends) => Some(ends),
        None => of("config.json", config)?,
    };
    Ok(ends.map(Tokens::into_vec).unwrap_or_default())
}

/// Source of the chat template: `chat_template.jinja`, or else that field of `tokenizer_config.json`; empty if there is none.
pub fn template(own_file: &[u8], tokenizer_config: &[u8]) -> Result<String, Error> {
    if own_file.is_empty() {
        let named: Templates = parse("tokenizer_config.json", tokenizer_config)?;
        return Ok(named.default());
    }
    let text = std::str::from_utf8(own_file).map_err(|error| Error::Malformed {
        file: "chat_template.jinja",
        reason: error.to_string(),
    })?;
    Ok(text.trim_end_matches('\n').to_owned())
}

fn parse<T: Default + for<'a> Deserialize<'a>>(
    file: &'static str,
    json: &[u8],
) -> Result<T, Error> {
    if json.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(json).map_err(|error| Error::Malformed {
        file,
        reason: error.to_string(),
    })
}

#[derive(Default, Deserialize)]
struct Architectures {
    #[serde(default)]
    architectures: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Ends {
    eos_token_id: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tokens {
    One(u32),
    More(Vec<u32>),
}

impl Tokens {
    fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(token) => vec![token],
            Self::More(tokens) => tokens,
        }
    }
}

#[derive(Default, Deserialize)]
struct Templates {
    chat_template: Option<OneOrNamed>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrNamed {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl Templates {
    fn default(self) -> String {
        match self.chat_template {
            Some(OneOrNamed::One(template)) => template,
            Some(OneOrNamed::Named(all)) => all
                .into_iter()
                .find(|named| named.name == "default")
                .map(|named| named.template)
                .unwrap_or_default(),
            None => String::new(),
        }
    }
}
