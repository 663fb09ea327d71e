//! Replies in OpenAI's shape.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::search::{Found, Report};

/// What is the same in a reply and in every chunk of it.
pub(crate) struct Envelope {
    pub id: String,
    pub created: u64,
    pub model: String,
}

impl Envelope {
    pub(crate) fn new(id: &str, model: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            id: format!("chatcmpl-{id}"),
            created: now.map(|now| now.as_secs()).unwrap_or_default(),
            model: model.to_owned(),
        }
    }

    /// A whole reply.
    pub(crate) fn completion(&self, text: &str, finish: &str, usage: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null},
                "logprobs": null,
                "finish_reason": finish,
            }],
            "usage": usage,
        })
    }

    /// A chunk of a streamed one.
    pub(crate) fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        })
    }

    /// The chunk that tells the usage.
    pub(crate) fn usage_chunk(&self, usage: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": [],
            "usage": usage,
        })
    }

    /// A whole reply of the older completions API.
    pub(crate) fn text_completion(&self, text: &str, finish: &str, usage: Value) -> Value {
        json!({
            "id": self.id.replacen("chatcmpl", "cmpl", 1),
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}],
            "usage": usage,
        })
    }
}

/// A searched reply, with all that is told of the search.
pub(crate) fn searched(envelope: &Envelope, found: &Found) -> Value {
    let mut reply = envelope.completion(&found.text, finish(found.cut_off), usage(&found.report));
    reply["outthink"] = report(&found.report);
    reply
}

pub(crate) fn report(report: &Report) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

pub(crate) fn finish(cut_off: bool) -> &'static str {
    if cut_off { "length" } else { "stop" }
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
            "policy_tokens": policy.computed,
            "verifier_tokens": verifier.computed,
            "cached_tokens": policy.cached + verifier.cached,
            "flops_paper": report.usage.flops_paper,
            "flops_full": report.usage.flops_full,
            "stopped_by": report.stopped_by,
        },
    })
}
