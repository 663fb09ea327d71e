//! The model that proposes reasoning steps.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use serde::{Deserialize, Serialize};

use crate::capped::apart;
use crate::thinking::Thoughts;
use crate::{Halt, Limits, ModelError, Problem, Step, Usage};

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    pub temperature: f64,
    /// Keep the likeliest tokens that together reach this probability; 1 keeps all.
    pub top_p: f64,
    /// Keep this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 keeps all.
    pub min_p: f64,
}

impl Sampling {
    /// The likeliest token, always.
    pub const GREEDY: Self = Self {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
    };

    /// The distribution itself at a temperature.
    pub fn at(temperature: f64) -> Self {
        Self {
            temperature,
            ..Self::GREEDY
        }
    }
}

/// Where a continuation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// At the end of the first step.
    Step,
    /// At the end of the answer; it may hold many steps.
    Answer,
}

/// Why a continuation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// A step separator.
    Step,
    /// The answer is complete.
    Answer,
    /// Out of tokens.
    Length,
}

/// A request: continue one prefix, once for each seed.
#[derive(Clone, Debug)]
pub struct Extension {
    /// What is asked.
    pub problem: Arc<Problem>,
    /// The steps so far, in order.
    pub steps: Vec<Arc<Step>>,
    /// One seed a continuation.
    pub seeds: Vec<u64>,
    /// Where to stop.
    pub until: Until,
    /// How to draw.
    pub sampling: Sampling,
    /// Most tokens a continuation may have.
    pub max_tokens: usize,
    /// How many tokens of these draws came before, where they are taken up again after they were cut: 0 for new ones. A policy whose
    /// draws are a sequence of random numbers goes on with the next, so that a draw in pieces is the draw; a server gets a seed of its
    /// own for each piece ([`piece_seed`](crate::piece_seed)). The last step is theirs, if it is not whole.
    pub offset: usize,
}

/// What one draw gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// The steps drawn: at most one under [`Until::Step`]; the last may be cut off if `stop` is [`Stop::Length`].
    pub steps: Vec<Step>,
    /// Why it ended.
    pub stop: Stop,
}

/// The continuations of one request, one a seed and in order, and what the request cost.
pub type Reply = (Vec<Continuation>, Usage);

/// A language model that continues solutions. Implementations batch whatever is in flight, from any problem.
pub trait Policy: Send + Sync {
    /// For each request, one continuation a seed, in order, and what the request cost.
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>>;

    /// How tokens are drawn where nobody says: at a temperature of 0.7, unless the model has a way of its own.
    fn usual_sampling(&self) -> Sampling {
        Sampling::at(0.7)
    }

    /// Where paths end where nobody says.
    fn usual_limits(&self) -> Limits {
        Limits::default()
    }

    /// The same, until `halt` stops. Draws that are done by then are whole; the others have no steps and
    /// [`Stop::Length`], and the usage counts what was drawn of them. `halt` hears of tokens as they are drawn.
    ///
    /// Unless a policy brings its own way, whole answers are asked for one by one, and what was drawn of those that are not
    /// done is unknown: such a request counts as [`Usage::estimated`]. A policy that wraps another hands this on.
    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        apart(self, requests, halt).boxed()
    }

    /// A text that somebody wrote as a step in the policy's own tokens, so that draws go on from it. Its tokens are likely: their
    /// log-probabilities count as 0.
    ///
    /// # Errors
    ///
    /// Where the policy does not take tokens from outside; that is the default. A policy that wraps another hands this on.
    fn written<'a>(
        &'a self,
        _problem: &'a Problem,
        _text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        ready(Err("this policy cannot go on from written text".into())).boxed()
    }

    /// How its thoughts are marked, and the control that [`search`](crate::search) draws them under; none where it has no thoughts. A
    /// policy that wraps another hands this on.
    fn thoughts(&self) -> Option<&Thoughts> {
        None
    }
}

impl<P: Policy + ?Sized> Policy for &P {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        (**self).extend(requests)
    }

    fn usual_sampling(&self) -> Sampling {
        (**self).usual_sampling()
    }

    fn usual_limits(&self) -> Limits {
        (**self).usual_limits()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        (**self).extend_until(requests, halt)
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        (**self).written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        (**self).thoughts()
    }
}

impl<P: Policy + ?Sized> Policy for Arc<P> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        (**self).extend(requests)
    }

    fn usual_sampling(&self) -> Sampling {
        (**self).usual_sampling()
    }

    fn usual_limits(&self) -> Limits {
        (**self).usual_limits()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        (**self).extend_until(requests, halt)
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        (**self).written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        (**self).thoughts()
    }
}
