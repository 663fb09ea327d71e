//! The exact step checker as a verifier: what a search could reach with a perfect PRM.

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelError, Prefix, Usage, Verifier};

use crate::domain::Problem;

/// Rewards 1 while a solution is the derivation, 0 from its first wrong step on. It costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepChecker;

impl Verifier for StepChecker {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            prefixes
                .into_iter()
                .map(|prefix| {
                    let problem = Problem::parse(&prefix.problem.text)?;
                    let steps: Vec<&str> =
                        prefix.steps.iter().map(|step| step.text.as_str()).collect();
                    let rewards = problem
                        .check(&steps)
                        .into_iter()
                        .map(|right| f64::from(u8::from(right)));
                    Ok(Judgement {
                        rewards: rewards.collect(),
                        usage: Usage::default(),
                    })
                })
                .collect()
        }
        .boxed()
    }
}
