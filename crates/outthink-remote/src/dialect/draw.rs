//! Drawing: what every dialect is asked for, and what it reads from an answer.

use outthink_core::Sampling;
use outthink_prompt::Message;
use serde_json::Value;

use super::Unreadable;
use crate::usage::ReportedUsage;

/// What a draw continues.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DrawPrefix<'a> {
    /// Token ids of the prompt and of the steps so far.
    Tokens(&'a [u32]),
    /// A conversation, for servers that give whole answers only.
    Chat(&'a [Message]),
}

/// One request for draws, as every dialect gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrawRequest<'a> {
    pub(crate) model: &'a str,
    pub(crate) prefix: DrawPrefix<'a>,
    pub(crate) seed: u64,
    pub(crate) sampling: Sampling,
    /// Most tokens to draw.
    pub(crate) max_tokens: usize,
    /// Text after which the server stops.
    pub(crate) stop: Option<&'a str>,
    /// Tokens at which it stops.
    pub(crate) end_tokens: &'a [u32],
    pub(crate) stream: bool,
    /// How many answers are drawn; more than one only to a conversation.
    pub(crate) n: usize,
}

impl DrawRequest<'_> {
    /// The seed, if it makes a difference: a greedy draw is the same whatever the seed.
    pub(super) fn effective_seed(&self) -> Option<u64> {
        (self.sampling.temperature > 0.0).then_some(self.seed)
    }
}

/// Why a server ended a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    /// It stopped at the stop text.
    Separator,
    /// The model ended its answer.
    End,
    /// It reached a limit on tokens.
    Length,
}

/// A piece of an answer: a token, or some text without its tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) token: Option<u32>,
    /// Its bytes, as far as the server tells them; not used where there is a tokenizer.
    pub(crate) bytes: Vec<u8>,
    /// Its log-probability (natural), where the server tells it.
    pub(crate) logprob: Option<f64>,
}

/// What one body or event adds to one of several answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DrawDelta {
    /// Which answer, from 0.
    pub(crate) index: usize,
    pub(crate) pieces: Vec<Piece>,
    /// Set if the answer has ended.
    pub(crate) finish: Option<FinishReason>,
}

/// All that one body or event holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DrawEvent {
    pub(crate) deltas: Vec<DrawDelta>,
    pub(crate) usage: Option<ReportedUsage>,
    /// Nothing follows.
    pub(crate) last: bool,
}

/// Reads a finish reason: OpenAI's words and those of others. An answer with an unknown reason counts as whole.
pub(super) fn finish_reason(
    reason: &Value,
    at_separator: bool,
) -> Result<FinishReason, Unreadable> {
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
        // An answer that a filter cut off is not whole.
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

/// Checks a log-probability: finite, and not above 0 save for rounding.
pub(super) fn logprob(value: Option<f64>) -> Result<Option<f64>, Unreadable> {
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
        let ends = |reason: Value| finish_reason(&reason, false).ok();
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
}
