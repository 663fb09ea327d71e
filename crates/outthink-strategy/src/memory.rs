//! Models that are asked for each draw and each judgement once: a search that grows, or begins with another's draws, pays
//! only for what is new.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, Extension, Judgement, ModelError, Policy, Prefix, Problem, Reply, Step, Thoughts,
    Until, Usage, Verifier,
};

/// The steps so far: what they say and their tokens.
type Path = Vec<(String, Vec<u32>)>;

fn path<'a>(steps: impl IntoIterator<Item = &'a std::sync::Arc<Step>>) -> Path {
    let own = |step: &std::sync::Arc<Step>| (step.text.clone(), step.tokens.clone());
    steps.into_iter().map(own).collect()
}

/// All that a draw depends on: where it starts, its seed, where it ends, how it is drawn, and how far it may go.
type Drawn = (Path, u64, Until, [u64; 4], usize);

/// A policy with its draws for one problem.
pub(crate) struct RememberingPolicy<'a> {
    policy: &'a dyn Policy,
    known: Mutex<HashMap<Drawn, Continuation>>,
}

impl<'a> RememberingPolicy<'a> {
    pub(crate) fn new(policy: &'a dyn Policy) -> Self {
        Self {
            policy,
            known: Mutex::default(),
        }
    }
}

fn drawn(request: &Extension, seed: u64) -> Drawn {
    let Extension {
        steps,
        until,
        sampling,
        max_tokens,
        ..
    } = request;
    let how = [
        sampling.temperature.to_bits(),
        sampling.top_p.to_bits(),
        sampling.top_k as u64,
        sampling.min_p.to_bits(),
    ];
    (path(steps), seed, *until, how, *max_tokens)
}

impl Policy for RememberingPolicy<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let mut new = Vec::new();
            let mut places = Vec::new();
            {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                for (place, request) in requests.iter().enumerate() {
                    let unknown = |seed: &u64| !known.contains_key(&drawn(request, *seed));
                    let seeds: Vec<u64> = request.seeds.iter().copied().filter(unknown).collect();
                    if !seeds.is_empty() {
                        places.push(place);
                        new.push(Extension {
                            seeds,
                            ..request.clone()
                        });
                    }
                }
            }
            let asked = new.clone();
            let replies = match new.is_empty() {
                true => Vec::new(),
                false => self.policy.extend(new).await?,
            };
            if replies.len() != asked.len() {
                return Err(
                    format!("{} replies to {} requests", replies.len(), asked.len()).into(),
                );
            }
            let mut usages = vec![Usage::default(); requests.len()];
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for ((request, place), (continuations, usage)) in asked.iter().zip(places).zip(replies)
            {
                usages[place] = usage;
                for (seed, continuation) in request.seeds.iter().zip(continuations) {
                    known.insert(drawn(request, *seed), continuation);
                }
            }
            // A reply that is too short stays so, and the search says what is wrong with it.
            let reply = |(request, usage): (&Extension, Usage)| {
                let of = |seed: &u64| known.get(&drawn(request, *seed)).cloned();
                (request.seeds.iter().filter_map(of).collect(), usage)
            };
            Ok(requests.iter().zip(usages).map(reply).collect())
        }
        .boxed()
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

/// A verifier with its judgements for one problem.
pub(crate) struct RememberingVerifier<'a> {
    verifier: &'a dyn Verifier,
    known: Mutex<HashMap<(Path, bool), Vec<f64>>>,
}

impl<'a> RememberingVerifier<'a> {
    pub(crate) fn new(verifier: &'a dyn Verifier) -> Self {
        Self {
            verifier,
            known: Mutex::default(),
        }
    }
}

impl Verifier for RememberingVerifier<'_> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let keys: Vec<(Path, bool)> = prefixes
                .iter()
                .map(|prefix| (path(&prefix.steps), prefix.complete))
                .collect();
            let new: Vec<usize> = {
                let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                (0..keys.len())
                    .filter(|&k| !known.contains_key(&keys[k]))
                    .collect()
            };
            let asked: Vec<Prefix> = new.iter().map(|&k| prefixes[k].clone()).collect();
            let judged = match asked.is_empty() {
                true => Vec::new(),
                false => self.verifier.score(asked).await?,
            };
            if judged.len() != new.len() {
                return Err(
                    format!("{} judgements of {} prefixes", judged.len(), new.len()).into(),
                );
            }
            let mut usages = vec![Usage::default(); keys.len()];
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, judgement) in new.into_iter().zip(judged) {
                usages[place] = judgement.usage;
                known.insert(keys[place].clone(), judgement.rewards);
            }
            let judgement = |(key, usage): (&(Path, bool), Usage)| Judgement {
                rewards: known.get(key).cloned().unwrap_or_default(),
                usage,
            };
            Ok(keys.iter().zip(usages).map(judgement).collect())
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
