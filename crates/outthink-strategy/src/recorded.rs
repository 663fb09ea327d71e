//! Models whose replies are written down as they come, and read back instead of asked for again.
//!
//! Draws are seeded, so a search that is run again asks the same requests; it goes on from where it was killed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::{BoxFuture, FutureExt, try_join_all};
use outthink_core::identity::hash64;
use outthink_core::{
    Extension, Judgement, ModelError, Policy, Prefix, Problem, Reply, Step, Thoughts, Until, Usage,
    Verifier,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most draws or prefixes of one request to a model: what a kill can cost, in each request under way.
const PIECE: usize = 32;

/// The journal of one unit.
pub struct Journal<'a> {
    /// Replies that are written down, by the hash of their request.
    pub known: HashMap<i64, String>,
    /// Writes down a reply by the hash of its request, some time soon.
    pub note: Box<dyn Fn(i64, String) + Send + Sync + 'a>,
}

impl Journal<'_> {
    /// The reply to a request, from the journal or from the model.
    async fn reply<T: Serialize + DeserializeOwned>(
        &self,
        key: i64,
        ask: impl Future<Output = Result<T, ModelError>>,
    ) -> Result<T, ModelError> {
        let known = self.known.get(&key);
        if let Some(reply) = known.and_then(|reply| serde_json::from_str(reply).ok()) {
            return Ok(reply);
        }
        let reply = ask.await?;
        let written = serde_json::to_string(&reply)?;
        (self.note)(key, written);
        Ok(reply)
    }
}

/// A policy under a journal.
pub struct RecordedPolicy<'a> {
    policy: &'a dyn Policy,
    journal: &'a Journal<'a>,
    /// Tokens of the question, as the first reply tells them.
    prompt: AtomicU64,
}

impl<'a> RecordedPolicy<'a> {
    /// The policy, with the journal of its unit.
    pub fn new(policy: &'a dyn Policy, journal: &'a Journal<'a>) -> Self {
        Self {
            policy,
            journal,
            prompt: AtomicU64::new(0),
        }
    }

    /// Tokens of the question, once a reply has told them.
    pub fn prompt(&self) -> u64 {
        self.prompt.load(Ordering::Relaxed)
    }

    async fn piece(&self, requests: Vec<Extension>) -> Result<Vec<Reply>, ModelError> {
        let key = extension_key(&requests);
        // What stands before the draws beside the question: a thought that was closed before it began, say.
        let steps = requests.first().map(|first| {
            let tokens = first.steps.iter().map(|step| step.tokens.len());
            tokens.sum::<usize>() as u64
        });
        let ask = self.policy.extend(requests);
        let replies: Vec<Reply> = self.journal.reply(key, ask).await?;
        if let (Some(steps), Some((_, usage))) = (steps, replies.first()) {
            let before = usage.prompt / usage.requests.max(1);
            // The least that any reply tells: a server without token ids of its steps counts these as the question's.
            let own = before.saturating_sub(steps);
            if own > 0 {
                let least = |known: u64| (known == 0 || own < known).then_some(own);
                // Nothing to change is no failure.
                let _ = self
                    .prompt
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, least);
            }
        }
        Ok(replies)
    }
}

impl Policy for RecordedPolicy<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let asked: Vec<usize> = requests.iter().map(|request| request.seeds.len()).collect();
            let (pieces, owners) = cut(requests);
            let mut replies = try_join_all(pieces.into_iter().map(|piece| self.piece(piece)))
                .await?
                .into_iter()
                .flatten();
            let mut whole: Vec<Reply> = asked
                .iter()
                .map(|_| (Vec::new(), Usage::default()))
                .collect();
            for owner in owners {
                let Some((continuations, usage)) = replies.next() else {
                    return Err("the policy returned too few replies".into());
                };
                whole[owner].0.extend(continuations);
                whole[owner].1 += usage;
            }
            Ok(whole)
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

/// Requests in pieces of at most [`PIECE`] draws, and of which request each part is, in order.
fn cut(requests: Vec<Extension>) -> (Vec<Vec<Extension>>, Vec<usize>) {
    let (mut pieces, mut owners) = (vec![Vec::new()], Vec::new());
    let mut room = PIECE;
    for (owner, request) in requests.into_iter().enumerate() {
        let mut seeds = request.seeds.as_slice();
        while !seeds.is_empty() {
            if room == 0 {
                pieces.push(Vec::new());
                room = PIECE;
            }
            let (now, later) = seeds.split_at(seeds.len().min(room));
            if let Some(piece) = pieces.last_mut() {
                piece.push(Extension {
                    seeds: now.to_vec(),
                    ..request.clone()
                });
            }
            owners.push(owner);
            room -= now.len();
            seeds = later;
        }
    }
    (pieces, owners)
}

fn extension_key(requests: &[Extension]) -> i64 {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for request in requests {
        for step in &request.steps {
            parts.push(step.text.as_bytes().to_vec());
            parts.push(bytes(step.tokens.iter().map(|token| u64::from(*token))));
        }
        let until = u64::from(request.until == Until::Answer);
        // A strategy may draw at two temperatures in one unit.
        let greedy = u64::from(request.sampling.temperature == 0.0) << 1;
        let limits = [until | greedy, request.max_tokens as u64];
        parts.push(bytes(
            limits.into_iter().chain(request.seeds.iter().copied()),
        ));
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    hash64(&parts)
}

fn bytes(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    numbers.flat_map(u64::to_le_bytes).collect()
}

/// A verifier under a journal.
pub struct RecordedVerifier<'a> {
    /// The verifier.
    pub verifier: &'a dyn Verifier,
    /// The journal of its unit.
    pub journal: &'a Journal<'a>,
    /// Tells it from others of the unit; empty where there is one.
    pub name: &'a str,
}

impl RecordedVerifier<'_> {
    async fn piece(&self, prefixes: Vec<Prefix>) -> Result<Vec<Judgement>, ModelError> {
        let key = prefix_key(self.name, &prefixes);
        self.journal.reply(key, self.verifier.score(prefixes)).await
    }
}

impl Verifier for RecordedVerifier<'_> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let pieces = prefixes
                .chunks(PIECE)
                .map(|piece| self.piece(piece.to_vec()));
            Ok(try_join_all(pieces).await?.into_iter().flatten().collect())
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

fn prefix_key(name: &str, prefixes: &[Prefix]) -> i64 {
    let mut parts: Vec<&[u8]> = vec![b"verifier"];
    if !name.is_empty() {
        parts.push(name.as_bytes());
    }
    for Prefix {
        steps, complete, ..
    } in prefixes
    {
        parts.extend(
            steps
                .iter()
                .map(|step: &std::sync::Arc<Step>| step.text.as_bytes()),
        );
        parts.push(if *complete { b"\x01" } else { b"\x00" });
    }
    hash64(&parts)
}
