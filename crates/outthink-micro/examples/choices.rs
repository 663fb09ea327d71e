//! Measures the choices of docs/choices.md on the tuning split: treatment of finished paths, method and selection rule
//! at a temperature, a budget and some beam widths.
//!
//!     cargo run --release -p outthink-micro --example choices -- PROBLEMS SEED POLICY TEMPERATURE BUDGET WIDTH…
#![allow(clippy::print_stdout, reason = "an example may print")]

use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::method::{BEAM, BEST_OF_N, DVTS, MAJORITY};
use outthink_core::{ExactAnswers, Finished, Limits, Plan, Problem, Sampling, Selection, Verifier};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier};
use outthink_lab::{Question, Trial};
use outthink_micro::{domain, family::Member};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [problems, seed, policy, temperature, budget, widths @ ..] = arguments.as_slice() else {
        return Err("usage: choices PROBLEMS SEED POLICY TEMPERATURE BUDGET WIDTH…".into());
    };
    let (problems, seed): (usize, u64) = (problems.parse()?, seed.parse()?);
    let budget: usize = budget.parse()?;
    let widths: Vec<usize> = widths
        .iter()
        .map(|width| width.parse())
        .collect::<Result<_, _>>()?;
    let questions: Vec<Question> = domain::generate(seed, domain::Split::Tune, None, None)
        .take(problems)
        .map(|problem| Question {
            problem: Arc::new(Problem {
                id: problem.id,
                text: problem.problem,
            }),
            gold: problem.answer,
        })
        .collect();
    let member = |name: &str| Member::find(name).ok_or(format!("no model `{name}`"));
    let policy = EmbeddedPolicy::load(&member(policy)?.checkpoint(), None)?;
    let verifier =
        EmbeddedVerifier::load(&member("micro-prm-likelihood")?.checkpoint(), None, None)?;
    let limits = Limits {
        draw_tokens: policy.profile().draw_tokens,
        solution_tokens: policy.profile().solution_tokens,
        steps: policy.profile().steps,
    };
    let mut plans = vec![
        (MAJORITY, Finished::default(), 1),
        (BEST_OF_N, Finished::default(), 1),
    ];
    for &width in &widths {
        for finished in [Finished::Official, Finished::Refill, Finished::Compete] {
            plans.push((BEAM, finished, width));
        }
        plans.push((DVTS, Finished::default(), width));
    }
    println!(
        "{problems} problems of the tuning split, seed {seed}, {}, T = {temperature}",
        arguments[2]
    );
    for &(method, finished, width) in &plans {
        let plan = Plan::new(method, budget, width, finished)?;
        let trial = block_on(Trial::run(
            &questions,
            &plan,
            Selection::Majority,
            Sampling::at(temperature.parse()?),
            limits,
            seed,
            1024 / budget,
            &policy,
            method
                .needs_verifier()
                .then_some(&verifier as &dyn Verifier),
            &ExactAnswers,
            &|_| {},
        ))?;
        let correct = |selection| {
            let right = trial.reselect(&questions, selection, &ExactAnswers);
            let right = block_on(right).unwrap_or_default();
            right.into_iter().filter(|&right| right).count()
        };
        let selections: Vec<String> = Selection::rewarded()
            .filter(|&s| s == Selection::Majority || method.needs_verifier())
            .map(|s| format!("{s} {:.1}", 100.0 * correct(s) as f64 / problems as f64))
            .collect();
        let what = match method {
            method if method == BEAM => format!("M {width} {method} {finished:?}"),
            method if method.has_width() => format!("M {width} {method}"),
            _ => method.to_string(),
        };
        println!("N {budget} {what}: {}", selections.join(", "));
    }
    Ok(())
}
