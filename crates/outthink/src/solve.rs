//! `outthink solve`: one problem, one answer, what it cost and how it came about.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::{
    AnyMethod, Chosen, CountedPolicy, CountedVerifier, Domain, Error, Limits, Pair, Plan, Policy,
    Problem, QuorumPolicy, Sampling, Selection, Solution, Spending, Verifier, search,
};
use serde::Serialize;

use crate::cli::{Solve, VerifierChoice};
use crate::failure::Failure;
use outthink_models::{Beside, Candidate};

use crate::models::{self, AnyPolicy, AnyVerifier};
use crate::{batch, strategy};
use outthink_lab::short;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    answer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    method: AnyMethod,
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

/// How sure a verifier must be of the best solution, lest it be said that it is not.
const TRUSTED: f64 = 0.5;

pub(crate) fn run(arguments: &Solve) -> Result<ExitCode, Failure> {
    if arguments.strategy.is_some() && arguments.quorum.get().is_some() {
        return Err(Failure::Input(anyhow!(
            "--min-samples and --round-seconds go with --method: a strategy was fitted on searches that wait for all samples"
        )));
    }
    match (&arguments.jsonl, &arguments.strategy) {
        (Some(file), _) => batch::run(arguments, file),
        (None, Some(named)) => strategy::run(arguments, named),
        (None, None) => one(arguments),
    }
}

/// The problem that was typed, or comes from standard input by the name `-`.
pub(crate) fn problem(arguments: &Solve) -> Result<Arc<Problem>, Failure> {
    let mut text = arguments.problem.clone().unwrap_or_default();
    if text.trim() == "-" {
        text = std::io::read_to_string(std::io::stdin())
            .context("cannot read the problem from standard input")
            .map_err(Failure::Input)?;
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Input(anyhow!("the problem is empty")));
    }
    Ok(Arc::new(Problem {
        id: text.to_owned(),
        text: text.to_owned(),
    }))
}

/// What a search needs, from what was typed.
pub(crate) struct Prepared {
    pub(crate) policy: Arc<AnyPolicy>,
    pub(crate) verifier: Option<AnyVerifier>,
    /// As it was named, or by default.
    pub(crate) choice: VerifierChoice,
    pub(crate) plan: Plan,
    pub(crate) selection: Selection,
    pub(crate) sampling: Sampling,
    pub(crate) limits: Limits,
}

impl Prepared {
    /// Can the problem be asked?
    pub(crate) fn check(&self, problem: &Problem) -> Result<(), Failure> {
        self.policy.check(problem).map_err(Failure::input)?;
        if let Some(AnyVerifier::StepChecker(_)) = self.verifier.as_ref().map(AnyVerifier::bare) {
            outthink_micro::domain::Problem::parse(&problem.text).map_err(Failure::input)?;
        }
        Ok(())
    }
}

fn one(arguments: &Solve) -> Result<ExitCode, Failure> {
    let problem = problem(arguments)?;
    let prepared = prepare(arguments)?;
    prepared.check(&problem)?;
    if !arguments.json {
        announce(arguments, &prepared);
    }
    let Prepared {
        policy,
        verifier,
        plan,
        selection,
        ..
    } = &prepared;
    let judge = verifier.as_ref().map(CountedVerifier::new);
    let counted = CountedPolicy::new(policy);
    let quorum = arguments.quorum.get();
    let quorum = quorum.map(|quorum| QuorumPolicy::new(&counted, quorum));
    let tree = block_on(search(
        Arc::clone(&problem),
        plan,
        prepared.sampling,
        prepared.limits,
        arguments.seed,
        match &quorum {
            Some(quorum) => quorum as &dyn Policy,
            None => &counted,
        },
        judge.as_ref().map(|judge| judge as &dyn Verifier),
    ))?;
    let domain = arguments.domain.get();
    let solutions = tree.solutions();
    let chosen = block_on(selection.choose(&problem, &solutions, domain))?;
    let read = verifier.as_ref().map(|own| (own.cost(), tree.verifier));
    let costs = Spending::of((policy.cost(), tree.policy), read);
    let correct = graded(arguments, &problem, chosen.as_ref())?;
    if arguments.json {
        let report = Report {
            answer: chosen.as_ref().map(|chosen| chosen.answer.clone()),
            correct,
            method: plan.method(),
            n: plan.budget(),
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
                .map(|solution| write(&problem, solution, *selection, domain))
                .collect(),
        };
        crate::print::json(&serde_json::to_string(&report)?);
    } else {
        print(chosen.as_ref(), correct, &solutions, &costs);
    }
    Ok(status(chosen.as_ref()))
}

/// Loads the models and lays out the search. What can be refused without a model is refused before one is loaded.
pub(crate) fn prepare(arguments: &Solve) -> Result<Prepared, Failure> {
    if let Some(method) = arguments.method {
        plan(arguments, method)?;
    }
    if arguments.max_tokens == Some(0) {
        return Err(Failure::Input(anyhow!("--max-tokens must be at least 1")));
    }
    let policy = Arc::new(models::any_policy(&arguments.policy)?);
    let choice = match arguments.method {
        // A vote needs none that was not named.
        Some(method) if !method.needs_verifier() && arguments.verifier.verifier.is_none() => {
            VerifierChoice::of("none")
        }
        _ => models::beside(&policy, &arguments.verifier).into_owned(),
    };
    let mut sampling = policy.sampling();
    sampling.temperature = arguments.temperature.unwrap_or(sampling.temperature);
    sampling.top_p = arguments.top_p.unwrap_or(sampling.top_p);
    let mut limits = policy.limits();
    limits.solution_tokens = arguments.max_tokens.unwrap_or(limits.solution_tokens);
    let verifier = models::verifier_beside(&choice, &|| {
        let spec = arguments.policy.spec();
        let known = models::loader().policy_identity(&policy, &spec);
        let (name, identity) = known.map_err(Box::new)?;
        let own = Candidate::of(Arc::clone(&policy), identity.clone(), sampling, limits);
        Ok(vec![Beside::new(&policy, name, identity).judging(own)])
    })?;
    let pair = Pair {
        steps: policy.takes_steps(),
        verifier: verifier.is_some(),
    };
    let method = arguments.method.unwrap_or_else(|| pair.default_method());
    pair.check(method).map_err(|error| match error {
        Error::NoVerifier { .. } => Failure::Input(anyhow!(
            "{error}; name one with --verifier, or use --method majority"
        )),
        error => Failure::input(error),
    })?;
    policy.takes(method).map_err(Failure::input)?;
    let selection = method
        .selection(arguments.selection)
        .map_err(Failure::input)?;
    if let Some(reason) = verifier
        .as_ref()
        .and_then(|verifier| models::mismatch(&policy, verifier))
    {
        eprintln!("warning: {reason}");
    }
    if arguments.method.is_none() && arguments.verifier.verifier.is_none() && verifier.is_none() {
        eprintln!("{NO_VERIFIER}");
    }
    Ok(Prepared {
        plan: plan(arguments, method)?,
        policy,
        verifier,
        choice,
        selection,
        sampling,
        limits,
    })
}

/// What is said where a policy has no verifier and none was named.
pub(crate) const NO_VERIFIER: &str =
    "no verifier named: majority vote. Name a PRM with --verifier for best-of-N or beam search.";

fn plan(arguments: &Solve, method: AnyMethod) -> Result<Plan, Failure> {
    let budget = match arguments.budget {
        Some(budget) => samples(budget)?,
        None => method.default_budget(),
    };
    let width = arguments.width.unwrap_or_else(|| Plan::usual_width(budget));
    Plan::new(method, budget, width, arguments.finished).map_err(Failure::input)
}

/// A budget that was typed, as a number of solutions.
pub(crate) fn samples(budget: f64) -> Result<usize, Failure> {
    if budget.fract() > 0.0 {
        return Err(Failure::Input(anyhow!(
            "--budget is a number of solutions, not {budget}"
        )));
    }
    if budget > Plan::LARGEST as f64 {
        return Err(Failure::Input(anyhow!(
            "--budget {budget:e} is too large: at most {} solutions",
            Plan::LARGEST
        )));
    }
    Ok(budget as usize)
}

fn announce(arguments: &Solve, prepared: &Prepared) {
    let Prepared {
        policy,
        verifier,
        plan,
        selection,
        ..
    } = prepared;
    let method = plan.method();
    match *selection {
        Selection::Majority => println!("plan       {plan} ({method})"),
        selection => println!("plan       {plan} ({method}, {selection})"),
    }
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
            prepared.choice.name()
        );
    }
}

/// An answer is a success; none is a failure on the way.
pub(crate) fn status(chosen: Option<&Chosen>) -> ExitCode {
    match chosen {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

/// Is the answer the one that was given as right, if one was?
pub(crate) fn graded(
    arguments: &Solve,
    problem: &Problem,
    chosen: Option<&Chosen>,
) -> Result<Option<bool>, Failure> {
    let Some(gold) = &arguments.gold else {
        return Ok(None);
    };
    let Some(chosen) = chosen else {
        return Ok(Some(false));
    };
    let right = chosen.is_right(problem, gold, arguments.domain.get());
    Ok(Some(block_on(right)?))
}

pub(crate) fn write(
    problem: &Problem,
    solution: &Solution,
    selection: Selection,
    domain: &dyn Domain,
) -> Written {
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
        answer: domain.extract(problem, &solution.text()),
        score: selection.score(solution),
        count: solution.count,
    }
}

/// The solution that is shown: that of the answer, or where there is no answer the best by reward, or else the first.
pub(crate) fn shown(chosen: Option<&Chosen>, solutions: &[Solution]) -> Option<usize> {
    let reward = |own: &usize| {
        let last = solutions[*own].rewards.last();
        last.copied().unwrap_or(f64::NEG_INFINITY)
    };
    match chosen {
        Some(chosen) => Some(chosen.solution),
        // Of equals the first.
        None => (0..solutions.len())
            .rev()
            .max_by(|a, b| reward(a).total_cmp(&reward(b))),
    }
}

pub(crate) fn print(
    chosen: Option<&Chosen>,
    correct: Option<bool>,
    solutions: &[Solution],
    costs: &Spending,
) {
    if let Some(place) = shown(chosen, solutions) {
        let solution = &solutions[place];
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
    let drawn: usize = solutions.iter().map(|solution| solution.count).sum();
    match chosen {
        Some(chosen) => {
            match outthink_answer::draw_grid(&chosen.answer) {
                Some(drawn) => println!("answer{verdict}\n{drawn}"),
                None => println!("answer     {}{verdict}", chosen.answer),
            }
            // One sample agrees with itself.
            if drawn > 1 {
                println!("agreement  {:.0} %", chosen.agreement * 100.0);
            }
        }
        None if solutions.is_empty() => println!("answer     none was found{verdict}"),
        None => println!(
            "answer     none was found in {}; one of them is above{verdict}",
            counted(drawn, "reply", "replies")
        ),
    }
    if is_distrusted(solutions) {
        println!("trust      low: no solution has a reward above {TRUSTED}");
    }
    let Spending {
        policy, verifier, ..
    } = costs;
    let flops = match (costs.flops_paper, costs.flops_full) {
        (Some(paper), Some(full)) => format!(
            "{} FLOP in total ({} by the paper's count)",
            short(full),
            short(paper)
        ),
        _ => "FLOP unknown: servers do not tell a model's size (in a recipe, `parameters` does)"
            .into(),
    };
    let guessed = match policy.estimated + verifier.estimated {
        0 => "",
        _ => " (some counted here: the server did not tell)",
    };
    println!(
        "cost       {} tokens generated, {} computed by the policy, {} by the verifier{guessed}; {flops}",
        policy.generated, policy.computed, verifier.computed,
    );
}

/// Were solutions scored, and none of them well?
fn is_distrusted(solutions: &[Solution]) -> bool {
    let last = solutions
        .iter()
        .filter_map(|solution| solution.rewards.last());
    let best = last.copied().reduce(f64::max);
    best.is_some_and(|reward| reward <= TRUSTED)
}

/// A number with its noun.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
