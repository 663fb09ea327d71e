//! Both grounds in turn, and one strategy that is not told which is which.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use futures::executor::block_on;
use futures::stream::{self, StreamExt, TryStreamExt};
use outthink_answer::AnyDomain;
use outthink_core::{AnyMethod, CountedPolicy, CountedVerifier, Verifier};
use outthink_lab::{ModelInfo, Question, VerifierModel};
use outthink_strategy::SolveContext;

use super::ground::{BUDGET, Entry, Ground};
use super::{Measured, Row};
use crate::cli::{PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::strategy::{Named, costs};
use crate::wiring;

/// Fitted by `outthink tune` on recipes/both-tune.toml, whose problems are none of the demo's.
const STRATEGY: &str = include_str!("strategy.toml");

/// Samples a problem, on average.
pub(super) const SAMPLES: f64 = 16.0;

/// Problems under way at once.
const CONCURRENCY: usize = 64;

/// As many problems of each ground, one after the other.
pub(super) struct Mixture {
    /// How many of each.
    pub(super) each: usize,
    /// What the strategy came to, the first ground's problems first.
    pub(super) correct: Vec<bool>,
    /// Samples that it drew, a problem.
    pub(super) samples: f64,
    /// Floating-point operations in full, a problem.
    pub(super) flops_full: f64,
    /// How often it took which method, by ground.
    pub(super) choices: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
}

/// What the strategy made of one problem.
struct Answered {
    correct: bool,
    method: &'static str,
    samples: usize,
    flops_full: f64,
}

impl Mixture {
    pub(super) fn measure(grounds: &[Measured<'_>], seed: u64) -> Result<Self, Failure> {
        let each = grounds.iter().map(|own| own.questions.len()).min();
        let each = each.unwrap_or_default();
        let file = Named::read("docs/both-strategy", STRATEGY)?;
        let loaded = wiring::load_policy(&file.policy(&PolicyChoice::default())?)?;
        let tables = file.verifiers(&loaded.model, &VerifierChoice::default(), None)?;
        let judges: Vec<VerifierModel> = tables
            .iter()
            .map(|table| wiring::verifier(table, &[]))
            .collect::<Result<_, _>>()?;
        let infos: Vec<&ModelInfo> = judges.iter().map(|own| &own.info).collect();
        let policy = wiring::policy_model(loaded);
        let strategy = file.with(&policy.info, &infos)?;
        let names = strategy.asks(SAMPLES, false).map_err(Failure::input)?;
        let names = &names;
        let (mut correct, mut samples, mut flops) = (Vec::new(), 0, 0.0);
        let mut choices = BTreeMap::new();
        for own in grounds {
            // What a token costs is what it costs the model that is asked, not the larger one of the two.
            let shapes = own.shapes(&policy.info, &infos);
            let shapes: Vec<&ModelInfo> = shapes.iter().collect();
            let solve = async |question: &Question| -> Result<Answered, Failure> {
                let counted = CountedPolicy::new(policy.model.as_ref());
                let read = judges.iter().map(|own| own.model.as_ref());
                let read: Vec<_> = read.map(CountedVerifier::new).collect();
                let read = read.iter().map(|judge| judge as &dyn Verifier);
                let context = SolveContext {
                    policy: &counted,
                    verifiers: names.iter().copied().zip(read).collect(),
                    sampling: policy.sampling,
                    limits: policy.limits,
                    answers: AnyDomain::MATHS.get(),
                    most: None,
                };
                let problem = Arc::clone(&question.problem);
                let solved = strategy.solve(problem, SAMPLES, seed, &context).await;
                let solved = solved.map_err(|error| Failure::Run(anyhow!(error)))?;
                let correct = match &solved.answer {
                    Some(answer) => {
                        let domain = AnyDomain::MATHS.get();
                        let gold = &question.gold;
                        answer.is_right(&question.problem, gold, domain).await?
                    }
                    None => false,
                };
                let spending = costs(&solved, shapes[0], &shapes[1..]);
                Ok(Answered {
                    correct,
                    method: solved.chosen.candidate.method.name(),
                    samples: solved.samples,
                    flops_full: spending.flops_full.unwrap_or(f64::NAN),
                })
            };
            let asked = stream::iter(&own.questions[..each]).map(&solve);
            let all: Vec<Answered> = block_on(asked.buffered(CONCURRENCY).try_collect())?;
            let taken: &mut BTreeMap<&str, usize> = choices.entry(own.ground.name).or_default();
            for own in all {
                correct.push(own.correct);
                samples += own.samples;
                flops += own.flops_full;
                *taken.entry(own.method).or_default() += 1;
            }
        }
        let problems = correct.len().max(1) as f64;
        Ok(Self {
            each,
            correct,
            samples: samples as f64 / problems,
            flops_full: flops / problems,
            choices,
        })
    }

    /// What one method makes of the same problems, with each ground's own width and selection, which the strategy is not told.
    pub(super) fn method(&self, grounds: &[Measured<'_>], method: AnyMethod) -> Single {
        self.single(grounds, method.to_string(), BUDGET, |ground| {
            ground.search(ground.small, method, BUDGET, ground.verifier)
        })
    }

    /// What the large policies answer alone.
    pub(super) fn large(&self, grounds: &[Measured<'_>]) -> Single {
        let name = "large, alone".to_owned();
        self.single(grounds, name, 1, |ground| Entry::cot(ground.large))
    }

    fn single(
        &self,
        grounds: &[Measured<'_>],
        name: String,
        budget: usize,
        entry: impl Fn(&Ground) -> Entry,
    ) -> Single {
        let mut correct = Vec::with_capacity(self.correct.len());
        let mut flops = 0.0;
        for own in grounds {
            let row: &Row = own.row(entry(own.ground));
            correct.extend(row.trial.correct().into_iter().take(self.each));
            // All problems of a ground are of one kind, so these cost what all do on average.
            flops += row.flops_full / own.questions.len() as f64 / grounds.len() as f64;
        }
        Single {
            name,
            budget,
            correct,
            flops_full: flops,
        }
    }
}

/// One method for all problems of the mixture.
pub(super) struct Single {
    pub(super) name: String,
    pub(super) budget: usize,
    pub(super) correct: Vec<bool>,
    pub(super) flops_full: f64,
}

impl Measured<'_> {
    /// The pair's models, each with the shape of the one of this ground.
    fn shapes(&self, policy: &ModelInfo, verifiers: &[&ModelInfo]) -> Vec<ModelInfo> {
        let row = self.row(self.ground.headline());
        let shaped = |info: &ModelInfo, cost| ModelInfo {
            cost,
            ..info.clone()
        };
        let first = shaped(policy, Some(row.shape));
        let others = verifiers.iter().map(|own| shaped(own, row.verifier_shape));
        std::iter::once(first).chain(others).collect()
    }
}
