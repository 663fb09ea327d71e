//! A search as it happens: a policy and a verifier that tell of every step and reward that passes through them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, CountedPolicy, CountedVerifier, Extension, Halt, Judgement, ModelError, Policy,
    Prefix, Problem, Reply, Step, Stop, Thinker, Thinking, Thoughts, Usage, Verifier, traced,
};
use serde::Serialize;

use crate::span::{Call, Trace};

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Nodes that are drawn from now; others that are open are pruned, or wait.
    Grow { nodes: Vec<usize> },
    /// A new step below a node.
    Step {
        node: usize,
        parent: usize,
        text: String,
        tokens: usize,
        stop: Stop,
    },
    /// A node was drawn once more.
    Again { node: usize, stop: Stop },
    /// A step's reward.
    Reward { node: usize, reward: f64 },
}

/// Who hears of it.
pub(crate) type Listener = dyn Fn(Event) + Send + Sync;

/// Numbers the steps of one search; the root is 0.
pub(crate) struct Watch<'a> {
    nodes: Mutex<Nodes>,
    listener: &'a Listener,
    trace: &'a Trace,
}

#[derive(Default)]
struct Nodes {
    children: HashMap<(usize, Vec<u32>, String), usize>,
    rewarded: HashMap<usize, f64>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(listener: &'a Listener, trace: &'a Trace) -> Self {
        Self {
            nodes: Mutex::default(),
            listener,
            trace,
        }
    }

    /// The node of a step, and is it new?
    fn child(&self, parent: usize, step: &Step) -> (usize, bool) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = nodes.children.len() + 1;
        let key = (parent, step.tokens.clone(), step.text.trim().to_owned());
        let node = *nodes.children.entry(key).or_insert(next);
        (node, node == next)
    }

    fn path(&self, steps: &[Arc<Step>]) -> usize {
        steps
            .iter()
            .fold(0, |parent, step| self.child(parent, step).0)
    }

    fn drawn(&self, parent: usize, steps: &[Step], stop: Stop) {
        let mut at = parent;
        for (index, step) in steps.iter().enumerate() {
            let (node, new) = self.child(at, step);
            let stop = if index + 1 == steps.len() {
                stop
            } else {
                Stop::Step
            };
            (self.listener)(if new {
                Event::Step {
                    node,
                    parent: at,
                    text: step.text.trim().to_owned(),
                    tokens: step.tokens.len(),
                    stop,
                }
            } else {
                Event::Again { node, stop }
            });
            at = node;
        }
    }

    fn scored(&self, steps: &[Arc<Step>], rewards: &[f64]) {
        let mut at = 0;
        for (step, &reward) in steps.iter().zip(rewards) {
            at = self.child(at, step).0;
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            if nodes.rewarded.insert(at, reward).is_none() {
                drop(nodes);
                (self.listener)(Event::Reward { node: at, reward });
            }
        }
    }
}

/// A policy that counts what it costs the search, with its thoughts under a control: what is told are whole thoughts, not their pieces.
pub(crate) enum Controlled<'a> {
    Plain(CountedPolicy<&'a dyn Policy>),
    Thinking(Box<Thinker<CountedPolicy<&'a dyn Policy>>>),
}

impl<'a> Controlled<'a> {
    /// A policy under the control that the request names, or else its own.
    pub(crate) fn new(policy: &'a dyn Policy, thinking: Option<Thinking>) -> Self {
        let counted = CountedPolicy::new(policy);
        match policy.thoughts().cloned() {
            Some(mut thoughts) => {
                thoughts.thinking = thinking.unwrap_or(thoughts.thinking);
                Self::Thinking(Box::new(Thinker::new(counted, thoughts)))
            }
            None => Self::Plain(counted),
        }
    }

    pub(crate) fn policy(&self) -> &dyn Policy {
        match self {
            Self::Plain(policy) => policy,
            Self::Thinking(policy) => &**policy,
        }
    }
}

/// Tells of what a policy draws, and counts what that costs the search.
pub(crate) struct WatchedPolicy<'a> {
    pub policy: &'a dyn Policy,
    /// What the policy is called on a trace.
    pub name: &'a str,
    pub watch: &'a Watch<'a>,
}

impl Policy for WatchedPolicy<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let (parents, call) = self.growing(&requests);
        self.told(parents, call, self.policy.extend(requests))
            .boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        let (parents, call) = self.growing(&requests);
        let drawing = self.policy.extend_until(requests, halt);
        self.told(parents, call, drawing).boxed()
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        self.policy.written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.policy.thoughts()
    }
}

impl WatchedPolicy<'_> {
    /// Tells what is drawn from now.
    fn growing(&self, requests: &[Extension]) -> (Vec<usize>, Call) {
        let steps = requests.iter().map(|request| &request.steps);
        let nodes: Vec<usize> = steps.map(|steps| self.watch.path(steps)).collect();
        (self.watch.listener)(Event::Grow {
            nodes: nodes.clone(),
        });
        let draws = requests.iter().map(|request| request.seeds.len()).sum();
        (nodes, self.watch.trace.draw(self.name, draws))
    }

    /// Tells what was drawn.
    async fn told(
        &self,
        parents: Vec<usize>,
        mut call: Call,
        drawing: impl Future<Output = Result<Vec<Reply>, ModelError>>,
    ) -> Result<Vec<Reply>, ModelError> {
        let replies = traced(call.traceparent(), drawing).await;
        let sum = |of: fn(&Usage) -> u64| {
            let replies = replies.as_ref().ok()?;
            Some(replies.iter().map(|(_, usage)| of(usage)).sum())
        };
        call.ended(sum(|usage| usage.prompt).zip(sum(|usage| usage.generated)));
        drop(call);
        let replies = replies?;
        for (parent, (continuations, _)) in parents.into_iter().zip(&replies) {
            for Continuation { steps, stop } in continuations {
                self.watch.drawn(parent, steps, *stop);
            }
        }
        Ok(replies)
    }
}

/// Tells of what a verifier says.
pub(crate) struct WatchedVerifier<'a> {
    pub verifier: CountedVerifier<&'a dyn Verifier>,
    /// What the verifier is called on a trace.
    pub name: &'a str,
    pub watch: &'a Watch<'a>,
}

impl Verifier for WatchedVerifier<'_> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let mut call = self.watch.trace.score(self.name, prefixes.len());
            let scoring = self.verifier.score(prefixes.clone());
            let judgements = traced(call.traceparent(), scoring).await;
            let read = judgements.as_ref().ok().map(|judgements| {
                let read = judgements.iter().map(|own| own.usage.prompt);
                (read.sum(), 0)
            });
            call.ended(read);
            drop(call);
            let judgements = judgements?;
            for (prefix, judgement) in prefixes.iter().zip(&judgements) {
                self.watch.scored(&prefix.steps, &judgement.rewards);
            }
            Ok(judgements)
        }
        .boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        self.verifier.reads(prefix)
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        self.verifier.at_hand(prefix)
    }
}
