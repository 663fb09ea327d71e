//! Routes and what they answer.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use outthink_core::traced;
use serde_json::{Value, json};

use crate::apart::apart;
use crate::ask::{Ask, LARGEST, SearchAsk, decide, no_policy};
use crate::body;
use crate::conversation::{Conversation, usage};
use crate::error::ApiError;
use crate::head;
use crate::listing;
use crate::metrics;
use crate::models::{Models, Voice};
use crate::observe::{Caller, broke};
use crate::passing;
use crate::peers::Aside;
use crate::queue::{Full, Queue, Turn};
use crate::record::Record;
use crate::reply::{self, Envelope, Shape};
use crate::request::ChatRequest;
use crate::search::{self, deaf};
use crate::serve::{Gateway, Routes};
use crate::sse::{self, Frame, Teller};
use crate::watch::Event;

type Shared = State<Arc<Gateway>>;

impl Caller {
    fn name(&self) -> &str {
        self.key.as_ref().map_or("", |key| &key.name)
    }

    fn largest(&self) -> usize {
        self.key.as_ref().map_or(LARGEST, |key| key.budget)
    }

    fn searches(&self) -> usize {
        self.key.as_ref().map_or(usize::MAX, |key| key.searches)
    }

    /// A place in a queue, and then the turn.
    fn place(
        &self,
        queue: &Arc<Queue>,
    ) -> Result<impl Future<Output = Result<Turn, ApiError>> + Send + use<>, ApiError> {
        let busy = |Full| ApiError::busy("too many requests are waiting", 2);
        let place = queue.place(self.name(), self.searches()).map_err(busy)?;
        Ok(async move { place.await.map_err(busy) })
    }
}

pub(crate) fn routes(gateway: Arc<Gateway>) -> Routes {
    let html = "text/html; charset=utf-8";
    let script = "text/javascript";
    let console = [
        ("/", html, include_str!("../console/index.html")),
        (
            "/console.css",
            "text/css",
            include_str!("../console/console.css"),
        ),
        ("/console.js", script, include_str!("../console/console.js")),
        ("/element.js", script, include_str!("../console/element.js")),
        ("/history.js", script, include_str!("../console/history.js")),
        ("/markup.js", script, include_str!("../console/markup.js")),
        ("/result.js", script, include_str!("../console/result.js")),
        ("/stream.js", script, include_str!("../console/stream.js")),
        ("/tree.js", script, include_str!("../console/tree.js")),
    ];
    let open = console
        .into_iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(path, page(kind, text))
        })
        .route(
            "/openapi.json",
            page("application/json", include_str!("../openapi.json")),
        )
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(Arc::clone(&gateway));
    let guarded = Router::new()
        .route("/v1/models", get(listing::list))
        .route("/v1/models/{*id}", get(listing::one))
        .route("/v1/chat/completions", post(chat_completions))
        .route(
            "/v1/{strategy}/{scorer}/chat/completions",
            post(path_completions),
        )
        .route("/v1/completions", post(completions))
        .route("/console/markup", post(markup))
        .route("/version", get(version))
        .route("/metrics", get(prometheus))
        .with_state(gateway);
    Routes { open, guarded }
}

fn page(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<Arc<Gateway>> {
    // Everything is served from here; nothing else may be loaded, and nobody may frame it.
    const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    get(async move || (headers, text))
}

async fn health() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(gateway): Shared) -> Response {
    let (searching, waiting) = gateway.queue.load();
    axum::Json(json!({"status": "ready", "searching": searching, "waiting": waiting}))
        .into_response()
}

/// Texts as the console shows them: LaTeX as MathML.
async fn markup(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body::read(&gateway.settings, &headers, body).await?;
    let texts: Option<Vec<String>> =
        body::Fields::parse(&body)?.take("texts", "a list of texts")?;
    let set = apart(move || async move {
        let texts = texts.unwrap_or_default();
        let html = texts.iter().map(|text| (gateway.models().markup)(text));
        html.collect::<Vec<_>>()
    });
    let html = set.await.map_err(|panicked| broke(&caller.id, &panicked))?;
    Ok(axum::Json(json!({"html": html})).into_response())
}

async fn version() -> Response {
    axum::Json(json!({"version": env!("CARGO_PKG_VERSION")})).into_response()
}

async fn prometheus(State(gateway): Shared) -> Response {
    metrics::load(gateway.queue.load());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(CONTENT_TYPE, kind)], gateway.metrics.render()).into_response()
}

async fn chat_completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    chat(gateway, caller, headers, None, body).await
}

async fn path_completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    chat(gateway, caller, headers, Some(path), body).await
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
    headers: HeaderMap,
    path: Option<(String, String)>,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body::read(&gateway.settings, &headers, body).await?;
    let request = ChatRequest::chat(&body)?;
    let aside = aside(&headers, path)?;
    drop(headers);
    answered(gateway, caller, Shape::Chat, request, &aside, body).await
}

async fn completions(
    State(gateway): Shared,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body::read(&gateway.settings, &headers, body).await?;
    let aside = aside(&headers, None)?;
    drop(headers);
    let request = match ChatRequest::completion(&body) {
        Ok(request) => request,
        Err(error) => {
            let model: Option<String> = body::Fields::parse(&body)?.take("model", "a name")?;
            let models = gateway.models();
            match models.policy(model.as_deref()).map(|own| &own.voice) {
                // Its server knows what it takes: tokens, or several prompts.
                Some(Voice::Forwards(_)) => ChatRequest {
                    model,
                    ..ChatRequest::default()
                },
                Some(Voice::Talks(_)) => return Err(error),
                None => return Err(no_policy(&model.unwrap_or_default(), &models)),
            }
        }
    };
    answered(gateway, caller, Shape::Text, request, &aside, body).await
}

/// Answers with a search if one is asked for, and else by the policy.
async fn answered(
    gateway: Arc<Gateway>,
    caller: Caller,
    shape: Shape,
    request: ChatRequest,
    aside: &Aside,
    body: Bytes,
) -> Result<Response, ApiError> {
    let models = gateway.models();
    match decide(&request, aside, &models, caller.largest())? {
        Ask::Search(ask) => {
            let (stream, usage) = (request.stream, request.include_usage);
            let asked = request.model.as_deref();
            let record = Record::begin(&caller.trace, shape, asked, &ask.policy);
            // What waits keeps no more than the search needs.
            drop((request, body));
            let envelope = Envelope::new(shape, &caller.id, &ask.policy);
            match stream {
                true => searched_stream(gateway, models, caller, *ask, envelope, usage, record),
                false => searched(gateway, models, caller, *ask, envelope, record).await,
            }
        }
        Ask::Converse { policy, note } => {
            let asked = request.model.as_deref();
            let record = Record::begin(&caller.trace, shape, asked, &policy);
            converse(
                &gateway, caller, shape, &policy, request, body, note, record,
            )
            .await
        }
    }
}

/// Answers without a search: by the policy's own server, or here by the policy as it is.
#[allow(clippy::too_many_arguments, reason = "a request in its parts")]
async fn converse(
    gateway: &Arc<Gateway>,
    caller: Caller,
    shape: Shape,
    policy: &str,
    request: ChatRequest,
    body: Bytes,
    note: Option<&'static str>,
    mut record: Record,
) -> Result<Response, ApiError> {
    let models = gateway.models();
    let Some(policy) = models.policy(Some(policy)) else {
        return Err(no_policy(policy, &models));
    };
    let model = match &policy.voice {
        Voice::Talks(model) => model,
        Voice::Forwards(server) => {
            if let Some(key) = &caller.key {
                record.checked(passing::within(key, policy, &body))?;
            }
            let renamed = record.checked(passing::renamed(&body, &policy.name))?;
            drop((request, body));
            let place = record.checked(caller.place(&gateway.passing))?;
            let turn = record.checked(place.await)?;
            let path = match shape {
                Shape::Chat => "/v1/chat/completions",
                Shape::Text => "/v1/completions",
            };
            let mut response = {
                let parent = caller.trace.traceparent();
                let passed = passing::forward(&**server, path, renamed, (turn, record), note);
                traced(parent, passed).await?
            };
            head::unsearched(response.headers_mut(), None, note);
            return Ok(response);
        }
    };
    let conversation = Conversation::new(policy, model, &request, caller.largest());
    let conversation = record.checked(conversation)?;
    let (stream, usage) = (request.stream, request.include_usage);
    drop((request, body));
    let envelope = Envelope::new(shape, &caller.id, &policy.name);
    let place = record.checked(caller.place(&gateway.queue))?;
    if stream {
        let id = caller.id;
        let mut response = spoken_stream(
            gateway,
            id,
            conversation,
            envelope,
            place,
            usage,
            note,
            record,
        );
        head::unsearched(response.headers_mut(), None, note);
        return Ok(response);
    }
    let turn = record.checked(place.await)?;
    let replies = apart(move || async move {
        let _turn = turn;
        conversation.replies().await
    });
    let replies = replies.await;
    let replies = replies.map_err(|panicked| broke(&caller.id, &panicked));
    let replies = record.checked(replies)?;
    let choices = replies.map_err(|error| ApiError::model(&error, gateway.models().blame));
    record.ended(&choices);
    let choices = choices?;
    record.spoken(&choices);
    let told = note.map(reply::unsearched);
    let mut response = axum::Json(reply::spoken(&envelope, &choices, told)).into_response();
    head::unsearched(response.headers_mut(), Some(choices.len()), note);
    Ok(response)
}

#[allow(clippy::too_many_arguments, reason = "a request in its parts")]
fn spoken_stream(
    gateway: &Arc<Gateway>,
    id: String,
    conversation: Conversation,
    envelope: Envelope,
    place: impl Future<Output = Result<Turn, ApiError>> + Send + 'static,
    include_usage: bool,
    note: Option<&'static str>,
    mut record: Record,
) -> Response {
    let blame = gateway.models().blame;
    sse::told(id, move |teller| async move {
        let turn = match place.await {
            Ok(turn) => turn,
            Err(error) => return Ok(record.checked(Err(error))),
        };
        apart(move || async move {
            let _turn = turn;
            let told = note.map(reply::unsearched);
            let replies = conversation.stream(&envelope, told, |frame| teller.tell(frame));
            let choices = replies
                .await
                .map_err(|error| ApiError::model(&error, blame));
            record.ended(&choices);
            let choices = choices?;
            record.spoken(&choices);
            if include_usage {
                teller.tell(Frame::Data(envelope.usage(usage(&choices))));
            }
            Ok(())
        })
        .await
    })
}

async fn searched(
    gateway: Arc<Gateway>,
    models: Arc<Models>,
    caller: Caller,
    ask: SearchAsk,
    envelope: Envelope,
    mut record: Record,
) -> Result<Response, ApiError> {
    let place = record.checked(caller.place(&gateway.queue))?;
    let turn = record.checked(place.await)?;
    let trace = caller.trace;
    let found = apart(move || async move {
        let _turn = turn;
        search::run(&models, &ask, &deaf, &trace).await
    });
    let found = found.await.map_err(|panicked| broke(&caller.id, &panicked));
    let found = found.flatten();
    record.ended(&found);
    let found = found?;
    metrics::searched(&found.report);
    record.searched(&found.report);
    let mut response = axum::Json(reply::searched(&envelope, &found)).into_response();
    head::searched(response.headers_mut(), &found.report);
    Ok(response)
}

/// Progress, then the answer as ordinary deltas.
fn searched_stream(
    gateway: Arc<Gateway>,
    models: Arc<Models>,
    caller: Caller,
    ask: SearchAsk,
    envelope: Envelope,
    usage: bool,
    mut record: Record,
) -> Result<Response, ApiError> {
    let place = record.checked(caller.place(&gateway.queue))?;
    let mut begun = HeaderMap::new();
    head::begun(&mut begun, &ask);
    let told = sse::told(caller.id, move |teller| async move {
        let turn = match place.await {
            Ok(turn) => turn,
            Err(error) => return Ok(record.checked(Err(error))),
        };
        apart(move || async move {
            let _turn = turn;
            let told = tell_search(&models, &ask, &envelope, &teller, usage, &record).await;
            record.ended(&told);
            told
        })
        .await
    });
    Ok((begun, told).into_response())
}

async fn tell_search(
    models: &Models,
    ask: &SearchAsk,
    envelope: &Envelope,
    teller: &Teller,
    usage: bool,
    record: &Record,
) -> Result<(), ApiError> {
    let (hearing, trace) = (teller.clone(), ask.trace);
    let listener = move |event: Event| match (&event, trace) {
        (event, true) => {
            let event = serde_json::to_value(event).unwrap_or_default();
            hearing.tell(Frame::Named("outthink", event));
        }
        (Event::Grow { nodes }, false) => {
            hearing.tell(Frame::Comment(format!("growing {}", nodes.len())));
        }
        _ => {}
    };
    let found = search::run(models, ask, &listener, record.trace()).await?;
    metrics::searched(&found.report);
    record.searched(&found.report);
    if ask.trace {
        let report = json!({"type": "report", "report": reply::report(&found.report)});
        teller.tell(Frame::Named("outthink", report));
    }
    let chunks: [Value; 3] = [
        envelope.opening(0),
        envelope.more(0, &found.text),
        envelope.closing(0, found.finish),
    ];
    for chunk in chunks {
        teller.tell(Frame::Data(chunk));
    }
    if usage {
        teller.tell(Frame::Data(envelope.usage(reply::usage(&found.report))));
    }
    Ok(())
}
