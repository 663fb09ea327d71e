//! What each kind of server takes, ignores and answers. Every rule here was seen on a running server (vLLM 0.32, llama.cpp
//! b11434) or stands in the server's documentation (SGLang); none is guessed from a name.

pub(crate) mod chat;
pub(crate) mod llama;
pub(crate) mod sglang;
pub(crate) mod vllm;

use std::fmt;

use outthink_core::Sampling;
use outthink_prompt::Message;

use crate::Error;
use crate::http::Trouble;
use crate::pool::Question;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// vLLM: token-id prompts, token ids back, seeds per request, `/pooling`.
    Vllm,
    /// SGLang's own `/generate`: token-id prompts, token ids back, log-probabilities of chosen tokens anywhere.
    Sglang,
    /// llama.cpp's own `/completion`: token-id prompts, token ids back.
    LlamaCpp,
    /// `outthink prm-serve`: the embedded engine behind `/pooling`.
    Outthink,
    /// Any other OpenAI-compatible chat endpoint: whole answers only.
    Chat,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::LlamaCpp => "llama.cpp",
            Self::Outthink => "outthink prm-serve",
            Self::Chat => "chat-only",
        })
    }
}

/// What is to be continued.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Prefix<'a> {
    /// Prompt and steps so far.
    Tokens(&'a [u32]),
    /// A conversation.
    Chat(&'a [Message]),
}

/// One draw, as every dialect is asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) model: &'a str,
    pub(crate) prefix: Prefix<'a>,
    pub(crate) seed: u64,
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: usize,
    /// Text after which the server is to stop.
    pub(crate) stop: Option<&'a str>,
    /// Tokens at which it is to stop.
    pub(crate) end_tokens: &'a [u32],
    pub(crate) stream: bool,
    /// How many answers to one conversation.
    pub(crate) n: usize,
}

impl Asked<'_> {
    /// A greedy draw is the same whatever the seed.
    fn seed(&self) -> Option<u64> {
        (self.sampling.temperature > 0.0).then_some(self.seed)
    }
}

/// Why a server ended a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// At the text that it was to stop at.
    Separator,
    /// The model ended its answer.
    End,
    /// Out of tokens.
    Length,
}

/// What a server says that a request cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) prompt: u64,
    /// Not every server tells.
    pub(crate) cached: Option<u64>,
    pub(crate) generated: u64,
}

/// A piece of an answer: a token, or some text without its tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) token: Option<u32>,
    /// Its bytes, as far as the server tells them; who has the tokenizer need not look.
    pub(crate) bytes: Vec<u8>,
    pub(crate) logprob: f64,
}

/// What one body or event of an answer holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    /// Which of several answers.
    pub(crate) index: usize,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) finish: Option<Finish>,
}

/// All that one body or event holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) parts: Vec<Part>,
    pub(crate) told: Option<Told>,
    /// Nothing follows.
    pub(crate) last: bool,
}

/// Why a body or an event says nothing.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is cut off or no JSON, or the server gave up: another try may mend it.
    Broken(String),
    /// It is something else than was asked for, and will be again.
    Other(String),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        match error.is_data() {
            true => Self::Other(error.to_string()),
            false => Self::Broken(error.to_string()),
        }
    }
}

impl From<String> for Unreadable {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl From<&str> for Unreadable {
    fn from(reason: &str) -> Self {
        Self::Other(reason.to_owned())
    }
}

impl Unreadable {
    pub(crate) fn at(self, endpoint: &str) -> Trouble {
        match self {
            Self::Broken(reason) => Trouble::Garbled(reason),
            Self::Other(reason) => Trouble::Fatal(Error::Misshaped {
                endpoint: endpoint.to_owned(),
                reason,
            }),
        }
    }
}

impl Dialect {
    /// Can it continue an answer from any token on?
    pub(crate) fn continues(self) -> bool {
        matches!(self, Self::Vllm | Self::Sglang | Self::LlamaCpp)
    }

    pub(crate) fn question(self, asked: &Asked<'_>) -> Result<Question, serde_json::Error> {
        match self {
            Self::Vllm => vllm::question(asked),
            Self::Sglang => sglang::question(asked),
            Self::LlamaCpp => llama::question(asked),
            Self::Chat | Self::Outthink => chat::question(asked),
        }
    }

    /// Reads a body, or an event. `spelled`: are the tokens' bytes wanted?
    pub(crate) fn read(self, data: &[u8], spelled: bool) -> Result<Parts, Unreadable> {
        if data == b"[DONE]" {
            return Ok(Parts {
                last: true,
                ..Parts::default()
            });
        }
        match self {
            Self::Vllm => vllm::read(data, spelled),
            Self::Sglang => sglang::read(data),
            Self::LlamaCpp => llama::read(data, spelled),
            Self::Chat | Self::Outthink => chat::read(data),
        }
    }
}

/// A question as JSON.
pub(crate) fn post(
    path: &'static str,
    stream: bool,
    body: &impl serde::Serialize,
) -> Result<Question, serde_json::Error> {
    Ok(Question {
        path,
        body: serde_json::to_vec(body)?.into(),
        stream,
    })
}

/// Usage as OpenAI's endpoints tell it.
#[derive(Debug, serde::Deserialize)]
struct OpenAiUsage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<Details>,
}

#[derive(Debug, serde::Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

impl From<OpenAiUsage> for Told {
    fn from(usage: OpenAiUsage) -> Self {
        Self {
            prompt: usage.prompt_tokens,
            cached: usage.prompt_tokens_details.and_then(|d| d.cached_tokens),
            generated: usage.completion_tokens,
        }
    }
}

/// OpenAI's word for why a draw ended.
fn finish(reason: &str, at_separator: bool) -> Result<Finish, Unreadable> {
    match reason {
        "stop" if at_separator => Ok(Finish::Separator),
        "stop" => Ok(Finish::End),
        "length" => Ok(Finish::Length),
        other => Err(Unreadable::Broken(format!("it ended with {other:?}"))),
    }
}
