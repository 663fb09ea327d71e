//! What surrounds every request: its id, the bounds of its head, a panic's boundary, and a line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use crate::apart::Panicked;
use crate::auth::Key;
use crate::error::{ApiError, Reason};
use crate::metrics;
use crate::serve::Host;
use crate::span::Trace;

/// Sent back with every reply; a client may bring its own.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The largest head.
const HEAD_BYTES: usize = 64 << 10;

/// What the log tells of a cause.
const CAUSE: usize = 300;

/// Who asks, and by what name the request goes.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub key: Option<Key>,
    pub id: String,
    /// Where it is told what was done for the request.
    pub trace: Trace,
}

/// Gives every request an id, counts it and logs it; never its text. A panic ends its request, and nothing else.
pub(crate) async fn observe(
    State(host): State<Arc<Host>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let since = Instant::now();
    let id = id(request.headers());
    let route = route(request.uri().path());
    let method = request.method().clone();
    let works = route.starts_with("/v1/") || route == "/pooling";
    let traces = host.traces.as_ref().filter(|_| works);
    let trace = Trace::begin(traces, request.headers(), route);
    trace.say("http.request.method", method.as_str());
    trace.say("outthink.request_id", id.as_str());
    request.extensions_mut().insert(Caller {
        key: None,
        id: id.clone(),
        trace: trace.clone(),
    });
    let mut response = if head_bytes(request.uri(), request.headers()) > HEAD_BYTES {
        ApiError::large_head(HEAD_BYTES).into_response()
    } else if host.closing.load(Ordering::Relaxed) && route != "other" && route != "/health" {
        ApiError::closing().into_response()
    } else if let Err(stranger) =
        host.door
            .local(request.version(), request.uri(), request.headers())
    {
        stranger.into_response()
    } else {
        let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answered.unwrap_or_else(|payload| broke(&id, &Panicked::of(&*payload)).into_response())
    };
    let status = response.status().as_u16();
    metrics::answered(route, status, since);
    trace.say("http.response.status_code", status);
    if status >= 500 {
        trace.failed(response.status().as_str());
    }
    let key = response.extensions_mut().remove::<Named>();
    let key = key.as_ref().map(|Named(key)| key.as_str());
    let milliseconds = since.elapsed().as_millis() as u64;
    tracing::info!(%id, key, %method, route, status, milliseconds, "answered");
    if let Some(Reason(reason)) = response.extensions_mut().remove::<Reason>() {
        failed(&id, &reason);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Lets in whoever has a key, or everyone where there are none.
pub(crate) async fn identify(
    State(host): State<Arc<Host>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let key = match host.door.key(request.headers()) {
        Ok(key) => key,
        Err(refused) => return refused.into_response(),
    };
    let name = key.as_ref().map(|key| key.name.clone());
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.key = key;
    }
    let mut response = next.run(request).await;
    if let Some(name) = name {
        response.extensions_mut().insert(Named(name));
    }
    response
}

/// The name of the key that a request came with.
#[derive(Clone)]
struct Named(String);

/// A line for whoever runs the server: why a model failed.
pub(crate) fn failed(id: &str, reason: &str) {
    let short: String = reason.chars().take(CAUSE).collect();
    tracing::warn!(%id, reason = ?short, "a model failed");
}

/// A line of a panic, and what the client is told.
pub(crate) fn broke(id: &str, Panicked(message): &Panicked) -> ApiError {
    let short: String = message.chars().take(CAUSE).collect();
    tracing::error!(%id, panic = ?short, "this request broke; others are not harmed");
    ApiError::internal()
}

#[expect(clippy::disallowed_methods, reason = "a name, not a draw")]
fn id(headers: &HeaderMap) -> String {
    let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok());
    let fits =
        |id: &&str| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
    given
        .filter(fits)
        .map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned)
}

fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    path + headers.iter().map(line).sum::<usize>()
}

/// The route as metrics and the log name it: clients make up no labels.
fn route(path: &str) -> &'static str {
    const ROUTES: [&str; 9] = [
        "/",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/models",
        "/pooling",
        "/metrics",
        "/health",
        "/ready",
        "/version",
    ];
    if let Some(route) = ROUTES.into_iter().find(|route| *route == path) {
        return route;
    }
    if path.starts_with("/v1/models/") {
        return "/v1/models/{id}";
    }
    if path.starts_with("/v1/") && path.ends_with("/chat/completions") {
        return "/v1/{strategy}/{scorer}/chat/completions";
    }
    "other"
}
