//! Measures what a model card says: a policy's greedy accuracy and a verifier's discrimination on test problems, by kind
//! and level.
//!
//!     cargo run --release -p outthink-micro --example card -- NAME PROBLEMS SEED
#![allow(clippy::print_stdout, reason = "an example may print")]

use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::method::{BEST_OF_N, COT};
use outthink_core::{
    AnyMethod, ExactAnswers, Finished, Limits, Plan, Problem, Sampling, Selection, Verifier,
};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier};
use outthink_lab::{Proportion, Question, Trial};
use outthink_micro::domain::{self, Kind, Level, Split};
use outthink_micro::family::{Family, Member};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count, seed] = arguments.as_slice() else {
        return Err("usage: card NAME PROBLEMS SEED".into());
    };
    let family = Family::of_member(name).ok_or(format!("no model `{name}`"))?;
    let problems: Vec<domain::Problem> =
        domain::generate(seed.parse()?, Split::Test, family.kind, None)
            .take(count.parse()?)
            .collect();
    let member = |name: &str| Member::find(name).ok_or(format!("no model `{name}`"));
    let is_policy = family.policies.iter().any(|policy| policy.name == name);
    if is_policy || name.ends_with("-prm-likelihood") {
        let policy = EmbeddedPolicy::load(&member(name)?.checkpoint(), None)?;
        let right = trial(&policy, None, COT, 1, &problems)?.correct();
        println!(
            "{name}, greedy, {count} test problems (seed {seed}), % right with 95 % interval\n"
        );
        table(&problems, |cell| {
            let own = Proportion::of(cell.iter().map(|&index| right[index]));
            let interval = own.interval();
            format!(
                "{:.1} ({:.1} to {:.1})",
                100.0 * own.mean(),
                100.0 * interval.low,
                100.0 * interval.high
            )
        });
    }
    if !is_policy {
        // Whose solutions the verifiers judge.
        let author = family.policies[if family.kind.is_some() { 1 } else { 2 }];
        let own = author.name;
        let author = EmbeddedPolicy::load(&author.checkpoint(), None)?;
        let verifier = EmbeddedVerifier::load(&member(name)?.checkpoint(), None, None)?;
        let trial = trial(&author, Some(&verifier), BEST_OF_N, 8, &problems)?;
        let judged: Vec<Vec<Judged>> = trial
            .outcomes
            .iter()
            .zip(&problems)
            .map(|(outcome, problem)| judge(&outcome.tree.solutions(), problem))
            .collect();
        println!(
            "{name}, 8 solutions of {own} at temperature 1 to each of {count} test problems (seed {seed}):"
        );
        println!("AUC up to the first slip / over all steps\n");
        table(&problems, |cell| {
            let steps = || cell.iter().flat_map(|&index| &judged[index]);
            let first = auc(steps().filter(|step| step.before_is_right));
            format!("{first:.4} / {:.4}", auc(steps()))
        });
    }
    Ok(())
}

fn trial(
    policy: &EmbeddedPolicy,
    verifier: Option<&EmbeddedVerifier>,
    method: AnyMethod,
    budget: usize,
    problems: &[domain::Problem],
) -> Result<Trial, Error> {
    let questions: Vec<Question> = problems
        .iter()
        .map(|problem| Question {
            problem: Arc::new(Problem {
                id: problem.id.clone(),
                text: problem.problem.clone(),
            }),
            gold: problem.answer.clone(),
        })
        .collect();
    let profile = policy.profile();
    Ok(block_on(Trial::run(
        &questions,
        &Plan::new(method, budget, 1, Finished::default())?,
        Selection::Majority,
        Sampling::at(1.0),
        Limits {
            draw_tokens: profile.draw_tokens,
            solution_tokens: profile.solution_tokens,
            steps: profile.steps,
        },
        1,
        1024 / budget,
        policy,
        verifier.map(|verifier| verifier as &dyn Verifier),
        &ExactAnswers,
        &|_| {},
    ))?)
}

/// One distinct step of a solution, its reward and the truth.
struct Judged {
    reward: f64,
    is_right: bool,
    before_is_right: bool,
}

fn judge(solutions: &[outthink_core::Solution], problem: &domain::Problem) -> Vec<Judged> {
    let mut judged = Vec::new();
    for solution in solutions {
        let steps: Vec<&str> = solution
            .steps
            .iter()
            .map(|step| step.text.as_str())
            .collect();
        let labels = problem.check(&steps);
        for (index, (&reward, &is_right)) in solution.rewards.iter().zip(&labels).enumerate() {
            let before_is_right = index == 0 || labels[index - 1];
            judged.push(Judged {
                reward,
                is_right,
                before_is_right,
            });
        }
    }
    judged
}

/// The chance that a right step is rewarded above a wrong one; ties count half.
fn auc<'a>(steps: impl Iterator<Item = &'a Judged>) -> f64 {
    let mut sorted: Vec<(f64, bool)> = steps.map(|step| (step.reward, step.is_right)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut wrong_below, mut wins, mut right) = (0.0, 0.0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.0 == b.0) {
        let own_right = equal.iter().filter(|(_, is_right)| *is_right).count() as f64;
        let own_wrong = equal.len() as f64 - own_right;
        wins += own_right * (wrong_below + own_wrong / 2.0);
        wrong_below += own_wrong;
        right += own_right;
    }
    wins / (right * wrong_below)
}

/// A Markdown table: kinds down, levels across; `cell` is given the indices of its problems.
fn table(problems: &[domain::Problem], cell: impl Fn(&[usize]) -> String) {
    let pick = |kind: Option<Kind>, level: Option<Level>| -> Vec<usize> {
        (0..problems.len())
            .filter(|&index| {
                kind.is_none_or(|kind| problems[index].kind == kind)
                    && level.is_none_or(|level| problems[index].level == level)
            })
            .collect()
    };
    println!("| | level 1 | 2 | 3 | 4 | 5 | all |\n|---|---|---|---|---|---|---|");
    let several = |kind: &Kind| problems.iter().any(|problem| problem.kind != *kind);
    for kind in Kind::ALL
        .into_iter()
        .filter(several)
        .map(Some)
        .chain([None])
    {
        if pick(kind, None).is_empty() {
            continue;
        }
        let name = kind.map_or("all".into(), |kind| kind.to_string());
        let levels = Level::ALL.into_iter().map(Some).chain([None]);
        let cells: Vec<String> = levels.map(|level| cell(&pick(kind, level))).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}
