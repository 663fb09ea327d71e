//! What is served.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use outthink_core::{
    Domain, Limits, ModelCost, ModelError, Policy, Quorum, Sampling, Usage, Verifier,
};
use outthink_strategy::Strategy;
use serde::{Deserialize, Serialize};

use crate::error::Blame;

/// A turn of a conversation, in text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

/// What a conversation asks of a model.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// The turns so far.
    pub turns: Arc<[Turn]>,
    /// How to draw.
    pub sampling: Sampling,
    /// Most tokens of the reply; none leaves it to the model.
    pub max_tokens: Option<usize>,
    /// Which draw.
    pub seed: u64,
}

/// A part of a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// More text; the last piece may have none.
    pub text: String,
    /// What the reply cost so far.
    pub usage: Usage,
    /// Why it ended, if it did.
    pub finish: Option<Finish>,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It is complete, or came to a text that it was to stop at.
    Stop,
    /// Out of tokens.
    Length,
}

impl Finish {
    /// OpenAI's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// A model that converses.
pub trait Talk: Send + Sync {
    /// The reply, piece by piece; dropping it stops the model.
    fn talk(&self, asked: Utterance) -> BoxStream<'static, Result<Piece, ModelError>>;
}

/// What an upstream server replied, unread.
pub struct Forwarded {
    /// HTTP status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: String,
    /// Its body as it comes.
    pub body: BoxStream<'static, Result<Bytes, ModelError>>,
}

/// A server that speaks OpenAI's API itself.
pub trait Forward: Send + Sync {
    /// Posts a body to a path, as `/v1/chat/completions`.
    fn forward(
        &self,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Forwarded, ModelError>>;
}

/// How a policy answers where no search is asked for.
#[derive(Clone)]
pub enum Voice {
    /// By itself.
    Talks(Arc<dyn Talk>),
    /// By its own server.
    Forwards(Arc<dyn Forward>),
}

/// A policy that is served.
#[derive(Clone)]
pub struct ServedPolicy {
    /// Its name in `model`.
    pub name: String,
    /// What searches draw from.
    pub model: Arc<dyn Policy>,
    /// What answers without a search.
    pub voice: Voice,
    /// How it draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// Can it go on from any step? A chat-only server writes whole answers.
    pub steps: bool,
    /// Its shape, if known.
    pub cost: Option<ModelCost>,
    /// The name of the profile that searches ask it under; told to clients, so that another outthink asks it alike.
    pub profile: Option<String>,
    /// What decides where a client says `auto`; none leaves it to whether there is a verifier. Clients count samples: a
    /// strategy whose budgets are in another unit gets what as many samples cost on average.
    pub strategy: Option<Arc<Strategy>>,
}

/// A verifier that is served.
#[derive(Clone)]
pub struct ServedVerifier {
    /// Its name.
    pub name: String,
    /// What scores.
    pub model: Arc<dyn Verifier>,
    /// Its shape, if known.
    pub cost: Option<ModelCost>,
}

/// All that is served; the first of each is the default.
#[derive(Clone)]
pub struct Models {
    /// At least one.
    pub policies: Vec<ServedPolicy>,
    /// None leaves majority votes.
    pub verifiers: Vec<ServedVerifier>,
    /// How answers are found and compared.
    pub answers: Arc<dyn Domain + Send + Sync>,
    /// How many samples of a round searches wait for, and how long, where the client says nothing; none waits for all.
    pub quorum: Option<Quorum>,
    /// Which of the models' errors are the request's fault.
    pub blame: Blame,
    /// Sets a problem or a step as HTML for the console: whatever it returns is shown as it is, so it escapes what it does
    /// not mean as a tag.
    pub markup: fn(&str) -> String,
}

impl Models {
    /// A policy by name; none names the first.
    pub(crate) fn policy(&self, name: Option<&str>) -> Option<&ServedPolicy> {
        match name {
            Some(name) => self.policies.iter().find(|policy| policy.name == name),
            None => self.policies.first(),
        }
    }

    /// A verifier by name; none names the first.
    pub(crate) fn verifier(&self, name: Option<&str>) -> Option<&ServedVerifier> {
        match name {
            Some(name) => self.verifiers.iter().find(|verifier| verifier.name == name),
            None => self.verifiers.first(),
        }
    }
}
