//! What a search costs by itself: each token of it once, whoever computed it before.
//!
//! What a model reports depends on what else it had computed: the second time a question is asked, all of it may be cached. A
//! search between these two counts the same every time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt};

use crate::{
    Continuation, Extension, Halt, Judgement, ModelError, Policy, Prefix, Problem, Reply, Step,
    Thoughts, Usage, Verifier,
};

/// Sequences of tokens below a common beginning, each token once, with how many samples share it.
#[derive(Debug, Default)]
pub struct SharedTokens {
    index: HashMap<(usize, u32), usize>,
    nodes: Vec<Shared>,
}

/// A token of [`SharedTokens`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// How many tokens its sequence has up to it, itself included.
    pub depth: u64,
    /// How many samples it was added for.
    pub samples: u64,
}

impl SharedTokens {
    /// Adds a sequence that so many samples share; the tokens of it that are new are the last of [`Self::tokens`].
    pub fn insert(&mut self, tokens: impl IntoIterator<Item = u32>, samples: u64) {
        self.insert_beyond(0, tokens, samples);
    }

    /// The same of a sequence whose first tokens, so many, cost nothing: they are there with the samples that they were added for
    /// in other ways, if any.
    pub fn insert_beyond(
        &mut self,
        free: usize,
        tokens: impl IntoIterator<Item = u32>,
        samples: u64,
    ) {
        let mut at = 0;
        for (token, depth) in tokens.into_iter().zip(1..) {
            let next = self.nodes.len() + 1;
            at = *self.index.entry((at, token)).or_insert(next);
            if at == next {
                self.nodes.push(Shared { depth, samples: 0 });
            }
            if depth > free as u64 {
                self.nodes[at - 1].samples += samples;
            }
        }
    }

    /// All tokens, in the order in which they were new.
    pub fn tokens(&self) -> &[Shared] {
        &self.nodes
    }

    /// How many tokens a sequence adds beyond its first ones, which cost it nothing, and to how many they attend together.
    fn new_beyond(&mut self, free: usize, tokens: Vec<u32>) -> (u64, u64) {
        self.insert_beyond(free, tokens.iter().copied(), 1);
        let (mut at, mut new, mut attended) = (0, 0, 0);
        for (token, depth) in tokens.into_iter().zip(1..) {
            at = self.index[&(at, token)];
            // Paid for now, and never before.
            if depth > free as u64 && self.nodes[at - 1].samples == 1 {
                new += 1;
                attended += depth;
            }
        }
        (new, attended)
    }

    /// How many tokens a sequence adds, and to how many they attend together below a beginning of `before` tokens.
    fn new_of(&mut self, tokens: impl IntoIterator<Item = u32>, before: u64) -> (u64, u64) {
        let known = self.nodes.len();
        self.insert(tokens, 1);
        let new = &self.nodes[known..];
        let attended = new.iter().map(|token| before + token.depth).sum();
        (new.len() as u64, attended)
    }
}

/// How many tokens the first so many attend to together, each to itself too.
fn up_to(tokens: u64) -> u64 {
    tokens.saturating_mul(tokens.saturating_add(1)) / 2
}

/// A policy for the search of one problem that counts each of its tokens once. Where a server does not tell tokens, the
/// question counts once and every sample by itself.
pub struct CountedPolicy<P> {
    policy: P,
    /// By what was asked: beside the problem there may be prompts of the method. What these share is counted with each.
    drawn: Mutex<HashMap<String, Drawn>>,
}

#[derive(Default)]
struct Drawn {
    /// Tokens of the question, once they are known.
    question: Option<u64>,
    /// Those below it.
    tokens: SharedTokens,
}

impl<P> CountedPolicy<P> {
    /// Counts nothing yet.
    pub fn new(policy: P) -> Self {
        Self {
            policy,
            drawn: Mutex::default(),
        }
    }

    /// The replies with what they cost this search.
    fn counted(&self, asked: Vec<Asked>, mut replies: Vec<Reply>) -> Vec<Reply> {
        let mut drawn = locked(&self.drawn);
        for (Asked { question, path }, (continuations, usage)) in
            asked.into_iter().zip(&mut replies)
        {
            let drawn = drawn.entry(question).or_default();
            drawn.count(&path, continuations, usage);
        }
        replies
    }
}

impl Drawn {
    fn count(&mut self, path: &[u32], continuations: &[Continuation], usage: &mut Usage) {
        // Nothing was asked: every sample was known, or there was no time for it.
        if usage.prompt == 0 && usage.generated == 0 {
            return;
        }
        let before = usage.prompt / usage.requests.max(1);
        let learnt = self.question.is_none();
        let question = *self
            .question
            .get_or_insert(before.saturating_sub(path.len() as u64));
        let (mut prompt, mut attended) = match learnt {
            true => (question, up_to(question)),
            false => (0, 0),
        };
        let mut add = |tokens: &mut dyn Iterator<Item = u32>| {
            let (new, to) = self.tokens.new_of(tokens, question);
            attended += to;
            new
        };
        prompt += add(&mut path.iter().copied());
        let (mut computed, mut told) = (prompt, 0);
        for continuation in continuations {
            let own: Vec<u32> = tokens(&continuation.steps).collect();
            told += own.len() as u64;
            // Nothing is sampled after the last token, so it is never computed.
            let own = own.split_last().map_or(&[][..], |(_, own)| own);
            if !own.is_empty() {
                computed += add(&mut path.iter().chain(own).copied());
            }
        }
        // What a server does not tell, or was dropped on the way, is nobody else's.
        let untold = usage.generated.saturating_sub(told);
        let samples = (continuations.len() as u64).max(1);
        let after = up_to(before.saturating_add(untold / samples));
        attended += (after - up_to(before)).saturating_mul(samples);
        usage.cached = usage.prompt.saturating_sub(prompt);
        usage.computed = computed + untold;
        usage.attended = attended;
    }
}

fn tokens<'s>(steps: impl IntoIterator<Item = &'s Step>) -> impl Iterator<Item = u32> {
    steps
        .into_iter()
        .flat_map(|step| step.tokens.iter().copied())
}

/// What a request asks, and the tokens of the steps that it goes on from.
struct Asked {
    question: String,
    path: Vec<u32>,
}

impl Asked {
    fn of(requests: &[Extension]) -> Vec<Self> {
        let asked = |request: &Extension| Self {
            question: request.problem.text.clone(),
            path: tokens(request.steps.iter().map(Arc::as_ref)).collect(),
        };
        requests.iter().map(asked).collect()
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Policy> Policy for CountedPolicy<P> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let asked = Asked::of(&requests);
        let drawing = self.policy.extend(requests);
        async move { Ok(self.counted(asked, drawing.await?)) }.boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        let asked = Asked::of(&requests);
        let drawing = self.policy.extend_until(requests, halt);
        async move { Ok(self.counted(asked, drawing.await?)) }.boxed()
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

/// A verifier for the search of one problem that counts each token it reads once. One that cannot tell what it reads is
/// believed.
pub struct CountedVerifier<V> {
    verifier: V,
    read: Mutex<SharedTokens>,
}

impl<V> CountedVerifier<V> {
    /// Counts nothing yet.
    pub fn new(verifier: V) -> Self {
        Self {
            verifier,
            read: Mutex::default(),
        }
    }
}

impl<V: Verifier> Verifier for CountedVerifier<V> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let read = |prefix| {
                let at_hand = self.verifier.at_hand(prefix);
                Some((self.verifier.reads(prefix)?, at_hand))
            };
            let reads: Vec<Option<(Vec<u32>, usize)>> = prefixes.iter().map(read).collect();
            let mut judgements = self.verifier.score(prefixes).await?;
            let mut known = locked(&self.read);
            for (read, Judgement { usage, .. }) in reads.into_iter().zip(&mut judgements) {
                let Some((tokens, at_hand)) = read.filter(|(tokens, _)| !tokens.is_empty()) else {
                    continue;
                };
                // A verifier with a reference reads everything twice.
                let whole = tokens.len() as u64;
                let times = |count: u64| count.saturating_mul(usage.prompt.max(whole)) / whole;
                let (new, attended) = known.new_beyond(at_hand, tokens);
                (usage.computed, usage.attended) = (times(new), times(attended));
                usage.cached = usage.prompt.saturating_sub(usage.computed);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use futures::executor::block_on;
    use futures::future::ready;

    use super::*;
    use crate::{Sampling, Stop, Until};

    /// Says one of two answers to a question of 10 tokens, and that everything it did was cached.
    struct Warm {
        tells_tokens: bool,
        at_hand: usize,
    }

    impl Policy for Warm {
        fn extend(
            &self,
            requests: Vec<Extension>,
        ) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
            let reply = |request: &Extension| {
                let say = |seed: &u64| Continuation {
                    steps: vec![step(match self.tells_tokens {
                        true => vec![1, 2, 3 + (*seed % 2) as u32, 9],
                        false => Vec::new(),
                    })],
                    stop: Stop::Answer,
                };
                let path = tokens(request.steps.iter().map(Arc::as_ref)).count() as u64;
                let usage = Usage {
                    requests: 1,
                    prompt: 10 + path,
                    cached: 10 + path,
                    generated: 4 * request.seeds.len() as u64,
                    ..Usage::default()
                };
                (request.seeds.iter().map(say).collect(), usage)
            };
            ready(Ok(requests.iter().map(reply).collect())).boxed()
        }
    }

    impl Verifier for Warm {
        fn score(
            &self,
            prefixes: Vec<Prefix>,
        ) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
            let judge = |prefix: &Prefix| {
                // As one that reads everything twice.
                let prompt = 2 * self.reads(prefix).map_or(3, |read| read.len() as u64);
                let usage = Usage {
                    requests: 1,
                    prompt,
                    cached: prompt,
                    ..Usage::default()
                };
                let rewards = vec![0.5; prefix.steps.len()];
                Judgement { rewards, usage }
            };
            ready(Ok(prefixes.iter().map(judge).collect())).boxed()
        }

        fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
            let read = || tokens(prefix.steps.iter().map(Arc::as_ref)).collect();
            self.tells_tokens.then(read)
        }

        fn at_hand(&self, _: &Prefix) -> usize {
            self.at_hand
        }
    }

    fn warm(tells_tokens: bool, at_hand: usize) -> Warm {
        Warm {
            tells_tokens,
            at_hand,
        }
    }

    fn step(tokens: Vec<u32>) -> Step {
        Step {
            text: "a step".into(),
            tokens,
            logprob: 0.0,
            ..Step::default()
        }
    }

    fn asked(steps: &[&[u32]], seeds: &[u64]) -> Extension {
        Extension {
            problem: problem(),
            steps: steps
                .iter()
                .map(|own| Arc::new(step(own.to_vec())))
                .collect(),
            seeds: seeds.to_vec(),
            until: Until::Answer,
            sampling: Sampling::at(1.0),
            max_tokens: 8,
            offset: 0,
        }
    }

    fn problem() -> Arc<Problem> {
        Arc::new(Problem {
            id: "p".into(),
            text: "how many?".into(),
        })
    }

    /// Computed, attended and cached tokens of requests in turn.
    fn spent(policy: &dyn Policy, requests: &[Extension]) -> Vec<[u64; 3]> {
        let policy = CountedPolicy::new(policy);
        let one = |request: &Extension| {
            let (_, usage) = block_on(policy.extend(vec![request.clone()]))
                .unwrap()
                .remove(0);
            [usage.computed, usage.attended, usage.cached]
        };
        requests.iter().map(one).collect()
    }

    #[test]
    fn a_search_pays_for_each_of_its_tokens_once_however_warm_the_policy_is() {
        let requests = [
            asked(&[], &[0, 1, 2]),
            asked(&[], &[4]),
            asked(&[&[1, 2], &[7]], &[0]),
            asked(&[&[1, 2], &[7]], &[2]),
        ];
        let whole = [
            // The question, and of the answers 1, 2, 3 and 4, but not their ends, which nothing follows.
            [10 + 4, 55 + 11 + 12 + 13 + 13, 0],
            [0, 0, 10],
            // 7 below 1 and 2, and 1, 2, 3 below that.
            [1 + 3, 13 + 14 + 15 + 16, 12],
            [0, 0, 13],
        ];
        for _ in 0..2 {
            assert_eq!(spent(&warm(true, 0), &requests), whole);
        }
    }

    #[test]
    fn where_no_tokens_are_told_the_question_counts_once_and_each_sample_by_itself() {
        let policy = warm(false, 0);
        let sample = 11 + 12 + 13 + 14;
        assert_eq!(
            spent(&policy, &[asked(&[], &[0, 1]), asked(&[], &[2])]),
            [[10 + 8, 55 + 2 * sample, 0], [4, sample, 10]]
        );
    }

    #[test]
    fn a_verifier_pays_for_what_it_reads_once_and_is_believed_where_it_does_not_tell() {
        let read = |paths: &[&[u32]], tells_tokens: bool, at_hand: usize| -> Vec<[u64; 2]> {
            let warm = warm(tells_tokens, at_hand);
            let verifier = CountedVerifier::new(&warm as &dyn Verifier);
            let prefix = |path: &&[u32]| Prefix {
                problem: problem(),
                steps: vec![Arc::new(step(path.to_vec()))],
                complete: true,
            };
            let judged = block_on(verifier.score(paths.iter().map(prefix).collect())).unwrap();
            let usage = judged.into_iter().map(|judged| judged.usage);
            usage.map(|usage| [usage.computed, usage.cached]).collect()
        };
        let paths: [&[u32]; 3] = [&[1, 2, 3], &[1, 2, 4, 5], &[1, 2]];
        assert_eq!(read(&paths, true, 0), [[6, 0], [4, 4], [0, 4]]);
        assert_eq!(read(&paths, false, 0), [[0, 6], [0, 6], [0, 6]]);
        // What is at hand costs nothing: of 1, 2, 3 the last, then 4 and 5; of 1, 2 nothing.
        assert_eq!(read(&paths, true, 2), [[2, 4], [4, 4], [0, 4]]);
    }
}
