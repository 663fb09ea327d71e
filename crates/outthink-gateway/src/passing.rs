//! Requests without a search, passed on to the policy's own server.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use outthink_core::ModelError;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::auth::Key;
use crate::body::Fields;
use crate::error::ApiError;
use crate::models::{Forward, Forwarded, ServedPolicy};
use crate::queue::Turn;
use crate::record::Record;
use crate::reply;

/// What is read of a server's refusal, and of a reply that something is added to.
const READ: usize = 16 << 20;

/// A request as the policy's server is to get it: what the client wrote, but for the model's name, which is the server's own, and
/// our own field, which is unknown to others.
pub(crate) fn renamed(body: &[u8], model: &str) -> Result<Bytes, ApiError> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed(format!("the body is no JSON object: {error}")))?;
    let name = to_raw_value(model).map_err(|error| ApiError::malformed(error.to_string()))?;
    fields.insert("model".into(), &name);
    fields.remove("outthink");
    let body = serde_json::to_vec(&fields).map_err(|e| ApiError::malformed(e.to_string()))?;
    Ok(body.into())
}

/// Does a request keep to its key's limits? It may have as many choices as the key's budget, and as many tokens as so many solutions.
pub(crate) fn within(key: &Key, policy: &ServedPolicy, body: &[u8]) -> Result<(), ApiError> {
    let mut fields = Fields::parse(body)?;
    let prompts = match fields.raw("prompt").map(|raw| raw.get()) {
        Some(list) if list.starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
            // Numbers are one prompt's tokens.
            let texts = items
                .iter()
                .filter(|item| !item.get().starts_with(|c: char| c.is_ascii_digit()));
            texts.count().max(1)
        }
        _ => 1,
    };
    let mut samples = prompts;
    for name in ["n", "best_of"] {
        let asked: Option<usize> = fields.whole(name, "a number of replies")?;
        samples = samples.max(asked.unwrap_or(1).saturating_mul(prompts));
    }
    if samples > key.budget {
        return Err(ApiError::invalid(
            "n",
            format!(
                "{samples} replies are more than the {} that this key may ask for",
                key.budget
            ),
        ));
    }
    let most = key.budget.saturating_mul(policy.limits.solution_tokens);
    for name in ["max_tokens", "max_completion_tokens"] {
        let tokens: Option<usize> = fields.whole(name, "a number of tokens")?;
        let tokens = tokens.unwrap_or_default().saturating_mul(samples);
        if tokens > most {
            return Err(ApiError::invalid(
                name,
                format!("{tokens} tokens are more than the {most} that this key may ask for"),
            ));
        }
    }
    Ok(())
}

/// Passes a request on. The turn is taken until the last byte of the reply.
pub(crate) async fn forward(
    server: &dyn Forward,
    path: &'static str,
    body: Bytes,
    (turn, mut record): (Turn, Record),
    note: Option<&'static str>,
) -> Result<Response, ApiError> {
    let forwarded = server.forward(path, body).await.map_err(|error| {
        ApiError::upstream(
            "the model's server cannot be reached; the log says why",
            error.to_string(),
        )
    });
    record.ended(&forwarded);
    let Forwarded {
        status,
        content_type,
        body,
    } = forwarded?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    if !status.is_success() {
        let refused = Err(refusal(status, body).await);
        record.ended(&refused);
        return refused;
    }
    let kind = HeaderValue::from_str(&content_type)
        .unwrap_or(HeaderValue::from_static("application/json"));
    let is_json = content_type.starts_with("application/json");
    let body = match note {
        Some(note) if is_json => Body::from(noted(body, note).await?),
        _ => Body::from_stream(body.map(move |data| {
            let _ = &turn;
            if data.is_err() {
                record.broke_off();
            }
            data
        })),
    };
    // Whatever a server sends, it is no page of ours.
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        ),
    ];
    Ok((headers, body).into_response())
}

/// What a client learns of a server's refusal: what it did wrong itself, and nothing of how this server asks its own.
async fn refusal(
    status: StatusCode,
    body: BoxStream<'static, Result<Bytes, ModelError>>,
) -> ApiError {
    let text = gather(body).await.unwrap_or_default();
    let Told { message, code } = Told::read(&text);
    match status.as_u16() {
        400 | 404 | 413 | 415 | 422 => {
            let lower = message.to_lowercase();
            let long = ["context length", "context size", "context window"];
            let too_long = code.as_deref() == Some("context_length_exceeded")
                || long.iter().any(|said| lower.contains(said));
            ApiError::passed(
                status,
                format!(
                    "the model's server refuses this request: {}",
                    placeless(&message)
                ),
                too_long.then_some("context_length_exceeded"),
            )
        }
        429 => ApiError::busy("the model's server has too much to do", 2),
        _ => ApiError::upstream(
            "the model's server failed; the log says how",
            format!("it answered {status}: {message}"),
        ),
    }
}

/// What a server says of an error, in one of the ways that are common.
struct Told {
    message: String,
    code: Option<String>,
}

impl Told {
    fn read(text: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(text).unwrap_or_default();
        let error = match &value["error"] {
            Value::Null => &value,
            error => error,
        };
        let said = [&error["message"], &error["detail"], error];
        let message = said.iter().find_map(|said| said.as_str());
        Self {
            message: message.unwrap_or("it does not say why").to_owned(),
            code: error["code"].as_str().map(str::to_owned),
        }
    }
}

/// A server's words without addresses.
fn placeless(message: &str) -> String {
    let is_place = |word: &str| {
        let host = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.contains("://")
            || host.parse::<std::net::IpAddr>().is_ok()
            || host.parse::<std::net::SocketAddr>().is_ok()
            || host.rsplit_once(':').is_some_and(|(name, port)| {
                !name.is_empty() && port.len() >= 2 && port.parse::<u16>().is_ok()
            })
    };
    let words = message.split_whitespace();
    let words = words.map(|word| if is_place(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// A reply that says, beside what the server said, why there was no search.
async fn noted(
    body: BoxStream<'static, Result<Bytes, ModelError>>,
    note: &str,
) -> Result<Bytes, ApiError> {
    let broke = |reason: String| {
        ApiError::upstream("the model's server broke off; the log says how", reason)
    };
    let text = gather(body).await.map_err(broke)?;
    let reply: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_slice(&text);
    let told = to_raw_value(&reply::unsearched(note));
    let (Ok(mut reply), Ok(told)) = (reply, told) else {
        return Ok(text);
    };
    reply.insert("outthink".into(), &told);
    match serde_json::to_vec(&reply) {
        Ok(noted) => Ok(noted.into()),
        Err(_) => Ok(text.clone()),
    }
}

async fn gather(mut body: BoxStream<'static, Result<Bytes, ModelError>>) -> Result<Bytes, String> {
    let mut whole = Vec::new();
    while let Some(data) = body.next().await {
        whole.extend_from_slice(&data.map_err(|error| error.to_string())?);
        if whole.len() > READ {
            return Err(format!("more than {READ} bytes"));
        }
    }
    Ok(whole.into())
}
