//! Samples as finished units: graded, and what each verifier said of them.

use std::collections::HashMap;

use futures::executor::block_on;
use outthink_core::{Stop, Usage};

use super::layout::Pools;
use super::roster::Grown;
use super::{BY_FILE, GroupId, ImportOptions, Kind, OtherVerdict, Verdicts};
use crate::audit::WRONG_PROBLEM;
use crate::estimate::spent::{Spent, Work};
use crate::exchange::suspicion::Outcome;
use crate::exchange::{ExchangeError, Line};
use crate::store::{Drawn, FinishedUnit, Told, Write as StoreWrite};
use crate::study::unit_runner::grade;
use crate::study::{Config, Study, unit_id};

/// How the file's verdicts compare.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) judged: usize,
    pub(super) others: Vec<OtherVerdict>,
    /// Of each verifier's samples, what it said and what became of them.
    pub(super) outcomes: Vec<(String, Outcome)>,
}

/// Where the file judges otherwise too often, nothing here can grade such answers.
pub(super) fn disagreement(
    finished: &[(Vec<StoreWrite>, Judged)],
    samples: usize,
) -> Option<String> {
    let judged: usize = finished.iter().map(|(_, own)| own.judged).sum();
    let others: usize = finished.iter().map(|(_, own)| own.others.len()).sum();
    (judged >= 20 && others * 20 > judged).then(|| {
        let all = match judged == samples {
            true => String::new(),
            false => format!(" of {samples} samples"),
        };
        format!(
            "{others} of the file's {judged} verdicts{all} differ from ours: these answers may not be what this domain grades. The file's own count with --verdicts file"
        )
    })
}

/// A group of samples as finished units: the pool, and what each verifier said of it; or the search.
pub(super) fn units(
    (study, pools): (&Study, &Pools),
    (policy, kind, seed, number): GroupId,
    lines: Vec<Line>,
    grown: &Grown<'_>,
    options: &ImportOptions<'_>,
) -> Result<(Vec<StoreWrite>, Judged), ExchangeError> {
    let problem = &study.problems[number];
    let key = problem.key();
    let mut samples: Vec<Drawn> = lines.iter().map(drawn).collect();
    let question = problem.question();
    let mut grader = options.domain.identity();
    match options.verdicts {
        Verdicts::Ours => block_on(grade(
            &mut samples,
            &question,
            &problem.gold,
            options.domain,
        ))?,
        Verdicts::File => {
            as_told(&mut samples, &lines)?;
            grader = BY_FILE.into();
        }
    }
    let mut judged = Judged::default();
    // The members of an ensemble are compared as what they are.
    let name = &study.policies[policy].name;
    let is_ensemble = options.ensembles.iter().any(|(own, _)| own == name);
    let compared = lines.iter().zip(&samples).enumerate();
    for (index, (line, sample)) in compared.filter(|_| !is_ensemble) {
        let Some(theirs) = line.correct else { continue };
        judged.judged += 1;
        if theirs != sample.correct {
            judged.others.push(OtherVerdict {
                problem_id: problem.id.clone(),
                policy: study.policies[policy].name.clone(),
                index,
                gold: problem.gold.clone(),
                answer: sample.answer.clone(),
                their_answer: line.answer.clone(),
                correct: sample.correct,
            });
        }
    }
    for (line, sample) in lines.iter().zip(&samples) {
        for (verifier, rewards) in &line.rewards {
            if let (Some(&first), Some(&last)) = (rewards.first(), rewards.last())
                && !verifier.ends_with(WRONG_PROBLEM)
                && !is_ensemble
            {
                let name = if verifier.is_empty() {
                    "verifier"
                } else {
                    verifier
                };
                judged
                    .outcomes
                    .push((name.to_owned(), (first, last, sample.correct)));
            }
        }
    }
    let grown = grown.trees.get(&(policy, problem.text.as_str()));
    let mut told = told(&lines);
    if let Some(grown) = grown {
        let labels = grown.labels.clone();
        told.push((
            Told::TREE,
            Told {
                labels,
                ..Told::default()
            },
        ));
    }
    let draws = match kind {
        Kind::Search(..) => samples.iter().map(|sample| sample.draws as u64).sum(),
        Kind::Greedy | Kind::Pool => samples.len() as u64,
    };
    // Some that are unknown leave the sum unknown.
    let known = samples.iter().all(|sample| sample.tokens > 0);
    let sum: u64 = samples.iter().map(|sample| sample.tokens as u64).sum();
    let generated = if known { sum } else { 0 };
    let usage = Usage {
        generated,
        ..Usage::default()
    };
    let empty = |unit: i64| FinishedUnit {
        unit,
        seconds: 0.0,
        policy: Usage::default(),
        verifier: Usage::default(),
        spent: Spent {
            draws,
            policy: Work::default(),
            verifier: Work::default(),
        },
        grader: grader.clone(),
        tree: None,
        choice: None,
        samples: Vec::new(),
        rewards: Vec::new(),
        stats: Vec::new(),
        told: Vec::new(),
    };
    let rewards = |verifier: usize| -> Vec<(usize, Vec<f64>)> {
        let shown = &study.verifiers[verifier].name;
        let own = |line: &Line| {
            let own = line.rewards.get(shown);
            own.or_else(|| line.rewards.get("").filter(|_| shown == "verifier"))
                .cloned()
        };
        let numbered = lines.iter().enumerate();
        numbered
            .filter_map(|(index, line)| Some((index, own(line)?)))
            .collect()
    };
    let drawn = || FinishedUnit {
        policy: usage,
        spent: Spent {
            draws,
            policy: Work {
                generated,
                shared: vec![(1, generated, 0)],
            },
            verifier: Work::default(),
        },
        samples: samples.clone(),
        told: told.clone(),
        tree: grown.map(|grown| grown.tree.clone()),
        ..empty(0)
    };
    let mut writes = Vec::new();
    let mut finish = |unit| writes.push(StoreWrite::Finish(Box::new(unit)));
    let pool = pools.get(&(policy, kind)).map(String::as_str);
    for cell in study.cells.iter().filter(|cell| cell.policy == policy) {
        let unit = unit_id(cell.hash(), key, seed);
        let own = cell.verifier.unwrap_or_default();
        match (cell.config(), kind) {
            (Config::Pool { .. }, _) if pool == Some(cell.hash()) => {
                finish(FinishedUnit { unit, ..drawn() });
            }
            (Config::Score { pool: of, .. }, _) if pool == Some(of) => finish(FinishedUnit {
                rewards: rewards(own),
                ..empty(unit)
            }),
            (Config::Search { plan, .. }, Kind::Search(method, budget))
                if (plan.method(), plan.budget()) == (method, budget) =>
            {
                finish(FinishedUnit {
                    unit,
                    rewards: rewards(own),
                    ..drawn()
                });
            }
            _ => {}
        }
    }
    Ok((writes, judged))
}

fn drawn(line: &Line) -> Drawn {
    Drawn {
        seed: line.draw_seed,
        draws: line.draws.max(1),
        steps: line.steps.clone(),
        tokens: line.tokens,
        token_ids: line.token_ids.clone(),
        stop: match line.finish.as_str() {
            "length" => Stop::Length,
            _ => Stop::Answer,
        },
        logprob: line.logprob.unwrap_or_default(),
        answer: None,
        class: None,
        correct: false,
    }
}

/// Answers and verdicts as the file has them; where it has no answer, a whole text is one.
fn as_told(samples: &mut [Drawn], lines: &[Line]) -> Result<(), ExchangeError> {
    let without = lines.iter().filter(|line| line.correct.is_none());
    if let Some(example) = without.clone().next() {
        return Err(ExchangeError::NoVerdict {
            count: without.count(),
            all: lines.len(),
            example: example.problem_id.clone(),
        });
    }
    let tells = lines.iter().any(|line| line.answer.is_some());
    let mut classes: HashMap<String, usize> = HashMap::new();
    for (sample, line) in samples.iter_mut().zip(lines) {
        let answer = match tells {
            true => line.answer.clone(),
            false => Some(line.text()),
        };
        let answer = answer.filter(|own| !own.trim().is_empty());
        let next = classes.len();
        sample.class = answer
            .as_ref()
            .map(|own| *classes.entry(own.trim().to_owned()).or_insert(next));
        sample.answer = answer.map(|own| own.trim().to_owned());
        sample.correct = line.correct == Some(true);
    }
    Ok(())
}

/// What the file says of the samples beside their text.
fn told(lines: &[Line]) -> Vec<(i64, Told)> {
    let one = |(index, line): (usize, &Line)| {
        let told = Told {
            run: line.run.clone(),
            labels: line.step_labels.iter().map(|&right| Some(right)).collect(),
            correct: line.correct,
        };
        (told != Told::default()).then_some((index as i64, told))
    };
    lines.iter().enumerate().filter_map(one).collect()
}
