//! Finding out what a server is, by asking it (`doctor` shows the result).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use hyper::StatusCode;

use crate::dialect::{self, Dialect, DialectId, SelfDescription};
use crate::endpoint::Endpoint;
use crate::http::{TransportError, server_error};
use crate::models::{self, ListedModel, ModelList};
use crate::pool::Pool;
use crate::server_error::{ServerError, unreadable};
use crate::{Error, Servers};

/// Time for an answer. It costs the server nothing, but one under load may be slow.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Time for an answer at a path that only some kinds of servers have; the others answer at once that they have none.
const RECOGNITION_TIMEOUT: Duration = Duration::from_secs(5);

/// What the configuration names, so that the servers need not tell it.
pub(crate) struct Overrides {
    model: Option<String>,
    dialect: Option<DialectId>,
}

impl Overrides {
    pub(crate) fn of(servers: &Servers) -> Self {
        Self {
            model: servers.model.clone(),
            dialect: servers.dialect,
        }
    }
}

/// What a server is, as it told at the first contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its address.
    pub endpoint: String,
    /// Its kind.
    pub dialect: DialectId,
    /// Its version, if known.
    pub version: Option<String>,
    /// The model's name in requests.
    pub model: String,
    /// Where the server loaded the model from: a folder of its own, or a name on the hub.
    pub root: Option<String>,
    /// Context length: most tokens of a prompt with its answer.
    pub context: Option<usize>,
    /// How many requests it works on at once.
    pub slots: Option<usize>,
    /// Does it cache the keys and values of prefixes?
    pub prefix_caching: Option<bool>,
    /// Does it generate text?
    pub generates: bool,
    /// Does it give the outputs of a classification head (`/pooling`)?
    pub pools: bool,
    /// The number of the model's parameters, if known.
    pub parameters: Option<u64>,
    /// The profile that the server itself uses the model with, if it told (`outthink serve`).
    pub profile: Option<String>,
}

/// Asks all servers what they are, and waits for the first to answer. Returns the facts of at least one server; all
/// have the same kind and model. Servers that do not answer yet are taken to be alike: another kind would refuse its
/// requests.
///
/// # Errors
///
/// Where no server answers in time, or the servers differ.
pub(crate) async fn probe(pool: &Arc<Pool>, overrides: &Overrides) -> Result<Vec<Facts>, Error> {
    let started = Instant::now();
    let facts = loop {
        let asked = pool
            .endpoints()
            .iter()
            .map(|endpoint| ask(pool, endpoint, overrides));
        let mut facts = Vec::new();
        let mut last = None;
        for (index, answer) in join_all(asked).await.into_iter().enumerate() {
            match answer {
                Ok(known) => {
                    if let Some(slots) = known.slots {
                        // As many again may wait at the server, so that no slot idles while the next request is on its
                        // way.
                        pool.cap(index, 2 * slots);
                    }
                    pool.is_back(index);
                    facts.push(known);
                }
                Err(TransportError::Fatal(error)) => return Err(error),
                // A server that is loading will answer some day; one that is unreachable may never.
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
    Ok(facts)
}

/// The models that a server lists, or why it has no list.
///
/// Where a model is `named`, a list that fails does not matter, except with 502 and 504: then there is no server behind
/// the proxy yet.
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
                // An error with the status of a success.
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

async fn ask(
    pool: &Pool,
    endpoint: &Endpoint,
    overrides: &Overrides,
) -> Result<Facts, TransportError> {
    let name = overrides.model.as_deref();
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
        // A model that is named need not be listed.
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
    let owner = model.owned_by.as_deref().and_then(dialect::owning);
    let configured = overrides.dialect.map(DialectId::dialect);
    let dialect = match configured.or(owner) {
        Some(dialect) => dialect,
        None => recognise(pool, endpoint).await,
    };
    let mut facts = Facts {
        endpoint: endpoint.name().to_owned(),
        dialect: DialectId::of(dialect),
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
    let mut answers = Vec::new();
    for path in dialect.facts_at() {
        let answer = pool.probe(endpoint, path, TIMEOUT).await;
        answers.extend(answer.ok().map(|body| (*path, body)));
    }
    dialect.read_facts(&SelfDescription::from_iter(answers), &mut facts);
    Ok(facts)
}

/// The kind of a server whose list of models does not tell it, as behind a proxy that puts its own name there: by
/// answers that only one kind gives.
async fn recognise(pool: &Pool, endpoint: &Endpoint) -> &'static dyn Dialect {
    let asked = dialect::telling_paths().into_iter().map(|path| async move {
        let answer = pool.probe(endpoint, path, RECOGNITION_TIMEOUT).await;
        answer.ok().map(|body| (path, body))
    });
    let answers: SelfDescription = join_all(asked).await.into_iter().flatten().collect();
    dialect::recognised(&answers)
}
