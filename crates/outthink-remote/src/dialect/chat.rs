//! Any OpenAI-compatible `/v1/chat/completions`: whole answers as text, without tokens.
//!
//! Some providers return fewer choices than asked for; the policy then asks for the rest. Thinking that a server
//! reports apart from the answer (`reasoning_content`, `reasoning`, parts of that type) is not part of the answer.

use outthink_prompt::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draw::finish_reason;
use super::{Dialect, DrawDelta, DrawEvent, DrawPrefix, DrawRequest, Piece, Unreadable};
use crate::request::ApiRequest;
use crate::server_error::ServerError;
use crate::usage::{self, ReportedUsage};

pub(super) struct Chat;

impl Dialect for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    fn title(&self) -> &'static str {
        "chat-only"
    }

    fn description(&self) -> &'static str {
        "OpenAI-compatible chat server"
    }

    fn continues(&self) -> bool {
        false
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        request(draw)
    }

    fn read_draws(&self, data: &[u8], _: bool) -> Result<DrawEvent, Unreadable> {
        read(data)
    }
}

#[derive(Serialize)]
struct ChatCompletion<'a> {
    model: &'a str,
    messages: &'a [Message],
    max_tokens: usize,
    temperature: f64,
    top_p: f64,
    #[serde(skip_serializing_if = "is_zero")]
    top_k: usize,
    #[serde(skip_serializing_if = "is_none")]
    min_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "is_one")]
    n: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

fn is_zero(k: &usize) -> bool {
    *k == 0
}

fn is_none(p: &f64) -> bool {
    *p == 0.0
}

/// Asks for `n` answers to a conversation.
pub(super) fn request(draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let messages = match draw.prefix {
        DrawPrefix::Chat(messages) => messages,
        DrawPrefix::Tokens(_) => &[],
    };
    let body = ChatCompletion {
        model: draw.model,
        messages,
        max_tokens: draw.max_tokens,
        temperature: draw.sampling.temperature,
        top_p: draw.sampling.top_p,
        top_k: draw.sampling.top_k,
        min_p: draw.sampling.min_p,
        seed: draw.effective_seed().map(|seed| (seed >> 33) as u32),
        n: draw.n,
        stream: draw.stream,
    };
    ApiRequest::json("/v1/chat/completions", draw.stream, &body)
}

#[derive(Deserialize)]
struct ChatReply {
    #[serde(default)]
    choices: Option<Vec<ChatChoice>>,
    #[serde(default, deserialize_with = "usage::reported")]
    usage: Option<ReportedUsage>,
}

#[derive(Deserialize)]
struct ChatChoice {
    #[serde(default)]
    index: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    text: Value,
    /// In an event of a stream, in place of `message`.
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    finish_reason: Value,
    #[serde(default)]
    error: Value,
}

impl ChatChoice {
    fn index(&self) -> Option<usize> {
        self.index
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
    }

    fn is_delta(&self) -> bool {
        !self.delta.is_null() && self.message.is_null()
    }

    fn text(&self) -> String {
        let message = [&self.message, &self.delta]
            .into_iter()
            .find(|message| !message.is_null());
        let mut text = String::new();
        match message {
            Some(Value::Object(message)) => {
                message
                    .get("content")
                    .into_iter()
                    .for_each(|content| read_content(content, &mut text));
            }
            Some(message) => read_content(message, &mut text),
            None => read_content(&self.text, &mut text),
        }
        text
    }
}

/// Appends the text of a message's content: a string, or a list of parts of which only those of type text count.
fn read_content(content: &Value, text: &mut String) {
    match content {
        Value::String(words) => text.push_str(words),
        Value::Array(parts) => parts.iter().for_each(|part| read_content(part, text)),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
            if matches!(kind, "text" | "output_text") {
                let inner = ["text", "content", "value"]
                    .into_iter()
                    .find_map(|name| part.get(name));
                inner
                    .into_iter()
                    .for_each(|inner| read_content(inner, text));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn read(data: &[u8]) -> Result<DrawEvent, Unreadable> {
    let reply: ChatReply = serde_json::from_slice(data)?;
    let mut choices = reply.choices.unwrap_or_default();
    if choices.is_empty() {
        if let Some(error) = ServerError::read_success(data) {
            return Err(Unreadable::ServerError(error));
        }
        // The last event of some streams, or an answer without choices.
        return Ok(DrawEvent {
            usage: reply.usage,
            ..DrawEvent::default()
        });
    }
    let streamed = choices.iter().any(ChatChoice::is_delta);
    if !streamed {
        // Whole answers are told apart by their position: some servers leave indices out, or give all the same.
        let mut places: Vec<Option<usize>> = choices.iter().map(ChatChoice::index).collect();
        places.sort_unstable();
        places.dedup();
        if places.len() == choices.len() && !places.contains(&None) {
            choices.sort_by_key(ChatChoice::index);
        }
    }
    let delta = |(place, choice): (usize, ChatChoice)| {
        let broken = choice.finish_reason == "error" || !choice.error.is_null();
        if broken
            && let Some(error) = ServerError::read_success(&serde_json::to_vec(&choice.error)?)
        {
            return Err(Unreadable::ServerError(error));
        }
        let text = choice.text();
        let index = match streamed {
            true => choice.index().unwrap_or(0),
            false => place,
        };
        let ended = match (&choice.finish_reason, streamed) {
            (Value::Null, true) => None,
            (reason, _) => Some(finish_reason(reason, false)?),
        };
        Ok(DrawDelta {
            index,
            pieces: vec![Piece {
                token: None,
                bytes: text.into_bytes(),
                logprob: None,
            }],
            finish: ended,
        })
    };
    let deltas = choices.into_iter().enumerate().map(delta);
    Ok(DrawEvent {
        deltas: deltas.collect::<Result<_, Unreadable>>()?,
        usage: reply.usage,
        last: false,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::FinishReason;

    fn texts(reply: &Value) -> Vec<String> {
        let deltas = read(reply.to_string().as_bytes()).unwrap().deltas;
        for (place, delta) in deltas.iter().enumerate() {
            assert_eq!(
                (delta.index, delta.finish),
                (place, Some(FinishReason::End))
            );
        }
        deltas
            .into_iter()
            .map(|delta| String::from_utf8(delta.pieces[0].bytes.clone()).unwrap())
            .collect()
    }

    #[test]
    fn the_answer_is_found_in_any_shape_of_content_and_thinking_is_none() {
        let one = |choice: Value| texts(&json!({"choices": [choice]})).concat();
        let part = |kind: &str, text: &str| json!({"type": kind, "text": text});
        for choice in [
            json!({"message": {"role": "assistant", "content": "yes"}}),
            json!({"message": {"content": "yes", "reasoning_content": "no?", "reasoning": "no?"}}),
            json!({"message": {"content": [part("text", "ye"), part("text", "s")]}}),
            json!({"message": {"content": ["y", "es"]}}),
            json!({"message": {"content": [{"type": "thinking", "thinking": [part("text", "no?")]}, part("reasoning", "no?"), part("output_text", "yes")]}}),
            json!({"message": {"content": [{"type": "text", "text": {"value": "yes", "annotations": []}}]}}),
            json!({"message": {"content": {"text": "yes"}}}),
            json!({"message": "yes"}),
            json!({"text": "yes", "logprobs": null}),
            json!({"message": null, "text": "yes"}),
        ] {
            assert_eq!(one(choice.clone()), "yes", "{choice}");
        }
        for choice in [
            json!({"message": {"content": null, "reasoning_content": "\\boxed{1}"}}),
            json!({"message": {"role": "assistant", "tool_calls": []}}),
            json!({"message": {"content": []}}),
            json!({}),
        ] {
            assert_eq!(one(choice.clone()), "", "{choice}");
        }
    }

    #[test]
    fn choices_are_told_apart_by_their_place() {
        let choice =
            |index: Value, text: &str| json!({"index": index, "message": {"content": text}});
        let reply = |indices: [Value; 3]| {
            let [a, b, c] = indices;
            texts(&json!({"choices": [choice(a, "a"), choice(b, "b"), choice(c, "c")]}))
        };
        assert_eq!(reply([json!(2), json!(0), json!(1)]), ["b", "c", "a"]);
        assert_eq!(reply([json!(0), json!(0), json!(0)]), ["a", "b", "c"]);
        assert_eq!(reply([json!(7), Value::Null, json!(1)]), ["a", "b", "c"]);
        assert_eq!(
            reply([json!(-1), json!("0"), json!(u64::MAX)]),
            ["a", "b", "c"]
        );
    }
}
