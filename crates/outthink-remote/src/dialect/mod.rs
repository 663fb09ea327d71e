//! What each kind of server takes, ignores and answers. Every rule here was seen on a running server (vLLM 0.32, llama.cpp
//! b11434) or stands in the server's documentation (SGLang); none is guessed from a name.

pub(crate) mod chat;
pub(crate) mod llama_cpp;
pub(crate) mod sglang;
mod usage;
pub(crate) mod vllm;

use std::fmt;
use std::str::FromStr;

use outthink_core::{Sampling, visible_line};
use outthink_prompt::Message;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::http::TransportError;
use crate::pool::ApiRequest;
use crate::server_error::ServerError;

pub(crate) use usage::ReportedUsage;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
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
    /// `outthink serve`: another outthink's policies, asked for whole answers.
    Gateway,
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
            Self::Gateway => "outthink serve",
            Self::Chat => "chat-only",
        })
    }
}

impl Dialect {
    pub(crate) const ALL: [Self; 6] = [
        Self::Vllm,
        Self::Sglang,
        Self::LlamaCpp,
        Self::Outthink,
        Self::Gateway,
        Self::Chat,
    ];

    /// As it is written in a configuration.
    fn written(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Outthink => "prm-serve",
            Self::Gateway => "outthink",
            Self::Chat => "chat",
        }
    }
}

impl FromStr for Dialect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_', '.', ' '], "");
        let named = |dialect: &Self| {
            plain(dialect.written()) == plain(name) || plain(&dialect.to_string()) == plain(name)
        };
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| Error::UnknownDialect {
                name: visible_line(name).into_owned(),
                known: Self::ALL.map(Self::written).join(", "),
            })
    }
}

impl TryFrom<String> for Dialect {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

/// What is to be continued.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DrawPrefix<'a> {
    /// Prompt and steps so far.
    Tokens(&'a [u32]),
    /// A conversation.
    Chat(&'a [Message]),
}

/// One draw, as every dialect is asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrawRequest<'a> {
    pub(crate) model: &'a str,
    pub(crate) prefix: DrawPrefix<'a>,
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

impl DrawRequest<'_> {
    /// A greedy draw is the same whatever the seed.
    fn seed(&self) -> Option<u64> {
        (self.sampling.temperature > 0.0).then_some(self.seed)
    }
}

/// Why a server ended a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    /// At the text that it was to stop at.
    Separator,
    /// The model ended its answer.
    End,
    /// Out of tokens.
    Length,
}

/// A piece of an answer: a token, or some text without its tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) token: Option<u32>,
    /// Its bytes, as far as the server tells them; who has the tokenizer need not look.
    pub(crate) bytes: Vec<u8>,
    /// Its log-probability, where the server tells it.
    pub(crate) logprob: Option<f64>,
}

/// What one body or event of an answer holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DrawDelta {
    /// Which of several answers.
    pub(crate) index: usize,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) finish: Option<FinishReason>,
}

/// All that one body or event holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DrawEvent {
    pub(crate) parts: Vec<DrawDelta>,
    pub(crate) told: Option<ReportedUsage>,
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
    /// It says what is wrong.
    ServerError(ServerError),
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
    pub(crate) fn at(self, endpoint: &str) -> TransportError {
        match self {
            Self::Broken(reason) => TransportError::Garbled(reason),
            Self::Other(reason) => TransportError::Fatal(Error::Misshaped {
                endpoint: endpoint.to_owned(),
                reason,
            }),
            Self::ServerError(said) => said.into_transport_error(None, None),
        }
    }
}

impl Dialect {
    /// Can it continue an answer from any token on?
    pub(crate) fn continues(self) -> bool {
        matches!(self, Self::Vllm | Self::Sglang | Self::LlamaCpp)
    }

    pub(crate) fn question(self, asked: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        match self {
            Self::Vllm => vllm::question(asked),
            Self::Sglang => sglang::question(asked),
            Self::LlamaCpp => llama_cpp::question(asked),
            Self::Chat | Self::Gateway | Self::Outthink => chat::question(asked),
        }
    }

    /// Reads a body, or an event. `spelled`: are the tokens' bytes wanted?
    pub(crate) fn read(self, data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
        if data == b"[DONE]" {
            return Ok(DrawEvent {
                last: true,
                ..DrawEvent::default()
            });
        }
        match self {
            Self::Vllm => vllm::read(data, spelled),
            Self::Sglang => sglang::read(data),
            Self::LlamaCpp => llama_cpp::read(data, spelled),
            Self::Chat | Self::Gateway | Self::Outthink => chat::read(data),
        }
    }
}

/// A question as JSON.
pub(crate) fn post(
    path: &'static str,
    stream: bool,
    body: &impl serde::Serialize,
) -> Result<ApiRequest, serde_json::Error> {
    Ok(ApiRequest {
        path,
        body: serde_json::to_vec(body)?.into(),
        stream,
    })
}

/// OpenAI's word for why a draw ended, and those of others. A reply that is there and ended for a reason unheard of is whole.
fn finish(reason: &Value, at_separator: bool) -> Result<FinishReason, Unreadable> {
    let word = match reason {
        Value::String(word) => word.as_str(),
        Value::Object(reason) => reason
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        _ => "",
    };
    let plain = word.trim().to_ascii_lowercase();
    match plain.as_str() {
        "stop" if at_separator => Ok(FinishReason::Separator),
        "length"
        | "max_tokens"
        | "max_new_tokens"
        | "max_output_tokens"
        | "max_completion_tokens"
        | "max_length"
        | "model_length"
        | "model_context_window_exceeded"
        | "context_length"
        | "context_length_exceeded"
        | "context_window_exceeded"
        | "token_limit"
        | "limit"
        | "incomplete"
        | "truncated" => Ok(FinishReason::Length),
        // What a filter cut off is not the model's whole answer.
        "content_filter" | "content_filtered" | "safety" | "recitation" | "blocklist"
        | "prohibited_content" | "spii" => Ok(FinishReason::Length),
        "error"
        | "abort"
        | "aborted"
        | "cancelled"
        | "canceled"
        | "timeout"
        | "load"
        | "insufficient_system_resource" => {
            Err(Unreadable::Broken(format!("it ended with {word:?}")))
        }
        _ => Ok(FinishReason::End),
    }
}

/// A log-probability, if it can be one: not above 0, save for rounding.
fn logprob(value: Option<f64>) -> Result<Option<f64>, Unreadable> {
    const ROUNDING: f64 = 1e-3;
    match value {
        None => Ok(None),
        Some(value) if value.is_finite() && value <= ROUNDING => Ok(Some(value)),
        Some(value) => Err(format!("{value:?} where a log-probability should be").into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn servers_have_many_words_for_why_an_answer_ended() {
        let ends = |reason: Value| finish(&reason, false).ok();
        for word in [
            "stop",
            "eos",
            "end_turn",
            "",
            "COMPLETE",
            "stop_sequence",
            "STOP",
            "tool_calls",
            "never heard of",
        ] {
            assert_eq!(ends(json!(word)), Some(FinishReason::End), "{word}");
        }
        assert_eq!(ends(Value::Null), Some(FinishReason::End));
        assert_eq!(
            ends(json!({"type": "stop", "matched": 2})),
            Some(FinishReason::End)
        );
        for word in [
            "length",
            "max_tokens",
            "MAX_TOKENS",
            "model_length",
            "content_filter",
            "SAFETY",
        ] {
            assert_eq!(ends(json!(word)), Some(FinishReason::Length), "{word}");
        }
        for word in ["error", "abort"] {
            assert_eq!(ends(json!(word)), None, "{word}");
        }
    }

    #[test]
    fn what_is_no_log_probability_is_no_number_to_count_with() {
        assert!(
            logprob(Some(-3.5)).is_ok() && logprob(Some(1e-6)).is_ok() && logprob(None).is_ok()
        );
        for wrong in [1e308, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(logprob(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_of_server_is_named_as_it_is_shown_or_as_it_is_written() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse::<Dialect>().ok(), Some(dialect));
        }
        assert_eq!("llama-cpp".parse::<Dialect>().ok(), Some(Dialect::LlamaCpp));
        assert_eq!("chat".parse::<Dialect>().ok(), Some(Dialect::Chat));
        let error = "tgi".parse::<Dialect>().map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("vllm, sglang, llama.cpp")));
    }
}
