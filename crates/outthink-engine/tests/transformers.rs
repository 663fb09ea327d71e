//! The engine beside transformers, an independent implementation: tests/golden/transformers.json and grids.json, which
//! models/micro/train/golden.py wrote (f32).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may print and may fail by panicking"
)]

mod models;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{Prefix, Problem, Step};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier, Reading};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    models: BTreeMap<String, Vec<Case>>,
}

#[derive(Deserialize)]
struct Case {
    problem: String,
    steps: Vec<String>,
    /// How many of the tokens are the question.
    asked: usize,
    tokens: Vec<u32>,
    /// Of every token after the first.
    #[serde(default)]
    logprobs: Vec<f64>,
    /// Of every token of the vocabulary, after the last one.
    #[serde(default)]
    last: Vec<f64>,
    /// At every marker, or at every token of the solution.
    #[serde(default)]
    rewards: Vec<f64>,
}

fn golden() -> BTreeMap<String, Vec<Case>> {
    let files = [
        include_str!("golden/transformers.json"),
        include_str!("golden/grids.json"),
    ];
    let read = |file: &str| serde_json::from_str::<Golden>(file).unwrap().models;
    files.into_iter().flat_map(read).collect()
}

fn largest_relative_error(ours: &[f32], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let errors = ours.iter().zip(theirs).map(|(&ours, theirs)| {
        // Of a log-probability near 0 nothing but rounding is left, so small values are compared as they are.
        (f64::from(ours) - theirs).abs() / theirs.abs().max(1.0)
    });
    errors.fold(0.0, f64::max)
}

/// Every value that transformers gave for a model, and the engine's, all sequences asked for at once.
fn compare(name: &str, cases: &[Case]) -> f64 {
    let engine = models::engine(name);
    let mut readings = Vec::new();
    for Case {
        asked,
        tokens,
        last,
        rewards,
        ..
    } in cases
    {
        // Every token after the first, or every <extra_0>, or every token of the solution.
        let places = 1..tokens.len();
        let whole = Reading {
            tokens: tokens.clone(),
            places: match rewards.len() {
                0 => places.collect(),
                all if all == tokens.len() - asked => (*asked..tokens.len()).collect(),
                _ => places.filter(|&place| tokens[place] == 4).collect(),
            },
        };
        // One reading a possible next token gives the whole distribution.
        let next = (0..last.len() as u32).map(|next| Reading {
            tokens: [tokens.as_slice(), &[next]].concat(),
            places: vec![tokens.len()],
        });
        readings.push(whole);
        readings.extend(next);
    }
    let mut values = block_on(engine.read(readings))
        .unwrap()
        .into_iter()
        .map(|(values, _)| values);
    let mut worst = 0.0f64;
    for Case {
        logprobs,
        last,
        rewards,
        ..
    } in cases
    {
        let own = values.next().unwrap();
        worst = worst.max(if rewards.is_empty() {
            largest_relative_error(&own, logprobs)
        } else {
            largest_relative_error(&own, rewards)
        });
        let own: Vec<f32> = values
            .by_ref()
            .take(last.len())
            .map(|next| next[0])
            .collect();
        worst = worst.max(largest_relative_error(&own, last));
    }
    worst
}

#[test]
fn log_probabilities_and_rewards_are_those_of_transformers() {
    let golden = golden();
    assert_eq!(golden.len(), 14);
    for (name, cases) in &golden {
        let error = compare(name, cases);
        println!("{name}: largest relative error {error:.1e}");
        assert!(error <= 1e-4, "{name}: {error}");
    }
}

#[test]
fn questions_and_solutions_become_the_tokens_that_transformers_makes() {
    for (name, cases) in &golden() {
        let checkpoint = models::checkpoint(name);
        let policy = EmbeddedPolicy::load(&checkpoint, None).ok();
        let verifier = EmbeddedVerifier::load(&checkpoint, None, None).unwrap();
        for case in cases {
            let problem = Arc::new(Problem {
                id: "golden".into(),
                text: case.problem.clone(),
            });
            if let Some(policy) = &policy {
                assert_eq!(policy.prompt(&problem).unwrap(), case.tokens[..case.asked]);
            }
            let step = |text: &String| Arc::new(Step::written(text.clone()));
            let solution = Prefix {
                problem,
                steps: case.steps.iter().map(step).collect(),
                complete: true,
            };
            assert_eq!(verifier.render(&solution).unwrap().tokens, case.tokens);
        }
    }
}
