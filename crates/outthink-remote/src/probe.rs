//! Finding out what a server is, by asking it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use hyper::Method;
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::http::Trouble;
use crate::pool::Pool;
use crate::{Dialect, Error};

/// A server that is loaded may take its time; these questions cost it nothing.
const TIMEOUT: Duration = Duration::from_secs(20);

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

    /// The first server and its kind, for messages.
    pub(crate) fn name(&self) -> String {
        let endpoint = self.facts.first().map(|facts| facts.endpoint.as_str());
        format!("{} ({})", endpoint.unwrap_or_default(), self.dialect)
    }
}

/// Asks all servers what they are, and waits for the first to be there. Those that are not there yet must turn out to be of
/// the same kind: a request that another kind refuses is an error.
pub(crate) async fn probe(pool: &Arc<Pool>, model: Option<String>) -> Result<Fleet, Error> {
    let started = Instant::now();
    let facts = loop {
        let asked = pool
            .endpoints()
            .iter()
            .map(|endpoint| ask(pool, endpoint, model.as_deref()));
        let mut facts = Vec::new();
        let mut last = String::new();
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
                Err(Trouble::Fatal(error)) => return Err(error),
                Err(Trouble::Refused(status, message)) => {
                    return Err(Error::Refused {
                        endpoint: pool.endpoints()[index].name().to_owned(),
                        status: status.as_u16(),
                        message,
                    });
                }
                Err(trouble) => last = format!("{}: {trouble}", pool.endpoints()[index].name()),
            }
        }
        if !facts.is_empty() {
            break facts;
        }
        pool.wait_for_any(started, &last).await?;
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

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    owned_by: Option<String>,
    root: Option<String>,
    max_model_len: Option<usize>,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    n_params: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Version {
    version: Option<String>,
}

#[derive(Deserialize)]
struct Paths {
    paths: std::collections::HashMap<String, serde::de::IgnoredAny>,
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

async fn ask(pool: &Pool, endpoint: &Endpoint, wanted: Option<&str>) -> Result<Facts, Trouble> {
    let get = |path| pool.probe(endpoint, Method::GET, path, Bytes::new(), TIMEOUT);
    let body = get("/v1/models").await?;
    let Models { data: models } = serde_json::from_slice(&body)
        .map_err(|error| Trouble::Garbled(format!("/v1/models: {error}")))?;
    let model = choose(endpoint, models, wanted)?;
    let mut facts = Facts {
        endpoint: endpoint.name().to_owned(),
        dialect: match model.owned_by.as_deref() {
            Some("vllm") => Dialect::Vllm,
            Some("sglang") => Dialect::Sglang,
            Some("llamacpp") => Dialect::LlamaCpp,
            Some("outthink") => Dialect::Outthink,
            _ => Dialect::Chat,
        },
        version: None,
        model: model.id,
        root: model.root,
        context: model.max_model_len,
        slots: None,
        prefix_caching: None,
        generates: true,
        pools: false,
        parameters: model.meta.and_then(|meta| meta.n_params),
    };
    match facts.dialect {
        Dialect::Vllm | Dialect::Outthink => {
            facts.version = value::<Version>(get("/version").await).and_then(|v| v.version);
            // Its routes are those of the tasks that the model is run for. Behind a gateway nobody knows.
            if let Some(Paths { paths }) = value(get("/openapi.json").await) {
                facts.generates = paths.contains_key("/v1/completions");
                facts.pools = paths.contains_key("/pooling");
            }
            if let Ok(metrics) = get("/metrics").await {
                facts.prefix_caching = caching(&String::from_utf8_lossy(&metrics));
            }
        }
        Dialect::LlamaCpp => {
            facts.prefix_caching = Some(true);
            if let Some(props) = value::<Props>(get("/props").await) {
                facts.context = props.default_generation_settings.and_then(|s| s.n_ctx);
                facts.slots = props.total_slots;
                facts.version = props.build_info;
            }
        }
        Dialect::Sglang => {
            facts.version = value::<Version>(get("/get_server_info").await).and_then(|v| v.version);
        }
        Dialect::Chat => {}
    }
    Ok(facts)
}

fn value<T: for<'a> Deserialize<'a>>(answer: Result<Bytes, Trouble>) -> Option<T> {
    answer
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok())
}

/// The model of the wanted name; llama.cpp would answer to any name.
fn choose(endpoint: &Endpoint, models: Vec<Model>, wanted: Option<&str>) -> Result<Model, Trouble> {
    let names: Vec<String> = models.iter().map(|model| model.id.clone()).collect();
    let known = match names.is_empty() {
        true => "no model".to_owned(),
        false => names.join(", "),
    };
    let endpoint = endpoint.name().to_owned();
    let mut models = models.into_iter();
    let Some(wanted) = wanted else {
        return match (models.next(), models.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Trouble::Fatal(Error::WrongModel {
                endpoint,
                model: String::new(),
                known,
            })),
            _ => Err(Trouble::Fatal(Error::WhichModel { endpoint, known })),
        };
    };
    let named = |model: &Model| model.id == wanted || model.aliases.iter().any(|a| a == wanted);
    let model = models.find(named).ok_or_else(|| {
        Trouble::Fatal(Error::WrongModel {
            endpoint,
            model: wanted.to_owned(),
            known,
        })
    })?;
    Ok(Model {
        id: wanted.to_owned(),
        ..model
    })
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
