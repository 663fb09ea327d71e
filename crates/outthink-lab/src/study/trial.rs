//! One method with one budget on a set of problems.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{StreamExt, TryStreamExt};
use outthink_core::{
    Domain, Error, Limits, Plan, Policy, Problem, Sampling, Selection, Tree, Usage, Verifier,
    search,
};

use crate::estimate::interval::Proportion;

/// A problem whose answer is known.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub problem: Arc<Problem>,
    /// The gold answer.
    pub gold: String,
}

/// What came of one problem.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Everything that was drawn.
    pub tree: Tree,
    /// Was the selected answer right? An unanswered problem is a wrong one.
    pub correct: bool,
}

/// What came of a set of problems, in their order.
#[derive(Clone, Debug)]
pub struct Trial {
    /// One a problem.
    pub outcomes: Vec<Outcome>,
    /// Wall time of all together.
    pub elapsed: Duration,
}

impl Trial {
    /// Searches all problems, up to `concurrency` at a time, and grades what `selection` takes. `done` hears of each as
    /// it is finished. The first error ends the trial: an average over what happens to be finished is no result.
    #[expect(
        clippy::too_many_arguments,
        reason = "a trial is these things; a struct of them would be used once"
    )]
    pub async fn run(
        questions: &[Question],
        plan: &Plan,
        selection: Selection,
        sampling: Sampling,
        limits: Limits,
        seed: u64,
        concurrency: usize,
        policy: &dyn Policy,
        verifier: Option<&dyn Verifier>,
        answers: &dyn Domain,
        done: &(dyn Fn(bool) + Sync),
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let mut outcomes: Vec<(usize, Outcome)> =
            futures::stream::iter(questions.iter().enumerate())
                .map(|(index, question)| async move {
                    let problem = Arc::clone(&question.problem);
                    let tree =
                        search(problem, plan, sampling, limits, seed, policy, verifier).await?;
                    let correct = is_correct(&tree, selection, answers, &question.gold).await?;
                    done(correct);
                    Ok::<_, Error>((index, Outcome { tree, correct }))
                })
                .buffer_unordered(concurrency)
                .try_collect()
                .await?;
        outcomes.sort_by_key(|(index, _)| *index);
        let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        Ok(Self {
            outcomes,
            elapsed: start.elapsed(),
        })
    }

    /// One a problem: was it right?
    pub fn correct(&self) -> Vec<bool> {
        self.outcomes
            .iter()
            .map(|outcome| outcome.correct)
            .collect()
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> Proportion {
        Proportion::of(self.correct())
    }

    /// What another selection would have made of the same trees; no model is called.
    pub async fn reselect(
        &self,
        questions: &[Question],
        selection: Selection,
        answers: &dyn Domain,
    ) -> Result<Vec<bool>, Error> {
        let mut correct = Vec::with_capacity(questions.len());
        for (outcome, question) in self.outcomes.iter().zip(questions) {
            let tree = &outcome.tree;
            correct.push(is_correct(tree, selection, answers, &question.gold).await?);
        }
        Ok(correct)
    }

    /// What the policy worked through.
    pub fn policy_usage(&self) -> Usage {
        self.outcomes
            .iter()
            .map(|outcome| outcome.tree.policy)
            .sum()
    }

    /// What the verifier worked through.
    pub fn verifier_usage(&self) -> Usage {
        self.outcomes
            .iter()
            .map(|outcome| outcome.tree.verifier)
            .sum()
    }
}

async fn is_correct(
    tree: &Tree,
    selection: Selection,
    domain: &dyn Domain,
    gold: &str,
) -> Result<bool, Error> {
    let problem = &tree.problem;
    let chosen = selection.choose(problem, &tree.solutions(), domain).await?;
    match chosen {
        Some(chosen) => chosen.is_right(problem, gold, domain).await,
        None => Ok(false),
    }
}
