//! `outthink solve`: one problem, one answer, what it cost and how it came about.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use futures::executor::block_on;
use outthink_core::{
    Answers, Chosen, Limits, Method, Plan, Problem, Scoring, Selection, Solution, Spending,
    Verifier, Voting, search,
};
use outthink_lab::MathAnswers;
use outthink_prompt::PolicyProfile;
use serde::Serialize;

use crate::cli::Solve;
use crate::failure::Failure;
use crate::models::{self, AnyVerifier};
use crate::{batch, strategy};
use outthink_lab::short;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    method: Method,
    n: usize,
    plan: String,
    policy_profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier_profile: Option<String>,
    selection: String,
    agreement: Option<f64>,
    usage: Spending,
    solutions: Vec<Written>,
}

#[derive(Serialize)]
pub(crate) struct Written {
    steps: Vec<WrittenStep>,
    answer: Option<String>,
    score: Option<f64>,
    count: usize,
}

#[derive(Serialize)]
struct WrittenStep {
    text: String,
    reward: Option<f64>,
    tokens: usize,
}

pub(crate) fn run(arguments: &Solve) -> Result<ExitCode, Failure> {
    if let Some(file) = &arguments.jsonl {
        return batch::run(arguments, file);
    }
    one(arguments).map(|()| ExitCode::SUCCESS)
}

fn one(arguments: &Solve) -> Result<(), Failure> {
    if let Some(named) = &arguments.strategy {
        return strategy::run(arguments, named);
    }
    let verifier = models::verifier(&arguments.verifier)?;
    let method = arguments.method.unwrap_or(if verifier.is_some() {
        Method::Beam
    } else {
        Method::Majority
    });
    if method.needs_verifier() && verifier.is_none() {
        return Err(Failure::Input(anyhow!(
            "{method} needs a verifier; name one with --verifier, or use --method majority"
        )));
    }
    let budget = match arguments.budget {
        Some(budget) if budget.fract() > 0.0 => {
            return Err(Failure::Input(anyhow!(
                "--budget is a number of solutions, not {budget}"
            )));
        }
        Some(budget) => budget as usize,
        None if method == Method::Cot => 1,
        None => 16,
    };
    let plan =
        Plan::new(method, budget, arguments.width, arguments.finished).map_err(Failure::input)?;
    let by_reward = Selection::Scored(Scoring::Last, Voting::Vote);
    let selection = arguments.selection.unwrap_or(if method.needs_verifier() {
        by_reward
    } else {
        Selection::Majority
    });
    if selection != Selection::Majority && !method.needs_verifier() {
        return Err(Failure::Input(anyhow!(
            "{method} scores no steps, so its selection is majority"
        )));
    }
    let policy = models::any_policy(&arguments.policy)?;
    let text = arguments.problem.as_deref().unwrap_or_default().trim();
    if text.is_empty() {
        return Err(Failure::Input(anyhow!("the problem is empty")));
    }
    let problem = Arc::new(Problem {
        id: text.to_owned(),
        text: text.to_owned(),
    });
    policy.check(&problem)?;
    policy.takes(method)?;
    if let Some(AnyVerifier::StepChecker(_)) = verifier.as_ref().map(AnyVerifier::bare) {
        outthink_micro::domain::Problem::parse(text).map_err(Failure::input)?;
    }
    if !arguments.json {
        println!("plan       {plan} ({method}, {selection})");
        println!(
            "policy     {} (profile {})",
            arguments.policy.name(),
            policy.profile_name()
        );
        if let Some(profile) = verifier.as_ref().and_then(AnyVerifier::profile_name) {
            let calibrated = arguments.verifier.calibration.as_ref();
            let calibrated = calibrated.map_or(String::new(), |file| {
                format!(", calibrated by {}", file.display())
            });
            println!(
                "verifier   {} (profile {profile}){calibrated}",
                arguments.verifier.name()
            );
        }
    }
    let mut limits = limits(policy.profile());
    if let Some(tokens) = arguments.max_tokens {
        if tokens == 0 {
            return Err(Failure::Input(anyhow!("--max-tokens must be at least 1")));
        }
        limits.solution_tokens = tokens;
    }
    let tree = block_on(search(
        problem,
        &plan,
        policy.sampling(),
        limits,
        arguments.seed,
        &policy,
        verifier.as_ref().map(|verifier| verifier as &dyn Verifier),
    ))?;
    let answers = MathAnswers;
    let solutions = tree.solutions();
    let chosen = selection.choose(&solutions, &answers);
    let read = verifier.as_ref().map(|own| (own.cost(), tree.verifier));
    let costs = Spending::of((policy.cost(), tree.policy), read);
    let correct = arguments.gold.as_ref().map(|gold| {
        chosen
            .as_ref()
            .is_some_and(|chosen| answers.equal(gold, &chosen.answer))
    });
    if arguments.json {
        let report = Report {
            answer: chosen.as_ref().map(|chosen| chosen.answer.clone()),
            correct,
            method,
            n: budget,
            plan: plan.to_string(),
            policy_profile: policy.profile_name().to_owned(),
            verifier_profile: verifier
                .as_ref()
                .and_then(AnyVerifier::profile_name)
                .map(str::to_owned),
            selection: selection.to_string(),
            agreement: chosen.as_ref().map(|chosen| chosen.agreement),
            usage: costs,
            solutions: solutions
                .iter()
                .map(|solution| write(solution, selection, &answers))
                .collect(),
        };
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(chosen.as_ref(), correct, &solutions, &costs);
    }
    Ok(())
}

/// The limits of a policy's profile.
pub(crate) fn limits(profile: &PolicyProfile) -> Limits {
    Limits {
        draw_tokens: profile.draw_tokens,
        solution_tokens: profile.solution_tokens,
        steps: profile.steps,
    }
}

pub(crate) fn write(solution: &Solution, selection: Selection, answers: &dyn Answers) -> Written {
    let rewards = solution
        .rewards
        .iter()
        .map(|reward| Some(*reward))
        .chain(std::iter::repeat(None));
    Written {
        steps: solution
            .steps
            .iter()
            .zip(rewards)
            .map(|(step, reward)| WrittenStep {
                text: step.text.clone(),
                reward,
                tokens: step.tokens.len(),
            })
            .collect(),
        answer: answers.extract(&solution.text()),
        score: match selection {
            Selection::Majority => None,
            Selection::Scored(scoring, _) => scoring.score(&solution.rewards),
        },
        count: solution.count,
    }
}

pub(crate) fn print(
    chosen: Option<&Chosen>,
    correct: Option<bool>,
    solutions: &[Solution],
    costs: &Spending,
) {
    if let Some(solution) = chosen.map(|chosen| &solutions[chosen.solution]) {
        println!();
        for (index, step) in solution.steps.iter().enumerate() {
            match solution.rewards.get(index) {
                Some(reward) => println!("  {reward:.3}  {}", step.text),
                None => println!("  {}", step.text),
            }
        }
        println!();
    }
    let verdict = match correct {
        Some(true) => "  (right)",
        Some(false) => "  (wrong)",
        None => "",
    };
    match chosen {
        Some(chosen) => {
            println!("answer     {}{verdict}", chosen.answer);
            println!("agreement  {:.0} %", chosen.agreement * 100.0);
        }
        None => println!("answer     none was found{verdict}"),
    }
    let Spending {
        policy, verifier, ..
    } = costs;
    let flops = match (costs.flops_paper, costs.flops_full) {
        (Some(paper), Some(full)) => format!(
            "{} FLOP by the paper's count, {} FLOP in full",
            short(paper),
            short(full)
        ),
        _ => "FLOP unknown, servers do not tell a model's shape".into(),
    };
    let guessed = match policy.estimated + verifier.estimated {
        0 => "",
        _ => " (some counted here: the server did not tell)",
    };
    println!(
        "cost       {} policy tokens drawn, {} computed; {} verifier tokens{guessed}; {flops}",
        policy.generated, policy.computed, verifier.computed,
    );
}
