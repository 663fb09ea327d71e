//! What can be wrong with a profile, a template, a tokenizer or a text.

use std::path::PathBuf;

use crate::jinja::Failure;

/// Why something cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the checkpoint cannot be read.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the checkpoint is no JSON of the expected shape.
    #[error("{file} is malformed: {reason}")]
    Malformed {
        /// Which.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// The tokenizer file is broken.
    #[error("tokenizer.json cannot be read: {0}")]
    Tokenizer(String),
    /// The tokenizer has no word for a part of the text.
    #[error("{text:?} is outside the model's alphabet (character {position} of {whole:?})")]
    OutsideAlphabet {
        /// The part.
        text: String,
        /// Where it stands, in characters from 1.
        position: usize,
        /// What was to be encoded.
        whole: String,
    },
    /// A person's text holds a token that steers the model, such as the end of a turn.
    #[error("the text holds {0}, which is a control token of the model")]
    ControlToken(String),
    /// The tokenizer lacks a token that the profile names.
    #[error("the tokenizer has no token {0:?}, which the profile needs")]
    NoToken(String),
    /// The chat template does not parse or fails.
    #[error("the chat template fails{place}: {message}", place = in_line(*line))]
    Template {
        /// Where in its source, from 1; 0 for all of it.
        line: u32,
        /// Why.
        message: String,
    },
    /// The checkpoint has no chat template.
    #[error(
        "there is no chat template: neither chat_template.jinja nor a chat_template in tokenizer_config.json or \
         chat_template.json; put the chat_template.jinja of the model's instruct version beside its files (in a GGUF \
         file it is tokenizer.chat_template); a base model has none and answers no chats"
    )]
    NoTemplate,
    /// The chat template writes nothing.
    #[error("the prompt is empty: the chat template writes nothing for this conversation")]
    EmptyPrompt,
    /// The checkpoint has several chat templates, and nothing says which.
    #[error("there is no default among the chat templates: {0}")]
    NoDefaultTemplate(String),
    /// A profile file is broken.
    #[error("the profile cannot be read: {0}")]
    Profile(#[from] toml::de::Error),
    /// No such profile.
    #[error("there is no profile `{name}` (one of {known})")]
    UnknownProfile {
        /// What was asked for.
        name: String,
        /// Names of the built-in profiles.
        known: String,
    },
    /// Nothing known fits the checkpoint.
    #[error(
        "no {role} profile fits this checkpoint, a {architecture} (tried: {known}); name one, or write one as in profiles/"
    )]
    NoProfile {
        /// What it was to be.
        role: &'static str,
        /// What the checkpoint is.
        architecture: String,
        /// Names of the profiles that were tried.
        known: String,
    },
    /// The tokenizer does not keep the verifier's marks apart from the text.
    #[error(
        "the tokenizer merges the verifier's step marks with the text around them: this profile does not fit it"
    )]
    TagLost,
}

/// Most characters of a template's own message that are shown.
const SHOWN: usize = 500;

fn in_line(line: u32) -> String {
    match line {
        0 => String::new(),
        line => format!(" in line {line}"),
    }
}

impl From<Failure> for Error {
    fn from(Failure { line, message, .. }: Failure) -> Self {
        // A template writes messages of its own: they stay short and move no cursor.
        let mut shown = String::new();
        for c in message.chars().take(SHOWN) {
            match c.is_control() {
                true => shown.extend(c.escape_default()),
                false => shown.push(c),
            }
        }
        if message.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self::Template {
            line,
            message: shown,
        }
    }
}
