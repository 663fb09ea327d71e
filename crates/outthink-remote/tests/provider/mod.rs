//! An OpenAI-compatible provider of whole answers, and a client of it.

#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{Continuation, Extension, Policy, Problem, Reply, Sampling, Until};
use outthink_remote::{RemotePolicy, Servers};
use serde_json::{Value, json};

use crate::mock::{Act, Mock, Request};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const TEXT: &str = "Add them.\n\n$3+4=7$.\n\nThe answer is $\\boxed{7}$.";

/// A provider that lists one model and answers as `reply` says.
pub(crate) fn provider(reply: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Mock {
    Mock::start(move |request| match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [{"id": "big", "owned_by": "someone"}]})),
        CHAT => reply(request),
        _ => Act::Status(404, Value::Null),
    })
}

pub(crate) fn servers(url: &str) -> Servers {
    Servers {
        timeout_seconds: 5.0,
        patience_seconds: 0.3,
        ..Servers::parse(url).unwrap()
    }
}

pub(crate) fn client(mock: &Mock) -> RemotePolicy {
    RemotePolicy::connect(&servers(&mock.url()), None, |_| {}).unwrap()
}

pub(crate) fn connect_error(servers: &Servers) -> String {
    let connected = RemotePolicy::connect(servers, None, |_| {});
    connected.err().unwrap().to_string()
}

pub(crate) fn draw(
    policy: &RemotePolicy,
    answers: u64,
    sampling: Sampling,
) -> Result<Reply, String> {
    let request = Extension {
        problem: Arc::new(Problem {
            id: "p".into(),
            text: "What is $3+4$?".into(),
        }),
        steps: Vec::new(),
        seeds: (1..=answers).map(|seed| seed << 40).collect(),
        until: Until::Answer,
        sampling,
        max_tokens: 100,
        offset: 0,
    };
    let replies = block_on(policy.extend(vec![request]));
    replies
        .map(|mut replies| replies.remove(0))
        .map_err(|error| error.to_string())
}

pub(crate) fn text(continuation: &Continuation) -> String {
    continuation
        .steps
        .iter()
        .map(|step| step.text.as_str())
        .collect()
}

pub(crate) fn choice(text: &str) -> Value {
    json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"})
}

pub(crate) fn reply(choices: &[Value]) -> Value {
    json!({"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}})
}

/// As many answers as were asked for.
pub(crate) fn answers(request: &Request) -> Act {
    let n = request.body["n"].as_u64().unwrap_or(1) as usize;
    Act::Json(reply(&vec![choice(TEXT); n]))
}
