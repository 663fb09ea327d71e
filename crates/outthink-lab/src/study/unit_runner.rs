//! What a worker does with one unit: draw a pool, score one, or search.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use outthink_core::method::{COT, MAJORITY};
use outthink_core::{
    CountedPolicy, Domain, Error, Finished, Limits, Plan, Prefix, Problem, Sampling, SharedTokens,
    Solution, Step, Stop, TokenStats, Tree, Usage, Verifier, draw_seed, problem_seed, search,
};
use outthink_strategy::{Journal, PolicyModel, RecordedPolicy, RecordedVerifier, VerifierModel};

use crate::estimate::spent::{Spent, Work};
use crate::store::{Claim, Drawn, FinishedUnit, Sample};

/// All that a unit needs.
pub(crate) struct UnitRunner<'a> {
    pub(crate) claim: &'a Claim,
    pub(crate) journal: &'a Journal<'a>,
    pub(crate) answers: &'a dyn Domain,
}

impl UnitRunner<'_> {
    pub(crate) fn question(&self) -> Arc<Problem> {
        Arc::new(self.claim.problem.question())
    }

    /// Finds and judges the answers of what was drawn.
    pub(crate) async fn grade(&self, samples: &mut [Drawn]) -> Result<(), Error> {
        let problem = &self.claim.problem;
        grade(samples, &problem.question(), &problem.gold, self.answers).await
    }

    pub(crate) fn done(&self, start: Instant) -> FinishedUnit {
        FinishedUnit {
            unit: self.claim.unit,
            seconds: start.elapsed().as_secs_f64(),
            policy: Usage::default(),
            verifier: Usage::default(),
            spent: Spent::default(),
            grader: self.answers.identity(),
            tree: None,
            choice: None,
            samples: Vec::new(),
            rewards: Vec::new(),
            stats: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Draws whole solutions.
    pub(crate) async fn pool(
        &self,
        model: &PolicyModel,
        sampling: Sampling,
        limits: Limits,
        draws: usize,
    ) -> Result<FinishedUnit, Error> {
        let start = Instant::now();
        let greedy = draws == 1 && sampling.temperature == 0.0;
        let method = if greedy { COT } else { MAJORITY };
        let plan = Plan::new(method, draws, 1, Finished::default())?;
        let policy = RecordedPolicy::new(model.model.as_ref(), self.journal);
        let question = self.question();
        let seed = problem_seed(self.claim.seed, &question.id);
        let run_seed = self.claim.seed;
        let tree = search(question, &plan, sampling, limits, run_seed, &policy, None).await?;
        let leaves = &tree.nodes()[Tree::ROOT].led_to;
        let mut samples = Vec::with_capacity(leaves.len());
        let mut tokens = SharedTokens::default();
        let mut stats = Vec::with_capacity(leaves.len());
        for (index, &leaf) in leaves.iter().enumerate() {
            let steps = tree.steps(leaf);
            stats.push((index, TokenStats::joined(steps.iter().map(Arc::as_ref))));
            let solution = tree.solution(leaf);
            let path = path_tokens(&steps);
            let drawn: Vec<u32> = path.iter().flatten().copied().collect();
            // Nothing is drawn after the last token, so it is never computed.
            let computed = drawn.len().saturating_sub(1);
            tokens.insert(drawn[..computed].iter().copied(), 1);
            samples.push(Drawn {
                seed: Some(draw_seed(seed, [], index)),
                draws: 1,
                tokens: drawn.len(),
                token_ids: path,
                logprob: steps.iter().map(|step| step.logprob).sum(),
                ..written(&solution)
            });
        }
        self.grade(&mut samples).await?;
        let known = samples.iter().any(|sample| sample.tokens > 0);
        let work = if known {
            Work::shared(
                &tokens,
                policy.prompt(),
                draws as u64,
                tree.policy.generated,
            )
        } else {
            Work::reported(&tree.policy, draws as u64, policy.prompt())
        };
        Ok(FinishedUnit {
            policy: tree.policy,
            spent: Spent {
                draws: draws as u64,
                policy: work,
                verifier: Work::default(),
            },
            samples,
            stats,
            ..self.done(start)
        })
    }

    /// Scores a pool. What was cut off has no answer to score.
    pub(crate) async fn score(
        &self,
        model: &VerifierModel,
        pool: &[Sample],
    ) -> Result<FinishedUnit, Error> {
        let start = Instant::now();
        let question = self.question();
        let mut distinct: HashMap<&[String], usize> = HashMap::new();
        let (mut prefixes, mut draws) = (Vec::<Prefix>::new(), Vec::<u64>::new());
        let mut asked = Vec::new();
        for Sample { number, drawn } in pool {
            if drawn.stop != Stop::Answer || drawn.steps.is_empty() {
                continue;
            }
            let place = *distinct.entry(&drawn.steps).or_insert(prefixes.len());
            if place == prefixes.len() {
                prefixes.push(prefix(&question, drawn));
                draws.push(0);
            }
            draws[place] += drawn.draws as u64;
            asked.push((*number, place));
        }
        let verifier = RecordedVerifier {
            verifier: model.model.as_ref(),
            journal: self.journal,
            name: "",
        };
        let failed = |source| Error::Verifier {
            problem: question.id.clone(),
            source,
        };
        let judgements = match prefixes.is_empty() {
            true => Vec::new(),
            false => verifier.score(prefixes.clone()).await.map_err(failed)?,
        };
        let misshaped = |what, expected, got| Error::Misshaped {
            model: "verifier",
            what,
            expected,
            got,
            problem: question.id.clone(),
        };
        if judgements.len() != prefixes.len() {
            return Err(misshaped("judgements", prefixes.len(), judgements.len()));
        }
        for (prefix, judgement) in prefixes.iter().zip(&judgements) {
            let (steps, rewards) = (prefix.steps.len(), &judgement.rewards);
            if rewards.len() != steps {
                return Err(misshaped("rewards", steps, rewards.len()));
            }
            if let Some(&reward) = rewards.iter().find(|r| !(0.0..=1.0).contains(*r)) {
                let problem = question.id.clone();
                return Err(Error::RewardOutOfRange { reward, problem });
            }
        }
        let usage: Usage = judgements.iter().map(|judgement| judgement.usage).sum();
        let total: u64 = pool.iter().map(|sample| sample.drawn.draws as u64).sum();
        let asked_for = prefixes.iter().zip(draws);
        Ok(FinishedUnit {
            verifier: usage,
            spent: Spent {
                draws: total,
                policy: Work::default(),
                verifier: verifier_work(model, asked_for, total, &usage),
            },
            rewards: asked
                .into_iter()
                .map(|(number, place)| (number, judgements[place].rewards.clone()))
                .collect(),
            ..self.done(start)
        })
    }

    /// Searches: step by step, or with prompts made of earlier solutions.
    pub(crate) async fn search(
        &self,
        model: &PolicyModel,
        judge: Option<&VerifierModel>,
        sampling: Sampling,
        limits: Limits,
        plan: &Plan,
    ) -> Result<FinishedUnit, Error> {
        let start = Instant::now();
        let policy = RecordedPolicy::new(model.model.as_ref(), self.journal);
        let verifier = judge.map(|judge| RecordedVerifier {
            verifier: judge.model.as_ref(),
            journal: self.journal,
            name: "",
        });
        let prompts = plan.method().traits().prompts;
        let counted = prompts.then(|| CountedPolicy::new(&policy));
        let question = self.question();
        let tree = search(
            Arc::clone(&question),
            plan,
            sampling,
            limits,
            self.claim.seed,
            match &counted {
                Some(counted) => counted,
                None => &policy,
            },
            verifier.as_ref().map(|own| own as &dyn Verifier),
        )
        .await?;
        let solutions = tree.solutions();
        let mut samples = solved_samples(&tree);
        self.grade(&mut samples).await?;
        let draws = plan.budget() as u64;
        let mut tokens = SharedTokens::default();
        let mut asked = Vec::new();
        for node in 1..tree.nodes().len() {
            let path: Vec<u32> = path_tokens(&tree.steps(node)).concat();
            tokens.insert(path[..path.len().saturating_sub(1)].iter().copied(), draws);
            asked.extend(asked_about(&tree, node, &question).map(|prefix| (prefix, draws)));
        }
        // Prompts are of many lengths, so each of their tokens has been counted as it came.
        let work = if prompts {
            Work::reported(&tree.policy, draws, 0)
        } else if tells_tokens(&tree) {
            Work::shared(&tokens, policy.prompt(), draws, tree.policy.generated)
        } else {
            Work::reported(&tree.policy, draws, tree.policy.computed)
        };
        let asked = asked.iter().map(|(prefix, draws)| (prefix, *draws));
        Ok(FinishedUnit {
            policy: tree.policy,
            verifier: tree.verifier,
            spent: Spent {
                draws,
                policy: work,
                verifier: judge.map_or_else(Work::default, |judge| {
                    verifier_work(judge, asked, draws, &tree.verifier)
                }),
            },
            samples,
            rewards: rewarded(solutions),
            tree: Some(tree),
            ..self.done(start)
        })
    }
}

/// The solutions of a tree as they are stored.
pub(crate) fn solved_samples(tree: &Tree) -> Vec<Drawn> {
    let sample = |solution: Solution| {
        let steps = tree.steps(solution.node);
        Drawn {
            tokens: steps.iter().map(|step| step.tokens.len()).sum(),
            logprob: steps.iter().map(|step| step.logprob).sum(),
            ..written(&solution)
        }
    };
    tree.solutions().into_iter().map(sample).collect()
}

/// The rewards of solutions that have some, by number.
pub(crate) fn rewarded(solutions: Vec<Solution>) -> Vec<(usize, Vec<f64>)> {
    let numbered = solutions.into_iter().enumerate();
    numbered
        .filter(|(_, solution)| !solution.rewards.is_empty())
        .map(|(number, solution)| (number, solution.rewards))
        .collect()
}

/// Are the tokens of its steps known?
pub(crate) fn tells_tokens(tree: &Tree) -> bool {
    let mut steps = tree.nodes().iter().filter_map(|node| node.step.as_ref());
    steps.any(|step| !step.tokens.is_empty())
}

/// Finds the answers, tells them apart, and compares each with the right one.
pub(crate) async fn grade(
    samples: &mut [Drawn],
    problem: &Problem,
    gold: &str,
    domain: &dyn Domain,
) -> Result<(), Error> {
    let found: Vec<Option<String>> = samples
        .iter()
        .map(|sample| domain.extract(problem, &sample.steps.join("\n\n")))
        .collect();
    let mut texts: Vec<&str> = Vec::new();
    let mut place: HashMap<&str, usize> = HashMap::new();
    for answer in found.iter().flatten() {
        place.entry(answer).or_insert_with(|| {
            texts.push(answer);
            texts.len() - 1
        });
    }
    let classes = outthink_core::classes(domain, problem, &texts).await?;
    let right = outthink_core::verdicts(domain, problem, gold, &texts).await?;
    for (sample, answer) in samples.iter_mut().zip(&found) {
        let place = answer.as_deref().and_then(|answer| place.get(answer));
        sample.class = place.and_then(|&place| classes[place]);
        sample.correct = place.is_some_and(|&place| right[place]);
        sample.answer.clone_from(answer);
    }
    Ok(())
}

fn written(solution: &Solution) -> Drawn {
    Drawn {
        seed: None,
        draws: solution.count,
        steps: solution
            .steps
            .iter()
            .map(|step| step.text.clone())
            .collect(),
        tokens: 0,
        token_ids: Vec::new(),
        stop: solution.stop,
        logprob: 0.0,
        answer: None,
        class: None,
        correct: false,
    }
}

/// The tokens of a path, a list a step that shows; what a blank step holds goes with the step before it.
pub(crate) fn path_tokens(path: &[Arc<Step>]) -> Vec<Vec<u32>> {
    let mut lists: Vec<Vec<u32>> = Vec::with_capacity(path.len());
    for step in path {
        match lists.last_mut() {
            Some(last) if step.text.is_empty() => last.extend(&step.tokens),
            _ => lists.push(step.tokens.clone()),
        }
    }
    lists
}

fn prefix(question: &Arc<Problem>, drawn: &Drawn) -> Prefix {
    let step = |(number, text): (usize, &String)| {
        Arc::new(Step {
            text: text.clone(),
            tokens: drawn.token_ids.get(number).cloned().unwrap_or_default(),
            // A verifier reads what is written; how likely the policy found it is not its business.
            logprob: 0.0,
            ..Step::default()
        })
    };
    Prefix {
        problem: Arc::clone(question),
        steps: drawn.steps.iter().enumerate().map(step).collect(),
        complete: drawn.stop == Stop::Answer,
    }
}

/// What the verifier was asked about a node. A step inside a whole drawn solution was read as part of that.
pub(crate) fn asked_about(tree: &Tree, node: usize, question: &Arc<Problem>) -> Option<Prefix> {
    tree.nodes()[node].reward?;
    let Solution { steps, stop, .. } = tree.solution(node);
    let prefix = Prefix {
        problem: Arc::clone(question),
        steps,
        complete: stop == Stop::Answer,
    };
    (!prefix.steps.is_empty() && stop != Stop::Length).then_some(prefix)
}

pub(crate) fn verifier_work<'p>(
    model: &VerifierModel,
    asked: impl Iterator<Item = (&'p Prefix, u64)>,
    draws: u64,
    usage: &Usage,
) -> Work {
    let mut tokens = SharedTokens::default();
    for (prefix, draws) in asked {
        if let Some(read) = model.model.reads(prefix) {
            tokens.insert_beyond(model.model.at_hand(prefix), read, draws);
        }
    }
    // Servers do not tell what they read.
    if tokens.tokens().is_empty() {
        return Work::reported(usage, draws, 0);
    }
    Work::shared(&tokens, 0, draws, 0)
}
