//! A beam search over a policy and a verifier of one's own, without a model: `cargo run -p outthink-core --example beam_search`.
//!
//! The policy adds the numbers 2, 3 and 4 one step at a time and makes a slip in every third draw; the verifier knows the
//! sums. A real policy calls a model in the same place.
#![allow(clippy::print_stdout, reason = "an example")]

use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use outthink_core::method::BEAM;
use outthink_core::{
    Continuation, ExactAnswers, Extension, Finished, Judgement, Limits, ModelError, Plan, Policy,
    Prefix, Problem, Reply, Sampling, Scoring, Selection, Step, Stop, Usage, Verifier, Voting,
    search,
};

/// The partial sums, and the step that ends an answer.
const SUMS: [u64; 2] = [5, 9];

struct Adder;

impl Adder {
    fn continuation(request: &Extension, seed: u64) -> Continuation {
        let done = request.steps.len();
        let slip = u64::from(seed.is_multiple_of(3));
        let (text, stop) = match SUMS.get(done) {
            Some(sum) => (format!("The sum is {}.", sum + slip), Stop::Step),
            None => {
                let last = &request.steps[done - 1].text;
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
        Continuation {
            steps: vec![step],
            stop,
        }
    }
}

impl Policy for Adder {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: &Extension| {
            let seeds = request.seeds.iter();
            let drawn: Vec<_> = seeds
                .map(|&seed| Self::continuation(request, seed))
                .collect();
            let generated = drawn.len() as u64;
            let usage = Usage {
                generated,
                ..Usage::default()
            };
            (drawn, usage)
        };
        async move { Ok(requests.iter().map(reply).collect()) }.boxed()
    }
}

struct Checker;

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

fn main() -> Result<(), outthink_core::Error> {
    let problem = Arc::new(Problem {
        id: "sum".into(),
        text: "What is 2 + 3 + 4?".into(),
    });
    // 8 samples: two beams, four candidates for each kept step.
    let plan = Plan::new(BEAM, 8, 4, Finished::default())?;
    let limits = Limits {
        draw_tokens: 64,
        solution_tokens: 256,
        steps: 8,
    };
    let tree = block_on(search(
        problem,
        &plan,
        Sampling::at(1.0),
        limits,
        0,
        &Adder,
        Some(&Checker),
    ))?;
    let by_last_reward = Selection::Scored(Scoring::LAST, Voting::VOTE);
    let solutions = tree.solutions();
    let Some(chosen) = block_on(by_last_reward.choose(&tree.problem, &solutions, &ExactAnswers))?
    else {
        println!("no solution has an answer");
        return Ok(());
    };
    println!("{}", solutions[chosen.solution].text());
    println!(
        "answer {}, {} tokens drawn",
        chosen.answer, tree.policy.generated
    );
    Ok(())
}
