//! The routes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::{self, StreamExt};
use serde_json::json;

use crate::auth::Key;
use crate::conversation::{self, HOW};
use crate::error::ApiError;
use crate::metrics;
use crate::reply::{self, Envelope};
use crate::request::{Aside, Ask, ChatRequest, LARGEST, SearchAsk, no_policy};
use crate::search::{self, deaf};
use crate::serve::Gateway;
use crate::sse::{self, Frame};
use crate::watch::Event;

/// Sent back with every reply; a client may bring its own.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Between signs of life on a stream that has nothing to tell.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

type Shared = State<Arc<Gateway>>;

/// Who asks, and by what name the request goes.
#[derive(Clone)]
struct Caller {
    key: Option<Key>,
    id: String,
}

impl Caller {
    fn name(&self) -> &str {
        self.key.as_ref().map_or("anyone", |key| &key.name)
    }

    fn largest(&self) -> usize {
        self.key.as_ref().map_or(LARGEST, |key| key.budget)
    }

    fn searches(&self) -> usize {
        self.key.as_ref().map_or(usize::MAX, |key| key.searches)
    }
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let open = Router::new()
        .route(
            "/",
            get(|| {
                page(
                    "text/html; charset=utf-8",
                    include_str!("../console/index.html"),
                )
            }),
        )
        .route(
            "/console.css",
            get(|| page("text/css", include_str!("../console/console.css"))),
        )
        .route(
            "/console.js",
            get(|| page("text/javascript", include_str!("../console/console.js"))),
        )
        .route(
            "/openapi.json",
            get(|| page("application/json", include_str!("../openapi.json"))),
        )
        .route("/health", get(health))
        .route("/ready", get(ready));
    let guarded = Router::new()
        .route("/v1/models", get(list_models))
        .route("/v1/chat/completions", post(chat_completions))
        .route(
            "/v1/{strategy}/{scorer}/chat/completions",
            post(path_completions),
        )
        .route("/v1/completions", post(completions))
        .route("/metrics", get(prometheus))
        .layer(from_fn_with_state(Arc::clone(&gateway), identify));
    open.merge(guarded)
        .fallback(|| async { ApiError::no_route() })
        .method_not_allowed_fallback(|| async { ApiError::no_method() })
        .layer(from_fn_with_state(Arc::clone(&gateway), observe))
        .with_state(gateway)
}

async fn page(kind: &'static str, text: &'static str) -> Response {
    // Everything is served from here; nothing else may be loaded, and nobody may frame it.
    const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, text).into_response()
}

/// Gives every request an id, counts it and logs it; never its text.
async fn observe(State(gateway): Shared, mut request: Request<Body>, next: Next) -> Response {
    let since = Instant::now();
    let given = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|id| id.to_str().ok());
    let fits =
        |id: &&str| !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic());
    let id = given
        .filter(fits)
        .map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned);
    let route = route_of(request.uri().path());
    let method = request.method().clone();
    request.extensions_mut().insert(Caller {
        key: None,
        id: id.clone(),
    });
    let mut response =
        if gateway.closing.load(Ordering::Relaxed) && route != "other" && route != "/health" {
            ApiError::closing().into_response()
        } else {
            next.run(request).await
        };
    let status = response.status().as_u16();
    metrics::answered(route, status, since);
    tracing::info!(%id, %method, route, status, milliseconds = since.elapsed().as_millis() as u64, "answered");
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn route_of(path: &str) -> &'static str {
    const ROUTES: [&str; 7] = [
        "/",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/models",
        "/metrics",
        "/health",
        "/ready",
    ];
    ROUTES
        .into_iter()
        .find(|route| *route == path)
        .unwrap_or("other")
}

/// Lets in whoever has a key, or everyone where there are none.
async fn identify(State(gateway): Shared, mut request: Request<Body>, next: Next) -> Response {
    if gateway.keys.keys.is_empty() {
        return next.run(request).await;
    }
    let presented = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let presented = presented.and_then(|value| value.strip_prefix("Bearer "));
    let Some(key) = presented.and_then(|key| gateway.keys.find(key.trim())) else {
        return ApiError::no_key().into_response();
    };
    let key = key.clone();
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.key = Some(key);
    }
    next.run(request).await
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(gateway): Shared) -> Response {
    let (searching, waiting) = gateway.queue.load();
    axum::Json(json!({"status": "ready", "searching": searching, "waiting": waiting}))
        .into_response()
}

async fn prometheus(State(gateway): Shared) -> Response {
    metrics::load(gateway.queue.load());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(CONTENT_TYPE, kind)], gateway.metrics.render()).into_response()
}

async fn list_models(State(gateway): Shared) -> Response {
    let model = |id: String| json!({"id": id, "object": "model", "created": gateway.started, "owned_by": "outthink"});
    let mut listed = Vec::new();
    for policy in &gateway.models.policies {
        listed.push(model(policy.name.clone()));
        listed.push(model(format!("auto@{}", policy.name)));
        let methods = outthink_core::Method::ALL.into_iter();
        let verified = !gateway.models.verifiers.is_empty();
        for method in methods.filter(|method| verified || !method.needs_verifier()) {
            listed.push(model(format!("{method}:{}", policy.name)));
        }
    }
    let verifiers: Vec<&str> = gateway
        .models
        .verifiers
        .iter()
        .map(|verifier| verifier.name.as_str())
        .collect();
    axum::Json(json!({"object": "list", "data": listed, "outthink": {"verifiers": verifiers}}))
        .into_response()
}

async fn chat_completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    chat(gateway, caller, aside(&headers, None)?, body).await
}

async fn path_completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    chat(gateway, caller, aside(&headers, Some(path))?, body).await
}

/// its_hub's `X-ITS-Endpoint` and `X-ITS-API-Key` are not read: no client says where this server sends its requests.
fn aside(headers: &HeaderMap, path: Option<(String, String)>) -> Result<Aside, ApiError> {
    let budget = headers.get("x-its-budget").map(|value| {
        let number = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().parse().ok());
        number
            .filter(|number| (1..=LARGEST).contains(number))
            .ok_or_else(|| {
                ApiError::invalid(
                    "budget",
                    format!("X-ITS-Budget lies between 1 and {LARGEST}"),
                )
            })
    });
    Ok(Aside {
        budget: budget.transpose()?,
        path,
    })
}

async fn chat(
    gateway: Arc<Gateway>,
    caller: Caller,
    aside: Aside,
    body: Body,
) -> Result<Response, ApiError> {
    let body = read(&gateway, body).await?;
    let request = ChatRequest::parse(&body)?;
    let ask = match request.ask(&aside, &gateway.models, caller.largest())? {
        Ask::Search(ask) => *ask,
        Ask::Converse { policy } => {
            let Some(policy) = gateway.models.policy(Some(&policy)) else {
                return Err(no_policy(&policy, &gateway.models));
            };
            let mut response = conversation::chat(policy, &request, body, &caller.id).await?;
            response
                .headers_mut()
                .insert(HOW, HeaderValue::from_static("none"));
            return Ok(response);
        }
    };
    let how = HeaderValue::from_str(ask.how.name());
    let usage = request
        .stream_options
        .as_ref()
        .is_some_and(|options| options.include_usage);
    let mut response = if request.stream {
        streamed(gateway, caller, ask, usage)
    } else {
        whole(&gateway, &caller, &ask).await?
    };
    if let Ok(how) = how {
        response.headers_mut().insert(HOW, how);
    }
    Ok(response)
}

async fn completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    body: Body,
) -> Result<Response, ApiError> {
    #[derive(serde::Deserialize)]
    struct Named {
        model: Option<String>,
    }
    let body = read(&gateway, body).await?;
    let named: Named = serde_json::from_slice(&body).map_err(|error| {
        ApiError::malformed(format!("the body is no completion request: {error}"))
    })?;
    let Some(policy) = gateway.models.policy(named.model.as_deref()) else {
        return Err(no_policy(
            named.model.as_deref().unwrap_or_default(),
            &gateway.models,
        ));
    };
    conversation::completion(policy, body, &caller.id).await
}

async fn read(gateway: &Gateway, body: Body) -> Result<Bytes, ApiError> {
    let (limit, seconds) = (gateway.settings.body_bytes, gateway.settings.body_seconds);
    let arriving = axum::body::to_bytes(body, limit);
    let arrived = tokio::time::timeout(Duration::from_secs(seconds), arriving).await;
    let arrived = arrived.map_err(|_| ApiError::late_body(seconds))?;
    arrived.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit"));
        if too_large {
            ApiError::too_large(limit)
        } else {
            ApiError::malformed("the body did not arrive whole")
        }
    })
}

async fn turn(gateway: &Arc<Gateway>, caller: &Caller) -> Result<crate::queue::Turn, ApiError> {
    gateway
        .queue
        .turn(caller.name(), caller.searches())
        .await
        .map_err(|_| ApiError::busy("too many searches are waiting", 2))
}

async fn whole(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    ask: &SearchAsk,
) -> Result<Response, ApiError> {
    let _turn = turn(gateway, caller).await?;
    let found = search::run(&gateway.models, ask, &deaf).await?;
    metrics::searched(&found.report);
    let envelope = Envelope::new(&caller.id, &ask.policy);
    Ok(axum::Json(reply::searched(&envelope, &found)).into_response())
}

/// Progress, then the answer as ordinary deltas. A client that leaves ends its search; one that reads slowly does not hold it up, nor
/// the turn that it takes. What waits for such a client is at most what its own search has to tell.
fn streamed(gateway: Arc<Gateway>, caller: Caller, ask: SearchAsk, usage: bool) -> Response {
    let (sender, receiver) = mpsc::unbounded();
    let searching = async move {
        // Nobody hears what is sent once the client has gone; then this task ends too.
        let tell = |frame: Frame| drop(sender.unbounded_send(frame));
        let outcome = async {
            let _turn = turn(&gateway, &caller).await?;
            let sender = sender.clone();
            let listener = move |event: Event| {
                let frame = match (&event, ask.trace) {
                    (event, true) => {
                        Frame::Named("outthink", serde_json::to_value(event).unwrap_or_default())
                    }
                    (Event::Grow { nodes }, false) => {
                        Frame::Comment(format!("growing {}", nodes.len()))
                    }
                    _ => return,
                };
                drop(sender.unbounded_send(frame));
            };
            search::run(&gateway.models, &ask, &listener).await
        };
        match outcome.await {
            Ok(found) => {
                metrics::searched(&found.report);
                let envelope = Envelope::new(&caller.id, &ask.policy);
                if ask.trace {
                    let report = json!({"type": "report", "report": reply::report(&found.report)});
                    tell(Frame::Named("outthink", report));
                }
                let role = json!({"role": "assistant", "content": ""});
                tell(Frame::Data(envelope.chunk(role, None)));
                tell(Frame::Data(
                    envelope.chunk(json!({"content": found.text}), None),
                ));
                tell(Frame::Data(
                    envelope.chunk(json!({}), Some(reply::finish(found.cut_off))),
                ));
                if usage {
                    tell(Frame::Data(
                        envelope.usage_chunk(reply::usage(&found.report)),
                    ));
                }
            }
            Err(error) => tell(Frame::Data(error.body())),
        }
        tell(Frame::Done);
    };
    let searching = Ended(tokio::spawn(searching));
    sse::response(stream::unfold(
        (receiver, searching),
        |(mut receiver, searching)| async move {
            let frame = match tokio::time::timeout(KEEP_ALIVE, receiver.next()).await {
                Ok(frame) => frame?,
                Err(_) => Frame::Comment("searching".into()),
            };
            Some((frame, (receiver, searching)))
        },
    ))
}

/// A search that ends when it is dropped.
struct Ended(tokio::task::JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ApiError {
    fn no_route() -> Self {
        Self::not_found("there is no such route; see /openapi.json")
    }

    fn no_method() -> Self {
        Self::wrong_method("this route takes another method; see /openapi.json")
    }
}
