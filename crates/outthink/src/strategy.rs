//! `outthink solve --strategy`: a fitted strategy chooses how to spend the budget.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::{Answers, Problem, Usage};
use outthink_lab::strategy::{Hands, Solved, Strategy};
use outthink_lab::{MathAnswers, ModelInfo, short};
use serde::Serialize;

use crate::cli::Solve;
use crate::failure::Failure;
use crate::solve::{Costs, Written, print, write};
use crate::wiring;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    choice: String,
    reason: String,
    budget: usize,
    unit: &'static str,
    samples: usize,
    agreement: Option<f64>,
    confidence: f64,
    usage: Costs,
    solutions: Vec<Written>,
}

/// A strategy from a file.
pub(crate) fn read(file: &Path) -> Result<Strategy, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()));
    let strategy = Strategy::parse(&text.map_err(Failure::Input)?);
    let strategy = strategy.with_context(|| file.display().to_string());
    strategy.map_err(Failure::Input)
}

pub(crate) fn run(arguments: &Solve, file: &Path) -> Result<(), Failure> {
    let strategy = read(file)?;
    let budget = arguments.budget.unwrap_or(16);
    let text = arguments.problem.trim();
    if text.is_empty() {
        return Err(Failure::Input(anyhow!("the problem is empty")));
    }
    let problem = Arc::new(Problem {
        id: text.to_owned(),
        text: text.to_owned(),
    });
    let mut table = strategy.policy().load.clone();
    let chosen = &arguments.policy;
    if let Some(name) = &chosen.policy {
        table.model.clone_from(name);
    }
    table.profile = chosen.policy_profile.clone().or(table.profile);
    let asked = strategy.asks(budget as f64).map_err(Failure::input)?;
    let policy = wiring::policy(&table, &[])?;
    let verifiers = asked.iter().map(|own| wiring::verifier(&own.load));
    let verifiers = verifiers.collect::<Result<Vec<_>, _>>()?;
    let infos: Vec<&ModelInfo> = verifiers.iter().map(|own| &own.info).collect();
    for warning in strategy
        .check(&policy.info, &infos)
        .map_err(Failure::input)?
    {
        eprintln!("warning: {warning}");
    }
    let named = asked.iter().map(|own| own.name.as_str());
    let answers = MathAnswers;
    let hands = Hands {
        policy: policy.model.as_ref(),
        verifiers: named
            .zip(verifiers.iter().map(|own| own.model.as_ref()))
            .collect(),
        sampling: policy.sampling,
        limits: policy.limits,
        answers: &answers,
    };
    let solved = block_on(strategy.solve(problem, budget as f64, arguments.seed, &hands))?;
    let costs = costs(&solved, &policy.info, &infos);
    let solutions = solved.tree.solutions();
    let answer = solved.answer.as_ref();
    let correct = arguments
        .gold
        .as_ref()
        .map(|gold| answer.is_some_and(|chosen| answers.equal(gold, &chosen.answer)));
    let candidate = &solved.chosen.candidate;
    if arguments.json {
        let report = Report {
            answer: answer.map(|chosen| chosen.answer.clone()),
            correct,
            choice: candidate.to_string(),
            reason: solved.chosen.reason.clone(),
            budget,
            unit: strategy.unit().name(),
            samples: solved.samples,
            agreement: answer.map(|chosen| chosen.agreement),
            confidence: solved.chosen.confidence,
            usage: costs,
            solutions: solutions
                .iter()
                .map(|solution| write(solution, candidate.selection, &answers))
                .collect(),
        };
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    println!(
        "strategy   {} (fitted on {} of {})",
        file.display(),
        strategy.origin().name,
        strategy.origin().dataset
    );
    println!("policy     {}", policy.info.name);
    println!("choice     {candidate}");
    println!("why        {}", solved.chosen.reason);
    print(answer, correct, &solutions, &costs);
    println!(
        "spent      {} samples; the budget was {} {}",
        solved.samples,
        short(budget as f64),
        strategy.unit()
    );
    println!("confidence {:.0} %", solved.chosen.confidence * 100.0);
    Ok(())
}

fn costs(solved: &Solved, policy: &ModelInfo, verifiers: &[&ModelInfo]) -> Costs {
    let usage: Usage = solved.verifiers.iter().map(|(_, usage)| *usage).sum();
    let shape = policy.cost;
    let mut read = Some(0.0);
    for (name, usage) in &solved.verifiers {
        let own = verifiers.iter().find(|own| own.name == *name);
        let shape = own.and_then(|own| own.cost);
        read = read
            .zip(shape)
            .map(|(sum, shape)| sum + shape.full_flops(usage));
    }
    let drawn = shape.map(|shape| shape.full_flops(&solved.policy));
    Costs {
        policy: solved.policy,
        verifier: usage,
        flops_paper: shape.map(|shape| shape.paper_flops(&solved.policy)),
        flops_full: drawn.zip(read).map(|(drawn, read)| drawn + read),
    }
}
