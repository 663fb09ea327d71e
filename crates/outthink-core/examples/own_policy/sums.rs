//! A policy and a verifier without a model, for 2 + 3 + 4.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, Extension, Judgement, ModelError, Policy, Prefix, Reply, Step, Stop, Until,
    Usage, Verifier,
};

/// The partial sums, and the step that ends an answer.
const SUMS: [u64; 2] = [5, 9];

/// Adds one number a step and makes a slip in every third sample.
pub(crate) struct Adder;

impl Adder {
    /// The step after those that there are, and whether it ends the answer.
    fn step(done: &[Arc<Step>], seed: u64) -> (Step, Stop) {
        let slip = u64::from((seed >> done.len()).is_multiple_of(3));
        let (text, stop) = match (SUMS.get(done.len()), done.last()) {
            (Some(sum), _) => (format!("The sum is {}.", sum + slip), Stop::Step),
            (None, last) => {
                let last = last.map_or("", |step| step.text.as_str());
                let sum: String = last.chars().filter(char::is_ascii_digit).collect();
                (format!(r"The answer is \boxed{{{sum}}}."), Stop::Answer)
            }
        };
        let step = Step {
            text,
            tokens: vec![0],
            logprob: -0.5,
            ..Step::default()
        };
        (step, stop)
    }

    /// What one sample draws: a step, or all up to the answer, as it is asked.
    fn continuation(request: &Extension, seed: u64) -> Continuation {
        let (mut path, mut drawn) = (request.steps.clone(), Vec::new());
        loop {
            let (step, stop) = Self::step(&path, seed);
            path.push(Arc::new(step.clone()));
            drawn.push(step);
            if stop == Stop::Answer || request.until == Until::Step {
                return Continuation { steps: drawn, stop };
            }
        }
    }
}

impl Policy for Adder {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: &Extension| {
            let seeds = request.seeds.iter();
            let drawn: Vec<Continuation> = seeds
                .map(|&seed| Self::continuation(request, seed))
                .collect();
            let usage = Usage {
                generated: drawn.iter().map(|own| own.steps.len() as u64).sum(),
                ..Usage::default()
            };
            (drawn, usage)
        };
        async move { Ok(requests.iter().map(reply).collect()) }.boxed()
    }
}

/// Knows the sums.
pub(crate) struct Checker;

impl Verifier for Checker {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judge = |prefix: &Prefix| {
            let reward = |(at, step): (usize, &Arc<Step>)| {
                let sum = SUMS[at.min(SUMS.len() - 1)].to_string();
                if step.text.contains(&sum) { 0.9 } else { 0.1 }
            };
            Judgement {
                rewards: prefix.steps.iter().enumerate().map(reward).collect(),
                usage: Usage::default(),
            }
        };
        async move { Ok(prefixes.iter().map(judge).collect()) }.boxed()
    }
}
