//! Finding out what a server is, by asking it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use hyper::StatusCode;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::http::{TransportError, server_error};
use crate::models::{self, ListedModel, ModelList};
use crate::pool::Pool;
use crate::server_error::{ServerError, unreadable};
use crate::{Dialect, Error, Servers};

/// A server that is loaded may take its time; these questions cost it nothing.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Who does not know a question says so at once.
const ASIDE: Duration = Duration::from_secs(5);

/// What is asked of the servers of a role.
pub(crate) struct Wanted {
    model: Option<String>,
    dialect: Option<Dialect>,
}

impl Wanted {
    pub(crate) fn of(servers: &Servers) -> Self {
        Self {
            model: servers.model.clone(),
            dialect: servers.dialect,
        }
    }
}

/// What a server said it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its address.
    pub endpoint: String,
    /// Which kind it is.
    pub dialect: Dialect,
    /// Its version, if it told one.
    pub version: Option<String>,
    /// The model that is asked for.
    pub model: String,
    /// Where the server has the model from: a folder of its own, or a name of the hub.
    pub root: Option<String>,
    /// Most tokens of a prompt with its answer.
    pub context: Option<usize>,
    /// Requests that it works on at once.
    pub slots: Option<usize>,
    /// Does it keep the keys and values of prefixes?
    pub prefix_caching: Option<bool>,
    /// Does it draw text?
    pub generates: bool,
    /// Does it have the rows of a classifier?
    pub pools: bool,
    /// The model's parameters, if it told them.
    pub parameters: Option<u64>,
    /// The profile that the server itself asks the model under, if it told one (`outthink serve`).
    pub profile: Option<String>,
}

/// What the servers of a role have in common.
pub(crate) struct Fleet {
    pub(crate) dialect: Dialect,
    pub(crate) model: String,
    pub(crate) facts: Vec<Facts>,
    context: Option<usize>,
}

impl Fleet {
    /// Tokens left after a prefix: as many as anyone wants where the server did not tell its context.
    pub(crate) fn room(&self, prefix: usize) -> Result<usize, Error> {
        let Some(limit) = self.context else {
            return Ok(usize::MAX);
        };
        match limit.checked_sub(prefix) {
            Some(room @ 1..) => Ok(room),
            _ => Err(Error::ContextOverflow {
                endpoint: self.name(),
                tokens: prefix + 1,
                limit,
            }),
        }
    }

    /// The profile that the servers ask the model under, if they tell.
    pub(crate) fn profile(&self) -> Option<&str> {
        self.facts.iter().find_map(|facts| facts.profile.as_deref())
    }

    /// The first server and its kind, for messages.
    pub(crate) fn name(&self) -> String {
        let endpoint = self.facts.first().map(|facts| facts.endpoint.as_str());
        format!("{} ({})", endpoint.unwrap_or_default(), self.dialect)
    }
}

/// Asks all servers what they are, and waits for the first to be there. Those that are not there yet must turn out to be of
/// the same kind: a request that another kind refuses is an error.
pub(crate) async fn probe(pool: &Arc<Pool>, wanted: &Wanted) -> Result<Fleet, Error> {
    let started = Instant::now();
    let facts = loop {
        let asked = pool
            .endpoints()
            .iter()
            .map(|endpoint| ask(pool, endpoint, wanted));
        let mut facts = Vec::new();
        let mut last = None;
        for (index, answer) in join_all(asked).await.into_iter().enumerate() {
            match answer {
                Ok(known) => {
                    if let Some(slots) = known.slots {
                        // Its queue has room for as many again: no slot waits for the next request to travel.
                        pool.cap(index, 2 * slots);
                    }
                    pool.is_back(index);
                    facts.push(known);
                }
                Err(TransportError::Fatal(error)) => return Err(error),
                // One that is loading will be there; one that is not may never be.
                Err(failure @ TransportError::Busy(..)) => last = Some((failure, index)),
                Err(failure) => last = last.or(Some((failure, index))),
            }
        }
        if !facts.is_empty() {
            break facts;
        }
        if let Some((failure, index)) = last {
            let name = pool.endpoints()[index].name();
            pool.wait_for_any(started, &failure, name).await?;
        }
    };
    let first = &facts[0];
    if let Some(other) = facts
        .iter()
        .find(|f| f.dialect != first.dialect || f.model != first.model)
    {
        let named =
            |facts: &Facts| format!("{} ({}, {})", facts.endpoint, facts.dialect, facts.model);
        return Err(Error::Mixed {
            first: named(first),
            second: named(other),
        });
    }
    Ok(Fleet {
        dialect: first.dialect,
        model: first.model.clone(),
        context: facts.iter().filter_map(|facts| facts.context).min(),
        facts,
    })
}

#[derive(Default, Deserialize)]
struct Version {
    version: Option<String>,
}

#[derive(Deserialize)]
struct Description {
    paths: HashMap<String, serde::de::IgnoredAny>,
    info: Option<Version>,
}

#[derive(Deserialize)]
struct Props {
    total_slots: Option<usize>,
    default_generation_settings: Option<Settings>,
    build_info: Option<String>,
}

#[derive(Deserialize)]
struct Settings {
    n_ctx: Option<usize>,
}

/// The models that a server lists. None where it keeps them to itself, and why.
///
/// A list that breaks down is no reason not to ask for a model that is `named`; behind 502 and 504 there is nobody to ask yet.
async fn list(
    pool: &Pool,
    endpoint: &Endpoint,
    named: bool,
) -> Result<Result<ModelList, String>, TransportError> {
    loop {
        let answer = pool.probe(endpoint, "/v1/models", TIMEOUT).await;
        let unlisted = match answer {
            Ok(body) => match models::read(&body) {
                Ok(list)
                    if !list.models.is_empty() || ServerError::read_success(&body).is_none() =>
                {
                    endpoint.settle(true);
                    return Ok(Ok(list));
                }
                // An error that has the status of a success.
                Ok(_) => match server_error(endpoint, &body).into_transport_error(None, None) {
                    TransportError::Refused(status, error) => (status.as_u16(), error.message),
                    TransportError::Failed(status, error) if named => {
                        (status.as_u16(), error.message)
                    }
                    failure => return Err(failure),
                },
                Err(error) => (404, unreadable(&body, &error)),
            },
            Err(TransportError::Refused(status, error)) => (status.as_u16(), error.message),
            Err(TransportError::Failed(status, error))
                if status == StatusCode::NOT_IMPLEMENTED
                    || (named && !matches!(status.as_u16(), 502 | 504)) =>
            {
                (status.as_u16(), error.message)
            }
            Err(TransportError::Fatal(Error::Misshaped { reason, .. })) if named => (200, reason),
            Err(failure) => return Err(failure),
        };
        let (status, message) = unlisted;
        if !matches!(status, 401 | 403) && endpoint.drops_version() {
            continue;
        }
        endpoint.settle(false);
        let hint = match (status, endpoint.key()) {
            (401 | 403, None) => "; it wants a key, see docs/servers.md",
            _ => "",
        };
        return Ok(Err(format!("{status}: {message}{hint}")));
    }
}

async fn ask(pool: &Pool, endpoint: &Endpoint, wanted: &Wanted) -> Result<Facts, TransportError> {
    let name = wanted.model.as_deref();
    let (model, reason) = match list(pool, endpoint, name.is_some()).await? {
        Ok(list) => {
            let reason = match list.goes_on {
                true => "it is not on the first page of its list",
                false => "its list is empty",
            };
            let chosen =
                models::choose(endpoint.name(), list, name).map_err(TransportError::Fatal)?;
            (chosen, reason.to_owned())
        }
        Err(reason) => (None, reason),
    };
    let model = match (model, name) {
        (Some(model), _) => model,
        // Whoever names a model need not be told of it.
        (None, Some(name)) => {
            pool.unlisted(endpoint, name, reason);
            ListedModel {
                id: name.to_owned(),
                ..ListedModel::default()
            }
        }
        (None, None) => {
            return Err(TransportError::Fatal(Error::NoModels {
                endpoint: endpoint.name().to_owned(),
                reason,
            }));
        }
    };
    let told = match model.owned_by.as_deref() {
        Some("vllm") => Some(Dialect::Vllm),
        Some("sglang") => Some(Dialect::Sglang),
        Some("llamacpp") => Some(Dialect::LlamaCpp),
        Some("outthink") => Some(Dialect::Outthink),
        _ => None,
    };
    let dialect = match wanted.dialect.or(told) {
        Some(dialect) => dialect,
        None => recognise(pool, endpoint).await,
    };
    let mut facts = Facts {
        endpoint: endpoint.name().to_owned(),
        dialect,
        version: None,
        model: model.id,
        root: model.root,
        context: model.context,
        slots: None,
        prefix_caching: None,
        generates: true,
        pools: false,
        parameters: model.parameters,
        profile: model.profile,
    };
    let get = |path| pool.probe(endpoint, path, TIMEOUT);
    match dialect {
        Dialect::Vllm | Dialect::Outthink | Dialect::Gateway => {
            facts.version = value::<Version>(get("/version").await.ok()).and_then(|v| v.version);
            // Its routes are those of the tasks that the model is run for. Behind a gateway nobody knows.
            if let Some(Description { paths, info }) = value(get("/openapi.json").await.ok()) {
                facts.generates = paths.contains_key("/v1/completions");
                facts.pools = paths.contains_key("/pooling");
                if dialect == Dialect::Outthink && paths.contains_key("/v1/chat/completions") {
                    facts.dialect = Dialect::Gateway;
                }
                facts.version = facts.version.or(info.and_then(|info| info.version));
            }
            if dialect == Dialect::Vllm
                && let Ok(metrics) = get("/metrics").await
            {
                facts.prefix_caching = caching(&String::from_utf8_lossy(&metrics));
            }
        }
        Dialect::LlamaCpp => {
            facts.prefix_caching = Some(true);
            if let Some(props) = value::<Props>(get("/props").await.ok()) {
                facts.context = props.default_generation_settings.and_then(|s| s.n_ctx);
                facts.slots = props.total_slots;
                facts.version = props.build_info;
            }
        }
        Dialect::Sglang => {
            facts.version =
                value::<Version>(get("/get_server_info").await.ok()).and_then(|v| v.version);
        }
        Dialect::Chat => {}
    }
    Ok(facts)
}

/// The kind of a server whose list of models does not tell, as behind a proxy that puts its own name there: by what only that
/// kind answers.
async fn recognise(pool: &Pool, endpoint: &Endpoint) -> Dialect {
    let get = |path| pool.probe(endpoint, path, ASIDE);
    let (metrics, description, props, info) = futures::join!(
        get("/metrics"),
        get("/openapi.json"),
        get("/props"),
        get("/get_model_info")
    );
    let metrics = metrics.unwrap_or_default();
    let metric = |prefix: &str| {
        String::from_utf8_lossy(&metrics)
            .lines()
            .any(|line| line.starts_with(prefix))
    };
    let routes = |routes: &[&str]| {
        let description = value::<Description>(description.as_ref().ok().cloned());
        description.is_some_and(|told| routes.iter().all(|route| told.paths.contains_key(*route)))
    };
    let has = |answer: Result<Bytes, TransportError>, fields: &[&str]| {
        let told = value::<HashMap<String, serde::de::IgnoredAny>>(answer.ok());
        told.is_some_and(|told| fields.iter().all(|field| told.contains_key(*field)))
    };
    if metric("vllm:") || routes(&["/tokenize", "/detokenize", "/v1/completions"]) {
        Dialect::Vllm
    } else if metric("sglang:") || has(info, &["model_path", "is_generation"]) {
        Dialect::Sglang
    } else if metric("llamacpp:") || has(props, &["default_generation_settings", "total_slots"]) {
        Dialect::LlamaCpp
    } else {
        Dialect::Chat
    }
}

fn value<T: for<'a> Deserialize<'a>>(body: Option<Bytes>) -> Option<T> {
    serde_json::from_slice(&body?).ok()
}

/// Reads what servers say of themselves, for the fuzz target.
#[cfg(any(test, fuzzing))]
pub(crate) fn facts_of(bytes: &[u8]) {
    let body = || Some(Bytes::copy_from_slice(bytes));
    let _ = (
        value::<Description>(body()),
        value::<Props>(body()),
        value::<Version>(body()),
    );
    let _ = caching(&String::from_utf8_lossy(bytes));
}

/// vLLM tells its cache's configuration as the labels of a metric.
fn caching(metrics: &str) -> Option<bool> {
    let line = metrics
        .lines()
        .find(|line| line.starts_with("vllm:cache_config_info{"))?;
    if line.contains("enable_prefix_caching=\"True\"") {
        Some(true)
    } else if line.contains("enable_prefix_caching=\"False\"") {
        Some(false)
    } else {
        None
    }
}
