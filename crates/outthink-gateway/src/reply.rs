//! Replies in OpenAI's shape.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::conversation::Choice;
use crate::models::Finish;
use crate::search::{Found, Report};

/// What is the same in a reply and in every chunk of it.
pub(crate) struct Envelope {
    id: String,
    created: u64,
    model: String,
    shape: Shape,
}

/// Which of OpenAI's APIs is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Chat completions.
    Chat,
    /// The older completions.
    Text,
}

impl Envelope {
    pub(crate) fn new(shape: Shape, id: &str, model: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let kind = match shape {
            Shape::Chat => "chatcmpl",
            Shape::Text => "cmpl",
        };
        Self {
            id: format!("{kind}-{id}"),
            created: now.map(|now| now.as_secs()).unwrap_or_default(),
            model: model.to_owned(),
            shape,
        }
    }

    fn object(&self, chat: &str, choices: Vec<Value>) -> Value {
        let object = match self.shape {
            Shape::Chat => chat,
            Shape::Text => "text_completion",
        };
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }

    /// A whole reply.
    pub(crate) fn whole<'a>(
        &self,
        choices: impl IntoIterator<Item = (&'a str, Finish)>,
        usage: Value,
    ) -> Value {
        let choice = |(index, (text, finish)): (usize, (&str, Finish))| match self.shape {
            Shape::Chat => json!({
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": finish.word(),
            }),
            Shape::Text => {
                json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish.word()})
            }
        };
        let choices = choices.into_iter().enumerate().map(choice).collect();
        let mut reply = self.object("chat.completion", choices);
        reply["usage"] = usage;
        reply
    }

    /// The first chunk of a choice.
    pub(crate) fn opening(&self, index: usize) -> Value {
        self.chunk(index, json!({"role": "assistant", "content": ""}), "", None)
    }

    /// A chunk with more of a choice's text.
    pub(crate) fn more(&self, index: usize, text: &str) -> Value {
        self.chunk(index, json!({"content": text}), text, None)
    }

    /// The last chunk of a choice.
    pub(crate) fn closing(&self, index: usize, finish: Finish) -> Value {
        self.chunk(index, json!({}), "", Some(finish))
    }

    fn chunk(&self, index: usize, delta: Value, text: &str, finish: Option<Finish>) -> Value {
        let finish = finish.map(Finish::word);
        let choice = match self.shape {
            Shape::Chat => {
                json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish})
            }
            Shape::Text => {
                json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish})
            }
        };
        self.object("chat.completion.chunk", vec![choice])
    }

    /// The chunk that tells the usage.
    pub(crate) fn usage(&self, usage: Value) -> Value {
        let mut chunk = self.object("chat.completion.chunk", Vec::new());
        chunk["usage"] = usage;
        chunk
    }
}

/// Some replies without a search; what is `told` of that, if anything.
pub(crate) fn spoken(envelope: &Envelope, choices: &[Choice], told: Option<Value>) -> Value {
    let texts = choices.iter().map(|own| (own.text.as_str(), own.finish));
    let mut reply = envelope.whole(texts, crate::conversation::usage(choices));
    if let Some(told) = told {
        reply["outthink"] = told;
    }
    reply
}

/// A searched reply, with all that is told of the search.
pub(crate) fn searched(envelope: &Envelope, found: &Found) -> Value {
    let mut reply = envelope.whole([(found.text.as_str(), found.finish)], usage(&found.report));
    reply["outthink"] = report(&found.report);
    reply
}

pub(crate) fn report(report: &Report) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

/// Why a request for a search got none.
pub(crate) fn unsearched(note: &str) -> Value {
    json!({"method": "none", "note": note})
}

/// The sum of all model calls in OpenAI's words, with the parts in ours.
pub(crate) fn usage(report: &Report) -> Value {
    let (policy, verifier) = (&report.usage.policy, &report.usage.verifier);
    json!({
        "prompt_tokens": policy.prompt + verifier.prompt,
        "completion_tokens": policy.generated,
        "total_tokens": policy.prompt + verifier.prompt + policy.generated,
        "prompt_tokens_details": {"cached_tokens": policy.cached + verifier.cached},
        "outthink": {
            "samples": report.samples,
            // Counted where they are asked for: what a cache saves makes an answer no cheaper to whoever compares.
            "policy_tokens": policy.generated,
            "verifier_tokens": verifier.prompt,
            "cached_tokens": policy.cached + verifier.cached,
            "flops_paper": report.usage.flops_paper,
            "flops_full": report.usage.flops_full,
            "stopped_by": report.stopped_by,
        },
    })
}
