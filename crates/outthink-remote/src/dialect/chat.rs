//! Any OpenAI-compatible `/v1/chat/completions`: whole answers as text, without tokens.
//!
//! Some providers return fewer choices than asked for; the policy asks again for the rest. What a model thought apart from its
//! answer (`reasoning_content`, `reasoning`, parts of that kind) is no part of the answer.

use outthink_prompt::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    DrawDelta, DrawEvent, DrawPrefix, DrawRequest, Piece, ReportedUsage, Unreadable, finish, post,
};
use crate::pool::ApiRequest;
use crate::server_error::ServerError;

#[derive(Serialize)]
struct Chat<'a> {
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

pub(super) fn question(asked: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let messages = match asked.prefix {
        DrawPrefix::Chat(messages) => messages,
        DrawPrefix::Tokens(_) => &[],
    };
    let body = Chat {
        model: asked.model,
        messages,
        max_tokens: asked.max_tokens,
        temperature: asked.sampling.temperature,
        top_p: asked.sampling.top_p,
        top_k: asked.sampling.top_k,
        min_p: asked.sampling.min_p,
        seed: asked.seed().map(|seed| (seed >> 33) as u32),
        n: asked.n,
        stream: asked.stream,
    };
    post("/v1/chat/completions", asked.stream, &body)
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default, deserialize_with = "super::usage::usage")]
    usage: Option<ReportedUsage>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    text: Value,
    /// Of a stream.
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    finish_reason: Value,
    #[serde(default)]
    error: Value,
}

impl Choice {
    fn index(&self) -> Option<usize> {
        self.index
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
    }

    fn is_delta(&self) -> bool {
        !self.delta.is_null() && self.message.is_null()
    }

    fn text(&self) -> String {
        let said = [&self.message, &self.delta]
            .into_iter()
            .find(|said| !said.is_null());
        let mut text = String::new();
        match said {
            Some(Value::Object(message)) => {
                message
                    .get("content")
                    .into_iter()
                    .for_each(|content| read_content(content, &mut text));
            }
            Some(said) => read_content(said, &mut text),
            None => read_content(&self.text, &mut text),
        }
        text
    }
}

/// The text of a content: whole, or in parts of which only those that are text are the answer.
fn read_content(content: &Value, text: &mut String) {
    match content {
        Value::String(said) => text.push_str(said),
        Value::Array(parts) => parts.iter().for_each(|part| read_content(part, text)),
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
            if matches!(kind, "text" | "output_text") {
                let said = ["text", "content", "value"]
                    .into_iter()
                    .find_map(|name| part.get(name));
                said.into_iter().for_each(|said| read_content(said, text));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(super) fn read(data: &[u8]) -> Result<DrawEvent, Unreadable> {
    let reply: Reply = serde_json::from_slice(data)?;
    let mut choices = reply.choices.unwrap_or_default();
    if choices.is_empty() {
        if let Some(said) = ServerError::read_success(data) {
            return Err(Unreadable::ServerError(said));
        }
        // The last event of some streams, or an answer that holds none.
        return Ok(DrawEvent {
            told: reply.usage,
            ..DrawEvent::default()
        });
    }
    let streamed = choices.iter().any(Choice::is_delta);
    if !streamed {
        // Places are what tells whole answers apart: servers leave indices out, or give all the same.
        let mut places: Vec<Option<usize>> = choices.iter().map(Choice::index).collect();
        places.sort_unstable();
        places.dedup();
        if places.len() == choices.len() && !places.contains(&None) {
            choices.sort_by_key(Choice::index);
        }
    }
    let part = |(place, choice): (usize, Choice)| {
        let broken = choice.finish_reason == "error" || !choice.error.is_null();
        if broken && let Some(said) = ServerError::read_success(&serde_json::to_vec(&choice.error)?)
        {
            return Err(Unreadable::ServerError(said));
        }
        let text = choice.text();
        let index = match streamed {
            true => choice.index().unwrap_or(0),
            false => place,
        };
        let ended = match (&choice.finish_reason, streamed) {
            (Value::Null, true) => None,
            (reason, _) => Some(finish(reason, false)?),
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
    let parts = choices.into_iter().enumerate().map(part);
    Ok(DrawEvent {
        parts: parts.collect::<Result<_, Unreadable>>()?,
        told: reply.usage,
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
        let parts = read(reply.to_string().as_bytes()).unwrap().parts;
        for (place, part) in parts.iter().enumerate() {
            assert_eq!((part.index, part.finish), (place, Some(FinishReason::End)));
        }
        parts
            .into_iter()
            .map(|part| String::from_utf8(part.pieces[0].bytes.clone()).unwrap())
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
