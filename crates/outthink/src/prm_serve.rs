//! `outthink prm-serve`: the embedded engine behind vLLM's `/pooling` contract, so that any verifier can be a server.
//!
//! As vLLM does, it returns a row for each marker where the layout has one, and else a row per token: label probabilities, the
//! probabilities of the two words, a value before its logistic function (`use_activation: false`) or after. A verifier that
//! reads likelihoods has no classifier; its rows are the log-probability of each token.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use outthink_core::Usage;
use outthink_engine::EmbeddedVerifier;
use outthink_gateway::{ApiError, LiveKeys, Routes, Settings, Traces};
use outthink_prompt::Reward;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::PrmServe;
use crate::failure::Failure;
use crate::models::{self, AnyVerifier};
use crate::reload;
use crate::serve::{asked_to_stop, keys, log, traces};

/// All solutions of a search may come in one body, as text or as tokens.
fn settings() -> Settings {
    Settings {
        body_bytes: 64 << 20,
        ..Settings::default()
    }
}

struct Served {
    name: String,
    verifier: Box<EmbeddedVerifier>,
}

pub(crate) fn run(arguments: &PrmServe) -> Result<(), Failure> {
    let before = arguments.keys.as_deref().and_then(reload::text);
    let keys = LiveKeys::new(keys(arguments.keys.as_deref(), arguments.listen)?);
    let traces = traces()?;
    let Some(AnyVerifier::Model(verifier)) = models::verifier(&arguments.verifier)? else {
        return Err(Failure::Input(anyhow!(
            "prm-serve serves a model as it is; name one with --verifier"
        )));
    };
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| arguments.verifier.name().to_owned());
    let served = Arc::new(Served { name, verifier });
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let file = arguments.keys.clone();
        let files = file.map(|path| reload::keys(path, before, keys.clone()));
        let looking = tokio::spawn(reload::watch(files.into_iter().collect()));
        let done = serve(served, keys, traces, arguments.listen).await;
        looking.abort();
        done
    });
    runtime.shutdown_background();
    done
}

async fn serve(
    served: Arc<Served>,
    keys: LiveKeys,
    traces: Option<Traces>,
    address: SocketAddr,
) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let at = listener.local_addr()?;
    println!("serving {} at http://{at}/v1", served.name);
    let guarded = Router::new()
        .route("/pooling", post(pooling))
        .route("/version", get(version))
        .route("/v1/models", get(list))
        .with_state(served);
    let routes = Routes {
        open: Router::new().route("/health", get(async || "")),
        guarded,
    };
    let stop = asked_to_stop()?;
    Ok(outthink_gateway::host(routes, keys, settings(), traces, listener, stop).await?)
}

async fn version() -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION")}))
}

async fn list(State(served): State<Arc<Served>>) -> Json<Value> {
    let context = served.verifier.context();
    Json(json!({"object": "list", "data": [
        {"id": served.name, "object": "model", "owned_by": "outthink", "max_model_len": context}]}))
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    input: Input,
    task: Option<String>,
    #[serde(default = "yes")]
    use_activation: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    Lists(Vec<Vec<u32>>),
}

/// A refusal in the shape of vLLM's.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        let body = json!({"error": {"message": message, "type": "BadRequestError", "code": status.as_u16()}});
        (status, Json(body)).into_response()
    }
}

async fn pooling(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = outthink_gateway::read(&settings(), &headers, body).await?;
    Ok(read(&served, &body).await.into_response())
}

async fn read(served: &Arc<Served>, body: &[u8]) -> Result<Json<Value>, Refusal> {
    let bad = |message: String| Refusal(StatusCode::BAD_REQUEST, message);
    let asked: Asked = serde_json::from_slice(body)
        .map_err(|error| bad(format!("the body is no pooling request: {error}")))?;
    if asked.model != served.name {
        let message = format!("The model `{}` does not exist.", asked.model);
        return Err(Refusal(StatusCode::NOT_FOUND, message));
    }
    if let Some(task) = asked.task.filter(|task| task != "token_classify") {
        return Err(bad(format!(
            "Unsupported task: {task:?} Supported tasks: [\"token_classify\"]"
        )));
    }
    let inputs = match asked.input {
        Input::Text(text) => encoded(served, vec![text]).await?,
        Input::Texts(texts) => encoded(served, texts).await?,
        Input::Tokens(tokens) => vec![tokens],
        Input::Lists(lists) => lists,
    };
    let readings = inputs
        .into_iter()
        .map(|tokens| rows(&served.verifier, tokens, asked.use_activation));
    let read = futures::future::try_join_all(readings)
        .await
        .map_err(|error| Refusal(status(&error), error.to_string()))?;
    let usage: Usage = read.iter().map(|(_, usage)| *usage).sum();
    let item = |(index, (rows, _)): (usize, (Vec<Vec<f64>>, Usage))| json!({"index": index, "object": "pooling", "data": rows});
    let data: Vec<Value> = read.into_iter().enumerate().map(item).collect();
    Ok(Json(
        json!({"object": "list", "model": served.name, "data": data, "usage": {
        "prompt_tokens": usage.prompt, "total_tokens": usage.prompt, "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": usage.cached}}}),
    ))
}

/// Whose fault it is that tokens could not be read: what is the request's fails whoever sends it again.
fn status(error: &outthink_engine::Error) -> StatusCode {
    use outthink_engine::Error;
    match error {
        Error::TooLong { .. }
        | Error::EmptyPrompt
        | Error::UnknownToken { .. }
        | Error::Prompt(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Tokens of some texts; long ones hold up nobody else.
async fn encoded(served: &Arc<Served>, texts: Vec<String>) -> Result<Vec<Vec<u32>>, Refusal> {
    let served = Arc::clone(served);
    let encoding = tokio::task::spawn_blocking(move || {
        let encode = |text: &String| served.verifier.encode(text);
        texts.iter().map(encode).collect::<Result<_, _>>()
    });
    let encoded = encoding.await;
    let encoded = encoded.map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    encoded.map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))
}

/// The rows of one list of tokens.
async fn rows(
    verifier: &EmbeddedVerifier,
    tokens: Vec<u32>,
    activated: bool,
) -> Result<(Vec<Vec<f64>>, Usage), Arc<outthink_engine::Error>> {
    let layout = verifier.layout();
    let wanted = |at: &usize| layout.marker().is_none_or(|marker| tokens[*at] == marker);
    let likelihood = matches!(
        layout.reward(),
        Reward::Likelihood | Reward::NextLabel | Reward::Ratio(_)
    );
    // Nothing comes before the first token, so nothing says how likely it is.
    let first = usize::from(likelihood);
    let places: Vec<usize> = (first..tokens.len()).filter(wanted).collect();
    let (values, usage) = verifier.read(tokens, places).await?;
    let values = values.into_iter().map(f64::from);
    let row = |p: f64| match layout.reward() {
        Reward::Label(0) | Reward::Tokens(..) => vec![p, 1.0 - p],
        Reward::Label(_) => vec![1.0 - p, p],
        Reward::Value if activated => vec![p],
        // Single precision rounds to 0 and 1 what a value would not.
        Reward::Value => {
            let p = p.clamp(1e-9, 1.0 - 1e-9);
            vec![(p / (1.0 - p)).ln()]
        }
        Reward::Likelihood | Reward::NextLabel | Reward::Ratio(_) => vec![p],
    };
    let before = std::iter::repeat_n(vec![0.0], first);
    Ok((before.chain(values.map(row)).collect(), usage))
}
