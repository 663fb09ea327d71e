//! The servers of a role after the first contact: what they have in common, and what each of them is.

use std::any::Any;
use std::sync::Arc;

use outthink_prompt::{Profile, PromptFiles};

use crate::call::ServerCall;
use crate::dialect::Dialect;
use crate::pool::{EndpointStats, Pool};
use crate::probe::{Facts, Overrides, probe};
use crate::{Error, Notice, Role, Servers, background};

/// Replicas of one model, on servers of one kind.
pub(crate) struct Fleet {
    pub(crate) pool: Arc<Pool>,
    pub(crate) dialect: &'static dyn Dialect,
    /// The model's name at the servers.
    pub(crate) model: String,
    pub(crate) facts: Vec<Facts>,
    /// The smallest context of any, in tokens.
    context: Option<usize>,
    _process: Option<Arc<dyn Any + Send + Sync>>,
}

impl Fleet {
    /// Asks all servers what they are and waits for the first to answer, for as long as their configuration says.
    ///
    /// # Errors
    ///
    /// Where no server answers, a key or address cannot be used, or the servers differ in their kind or model.
    pub(crate) fn connect(
        role: Role,
        servers: &Servers,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(role, servers, notice)?);
        let probing = Arc::clone(&pool);
        let overrides = Overrides::of(servers);
        let facts = background::wait_for(async move { probe(&probing, &overrides).await })?;
        let first = &facts[0];
        Ok(Self {
            pool,
            dialect: first.dialect.dialect(),
            model: first.model.clone(),
            context: facts.iter().filter_map(|facts| facts.context).min(),
            facts,
            _process: servers.process.clone(),
        })
    }

    /// The smallest context of any server in tokens, if they tell.
    pub(crate) fn context(&self) -> Option<usize> {
        self.context
    }

    /// Tokens left after a prefix: as many as anyone wants where the server did not tell its context.
    ///
    /// # Errors
    ///
    /// Where none are left.
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
        format!(
            "{} ({})",
            endpoint.unwrap_or_default(),
            self.dialect.title()
        )
    }

    /// To ask about the problem of this key.
    pub(crate) fn call(&self, key: u64) -> ServerCall<'_> {
        ServerCall {
            pool: &self.pool,
            key,
        }
    }

    /// What happened at each server so far.
    pub(crate) fn stats(&self) -> Vec<EndpointStats> {
        self.pool.stats()
    }
}

/// The profile that was named, or else the one that fits the model's files.
pub(crate) fn profile_for(
    role: outthink_prompt::Role,
    named: Option<Profile>,
    files: &PromptFiles,
) -> Result<Profile, Error> {
    match named {
        Some(profile) => Ok(profile),
        None => Ok(Profile::detect(
            role,
            &files.architecture,
            &files.tokenizer,
        )?),
    }
}
