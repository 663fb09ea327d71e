//! What a worker does with a strategy's unit: let it answer, and tell what it chose and what that cost.

use std::sync::Arc;
use std::time::Instant;

use outthink_core::{Limits, Prefix, Problem, Sampling, SharedTokens, Stop, Tree, Usage, Verifier};
use outthink_strategy::{
    PolicyModel, RecordedPolicy, RecordedVerifier, SolveContext, SolveError, Solved, Strategy,
    VerifierModel,
};

use crate::estimate::spent::{Spent, Work};
use crate::store::{Choice, FinishedUnit};
use crate::study::unit_runner::{
    UnitRunner, asked_about, path_tokens, rewarded, solved_samples, tells_tokens, verifier_work,
};

/// A verifier by its name in the strategy.
pub(crate) type Judge<'a> = (&'a str, &'a VerifierModel);

impl UnitRunner<'_> {
    /// Lets a strategy answer for a budget.
    pub(crate) async fn strategy(
        &self,
        strategy: &Strategy,
        budget: f64,
        model: &PolicyModel,
        judges: &[Judge<'_>],
        sampling: Sampling,
        limits: Limits,
    ) -> Result<FinishedUnit, SolveError> {
        let start = Instant::now();
        let policy = RecordedPolicy::new(model.model.as_ref(), self.journal);
        let recorded: Vec<RecordedVerifier<'_>> = judges
            .iter()
            .map(|(_, judge)| RecordedVerifier {
                verifier: judge.model.as_ref(),
                journal: self.journal,
                name: &judge.info.name,
            })
            .collect();
        let named = judges.iter().zip(&recorded);
        let context = SolveContext {
            policy: &policy,
            verifiers: named
                .map(|((name, _), verifier)| (*name, verifier as &dyn Verifier))
                .collect(),
            sampling,
            limits,
            answers: self.answers,
            most: None,
        };
        let question = self.question();
        let solved = strategy
            .solve(Arc::clone(&question), budget, self.claim.seed, &context)
            .await?;
        let answered = solved.answered();
        let rewards = rewarded(answered.solutions());
        let mut samples = solved_samples(answered);
        let solutions = samples.len();
        if let Some(beside) = solved.beside() {
            samples.extend(solved_samples(beside));
        }
        self.grade(&mut samples).await?;
        let answer = solved.answer.as_ref();
        let gold = &self.claim.problem.gold;
        let correct = match answer {
            Some(answer) => answer.is_right(&question, gold, self.answers).await?,
            None => false,
        };
        let work = read(&solved, judges, &question);
        Ok(FinishedUnit {
            policy: solved.policy,
            verifier: work.iter().map(|(_, usage, _)| *usage).sum(),
            spent: Spent {
                draws: solved.samples as u64,
                policy: drawn(&solved, policy.prompt()),
                verifier: together(&work),
            },
            choice: Some(Choice {
                candidate: solved.chosen.candidate.to_string(),
                reason: solved.chosen.reason.clone(),
                confidence: solved.confidence,
                answer: answer.map(|own| own.answer.clone()),
                agreement: answer.map(|own| own.agreement),
                correct,
                samples: solved.samples,
                solutions,
                work,
            }),
            tree: Some(answered.clone()),
            samples,
            rewards,
            ..self.done(start)
        })
    }
}

/// All trees that were grown.
fn trees(solved: &Solved) -> impl Iterator<Item = &Tree> {
    let probe = solved.probe.iter().map(|(tree, _)| tree);
    probe.chain(std::iter::once(&solved.tree))
}

/// The policy's work, each token once.
fn drawn(solved: &Solved, prompt: u64) -> Work {
    let draws = solved.samples as u64;
    if !trees(solved).any(tells_tokens) {
        return Work::reported(&solved.policy, draws, solved.policy.computed);
    }
    let mut tokens = SharedTokens::default();
    for tree in trees(solved) {
        for node in 1..tree.nodes().len() {
            let path = path_tokens(&tree.steps(node)).concat();
            let computed = path.len().saturating_sub(1);
            tokens.insert(path[..computed].iter().copied(), draws);
        }
    }
    Work::shared(&tokens, prompt, draws, solved.policy.generated)
}

/// Each verifier's work, each token that it read once.
fn read(
    solved: &Solved,
    judges: &[Judge<'_>],
    question: &Arc<Problem>,
) -> Vec<(String, Usage, Work)> {
    let draws = solved.samples as u64;
    let candidate = &solved.chosen.candidate;
    let probe = solved.probe.as_ref();
    let probe = probe.and_then(|(tree, reader)| Some((tree, reader.as_deref()?, true)));
    let whole = candidate.reuses_probe();
    let search = candidate
        .verifier
        .as_deref()
        .map(|name| (&solved.tree, name, whole));
    let one = |(name, usage): &(String, Usage)| {
        let (_, judge) = judges.iter().find(|(own, _)| own == name)?;
        let own = probe
            .iter()
            .chain(&search)
            .filter(|(_, reader, _)| reader == name);
        let asked: Vec<Prefix> = own
            .flat_map(|(tree, _, whole)| prefixes(tree, *whole, question))
            .collect();
        let asked = asked.iter().map(|prefix| (prefix, draws));
        let work = verifier_work(judge, asked, draws, usage);
        Some((judge.info.name.clone(), *usage, work))
    };
    solved.verifiers.iter().filter_map(one).collect()
}

/// What a verifier was asked about a tree: of whole solutions their ends, else every step.
fn prefixes(tree: &Tree, whole: bool, question: &Arc<Problem>) -> Vec<Prefix> {
    (1..tree.nodes().len())
        .filter(|&node| !whole || matches!(tree.nodes()[node].finished, Some((Stop::Answer, _))))
        .filter_map(|node| asked_about(tree, node, question))
        .collect()
}

fn together(work: &[(String, Usage, Work)]) -> Work {
    let works = work.iter().map(|(_, _, work)| work);
    Work {
        generated: works.clone().map(|work| work.generated).sum(),
        shared: works.flat_map(|work| work.shared.clone()).collect(),
    }
}
