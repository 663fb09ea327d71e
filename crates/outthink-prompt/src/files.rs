//! What a checkpoint folder says beside its weights: enough to prompt a model that runs somewhere else.

use std::collections::BTreeMap;
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
    /// Source of the chat template, as [`template`] finds it; empty if there is none.
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
        Self::new(
            &optional("config.json"),
            &optional("generation_config.json"),
            &tokenizer,
            &optional("tokenizer_config.json"),
            template(folder)?,
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
            architecture: architectures
                .unwrap_or_default()
                .into_iter()
                .next()
                .unwrap_or_default(),
            end_tokens: end_tokens(generation, config, &tokenizer)?,
            tokenizer,
            template,
        })
    }

    /// The compiled chat template.
    pub fn chat_template(&self) -> Result<ChatTemplate, Error> {
        ChatTemplate::new(&self.template)
    }
}

/// Tokens that end an answer, by `generation_config.json`, or else `config.json`, or else the tokenizer's own `eos_token`;
/// either file may be empty.
pub fn end_tokens(
    generation: &[u8],
    config: &[u8],
    tokenizer: &Tokenizer,
) -> Result<Vec<u32>, Error> {
    let of = |file, json| {
        let ends = parse::<Ends>(file, json)?.eos_token_id;
        let ends = ends.map(Tokens::into_vec).unwrap_or_default();
        Ok::<_, Error>((!ends.is_empty()).then_some(ends))
    };
    if let Some(ends) = of("generation_config.json", generation)? {
        return Ok(ends);
    }
    if let Some(ends) = of("config.json", config)? {
        return Ok(ends);
    }
    let own = tokenizer.special("eos_token");
    Ok(own
        .and_then(|token| tokenizer.id(token).ok())
        .into_iter()
        .collect())
}

/// Source of the chat template of a checkpoint folder, as transformers looks for it: `chat_template.jinja` and
/// `additional_chat_templates/`, or else that field of `tokenizer_config.json`, or else of `chat_template.json`. Of several
/// templates it is the one called `default`. Empty if there is none.
pub fn template(folder: &Path) -> Result<String, Error> {
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let mut own = Vec::new();
    let entries = std::fs::read_dir(folder.join("additional_chat_templates"));
    let entries = entries.into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let default = folder.join("chat_template.jinja");
    for path in paths.chain([default.clone()]) {
        let name = match path.file_stem().and_then(|stem| stem.to_str()) {
            _ if path == default => "default",
            Some(name) if path.extension().is_some_and(|end| end == "jinja") => name,
            _ => continue,
        };
        let source = read(&path);
        let source = std::str::from_utf8(text(&source)).map_err(|error| Error::Malformed {
            file: "chat_template.jinja",
            reason: error.to_string(),
        })?;
        if !source.trim().is_empty() {
            own.push((name.to_owned(), source.to_owned()));
        }
    }
    own.sort();
    if !own.is_empty() {
        return chosen(own);
    }
    for file in ["tokenizer_config.json", "chat_template.json"] {
        let Templates { chat_template } = parse(file, &read(&folder.join(file)))?;
        let named = match chat_template {
            Some(OneOrNamed::One(template)) => vec![("default".to_owned(), template)],
            Some(OneOrNamed::Listed(all)) => {
                let pairs = all.into_iter().map(|one| (one.name, one.template));
                pairs.collect()
            }
            Some(OneOrNamed::Named(all)) => all.into_iter().collect(),
            None => Vec::new(),
        };
        if !named.is_empty() {
            return chosen(named);
        }
    }
    Ok(String::new())
}

/// The default of some templates, or the only one.
fn chosen(mut named: Vec<(String, String)>) -> Result<String, Error> {
    if let Some(at) = named.iter().position(|(name, _)| name == "default") {
        return Ok(named.swap_remove(at).1);
    }
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    match names.len() {
        1 => Ok(named.swap_remove(0).1),
        _ => Err(Error::NoDefaultTemplate(names.join(", "))),
    }
}

/// Without the mark that some editors put before a text.
pub(crate) fn text(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

pub(crate) fn parse<T: Default + for<'a> Deserialize<'a>>(
    file: &'static str,
    json: &[u8],
) -> Result<T, Error> {
    let json = text(json);
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
    architectures: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
struct Ends {
    eos_token_id: Option<Tokens>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tokens {
    One(i64),
    More(Vec<i64>),
}

impl Tokens {
    /// What is no token, as -1, ends nothing.
    fn into_vec(self) -> Vec<u32> {
        let all = match self {
            Self::One(token) => vec![token],
            Self::More(tokens) => tokens,
        };
        all.into_iter()
            .filter_map(|token| u32::try_from(token).ok())
            .collect()
    }
}

#[derive(Default, Deserialize)]
struct Templates {
    #[serde(default)]
    chat_template: Option<OneOrNamed>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrNamed {
    One(String),
    Listed(Vec<Named>),
    Named(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}
