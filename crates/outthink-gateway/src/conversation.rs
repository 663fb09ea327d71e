//! Requests without a search: passed on to the policy's own server, or answered by the policy as it is.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use outthink_core::{Sampling, Usage};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::models::{Forward, Piece, ServedPolicy, Talk, Turn, Utterance, Voice};
use crate::reply::{Envelope, finish};
use crate::request::ChatRequest;
use crate::sse::{self, Frame};

/// Says in the reply's head how it came about.
pub(crate) const HOW: HeaderName = HeaderName::from_static("x-outthink-method");

/// Answers a chat completion request without a search.
pub(crate) async fn chat(
    policy: &ServedPolicy,
    request: &ChatRequest,
    body: Bytes,
    id: &str,
) -> Result<Response, ApiError> {
    match &policy.voice {
        Voice::Forwards(server) => {
            forward(&**server, "/v1/chat/completions", body, &policy.name).await
        }
        Voice::Talks(model) => {
            let given = |key: &str| request.rest.get(key).is_some_and(|value| !value.is_null());
            if let Some(key) = ["tools", "functions", "response_format"]
                .into_iter()
                .find(|key| given(key))
            {
                return Err(ApiError::malformed(format!(
                    "{} runs embedded and does not support `{key}`",
                    policy.name
                )));
            }
            let asked = utterance(policy, request, request.turns()?)?;
            let usage = request
                .stream_options
                .as_ref()
                .is_some_and(|options| options.include_usage);
            let envelope = Envelope::new(id, &policy.name);
            if request.stream {
                Ok(streamed(&**model, asked, envelope, usage))
            } else {
                let (text, cut_off, usage) = whole(&**model, asked).await?;
                let reply = envelope.completion(&text, finish(cut_off), counted(&usage));
                Ok(axum::Json(reply).into_response())
            }
        }
    }
}

/// Answers a request of the older completions API: a prompt in plain text.
pub(crate) async fn completion(
    policy: &ServedPolicy,
    body: Bytes,
    id: &str,
) -> Result<Response, ApiError> {
    let model = match &policy.voice {
        Voice::Forwards(server) => {
            return forward(&**server, "/v1/completions", body, &policy.name).await;
        }
        Voice::Talks(model) => model,
    };
    let mut request: Value = serde_json::from_slice(&body).map_err(|error| {
        ApiError::malformed(format!("the body is no completion request: {error}"))
    })?;
    let Some(prompt) = request["prompt"].as_str().map(str::to_owned) else {
        return Err(ApiError::invalid("prompt", "prompt is one text"));
    };
    request["messages"] = json!([{"role": "user", "content": prompt}]);
    let request = ChatRequest::parse(request.to_string().as_bytes())?;
    let asked = utterance(policy, &request, request.turns()?)?;
    let (text, cut_off, usage) = whole(&**model, asked).await?;
    let envelope = Envelope::new(id, &policy.name);
    Ok(
        axum::Json(envelope.text_completion(&text, finish(cut_off), counted(&usage)))
            .into_response(),
    )
}

/// The body goes on as it is, but for the model's name, which is the server's own.
async fn forward(
    server: &dyn Forward,
    path: &'static str,
    body: Bytes,
    model: &str,
) -> Result<Response, ApiError> {
    let mut request: serde_json::Map<String, Value> = serde_json::from_slice(&body)
        .map_err(|error| ApiError::malformed(format!("the body is no JSON object: {error}")))?;
    request.insert("model".into(), json!(model));
    // Ours, and unknown to others.
    request.remove("outthink");
    let body =
        serde_json::to_vec(&request).map_err(|error| ApiError::malformed(error.to_string()))?;
    let forwarded = server
        .forward(path, body.into())
        .await
        .map_err(|error| ApiError::upstream(format!("the policy's server failed: {error}")))?;
    let status = StatusCode::from_u16(forwarded.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let kind = HeaderValue::from_str(&forwarded.content_type)
        .unwrap_or(HeaderValue::from_static("application/json"));
    Ok((
        status,
        [(CONTENT_TYPE, kind)],
        Body::from_stream(forwarded.body),
    )
        .into_response())
}

fn utterance(
    policy: &ServedPolicy,
    request: &ChatRequest,
    turns: Vec<Turn>,
) -> Result<Utterance, ApiError> {
    if turns.is_empty() {
        return Err(ApiError::invalid("messages", "the conversation is empty"));
    }
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::invalid("n", "one reply a request: n is 1"));
    }
    let temperature = request.temperature.unwrap_or(policy.sampling.temperature);
    if !(0.0..=10.0).contains(&temperature) {
        return Err(ApiError::invalid(
            "temperature",
            "temperature lies between 0 and 10",
        ));
    }
    let top_p = request.top_p.unwrap_or(policy.sampling.top_p);
    if !(top_p > 0.0 && top_p <= 1.0) {
        return Err(ApiError::invalid(
            "top_p",
            "top_p is more than 0 and at most 1",
        ));
    }
    let max_tokens = request.max_completion_tokens.or(request.max_tokens);
    if max_tokens == Some(0) {
        return Err(ApiError::invalid("max_tokens", "no reply has 0 tokens"));
    }
    Ok(Utterance {
        turns,
        sampling: Sampling {
            temperature,
            top_p,
            ..policy.sampling
        },
        max_tokens,
        seed: request.seed.unwrap_or_else(rand::random),
    })
}

async fn whole(model: &dyn Talk, asked: Utterance) -> Result<(String, bool, Usage), ApiError> {
    let mut pieces = model.talk(asked);
    let mut text = String::new();
    while let Some(piece) = pieces.next().await {
        match piece.map_err(failed)? {
            Piece::Text(more) => text.push_str(&more),
            Piece::End { cut_off, usage } => return Ok((text, cut_off, usage)),
        }
    }
    Err(ApiError::upstream("the policy's reply has no end"))
}

fn failed(error: outthink_core::ModelError) -> ApiError {
    ApiError::upstream(format!("the policy failed: {error}"))
}

fn streamed(model: &dyn Talk, asked: Utterance, envelope: Envelope, usage: bool) -> Response {
    let first = envelope.chunk(json!({"role": "assistant", "content": ""}), None);
    let pieces = model.talk(asked).map(move |piece| match piece {
        Ok(Piece::Text(text)) => vec![Frame::Data(envelope.chunk(json!({"content": text}), None))],
        Ok(Piece::End {
            cut_off,
            usage: spent,
        }) => {
            let mut frames = vec![Frame::Data(
                envelope.chunk(json!({}), Some(finish(cut_off))),
            )];
            if usage {
                frames.push(Frame::Data(envelope.usage_chunk(counted(&spent))));
            }
            frames.push(Frame::Done);
            frames
        }
        Err(error) => vec![Frame::Data(failed(error).body()), Frame::Done],
    });
    sse::response(stream::iter([Frame::Data(first)]).chain(pieces.flat_map(stream::iter)))
}

fn counted(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.generated,
        "total_tokens": usage.prompt + usage.generated,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}
