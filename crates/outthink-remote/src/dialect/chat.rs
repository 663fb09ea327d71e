//! Any OpenAI-compatible `/v1/chat/completions`: whole answers as text, without tokens.
//!
//! Some providers return fewer choices than asked for; the policy asks again for the rest.

use outthink_prompt::Message;
use serde::{Deserialize, Serialize};

use super::{Asked, OpenAiUsage, Part, Parts, Piece, Prefix, Unreadable, finish, post};
use crate::pool::Question;

#[derive(Serialize)]
struct Chat<'a> {
    model: &'a str,
    messages: &'a [Message],
    max_tokens: usize,
    temperature: f64,
    top_p: f64,
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

pub(super) fn question(asked: &Asked<'_>) -> Result<Question, serde_json::Error> {
    let messages = match asked.prefix {
        Prefix::Chat(messages) => messages,
        Prefix::Tokens(_) => &[],
    };
    let body = Chat {
        model: asked.model,
        messages,
        max_tokens: asked.max_tokens,
        temperature: asked.sampling.temperature,
        top_p: asked.sampling.top_p,
        seed: asked.seed().map(|seed| (seed >> 33) as u32),
        n: asked.n,
        stream: asked.stream,
    };
    post("/v1/chat/completions", asked.stream, &body)
}

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
    usage: Option<OpenAiUsage>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    #[serde(alias = "delta")]
    message: Content,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

pub(super) fn read(data: &[u8]) -> Result<Parts, Unreadable> {
    let reply: Reply = serde_json::from_slice(data)?;
    let part = |choice: Choice| {
        let text = choice.message.content.unwrap_or_default();
        Ok(Part {
            index: choice.index,
            pieces: vec![Piece {
                token: None,
                bytes: text.into_bytes(),
                logprob: 0.0,
            }],
            finish: choice
                .finish_reason
                .map(|reason| finish(&reason, false))
                .transpose()?,
        })
    };
    let parts = reply.choices.into_iter().map(part);
    Ok(Parts {
        parts: parts.collect::<Result<_, Unreadable>>()?,
        told: reply.usage.map(Into::into),
        last: false,
    })
}
