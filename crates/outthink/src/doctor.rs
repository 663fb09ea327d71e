//! `outthink doctor` and `outthink models`: what there is, and whether it fits.

use std::process::ExitCode;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{ModelCost, Prefix, Problem, Step};
use outthink_micro::family::Member;
use outthink_prompt::Profile;

use crate::cli::Doctor;
use crate::failure::Failure;
use crate::hub::cached_models;
use crate::models::{self, AnyVerifier};
use crate::table::short;

/// A problem that every family can say, with a right and a wrong solution.
const PROBLEM: &str = "Evaluate $7+8$.";
const RIGHT: [&str; 2] = ["$7+8=15$.", "The answer is $\\boxed{15}$."];
const WRONG: [&str; 2] = ["$7+8=16$.", "The answer is $\\boxed{16}$."];

/// Counts what does not fit.
#[derive(Default)]
struct Checks {
    failed: usize,
}

impl Checks {
    fn say(&mut self, what: &str, result: Result<String, String>) {
        match result {
            Ok(detail) => println!("  ok    {what}: {detail}"),
            Err(detail) => {
                self.failed += 1;
                println!("  FAIL  {what}: {detail}");
            }
        }
    }
}

pub(crate) fn run(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let mut checks = Checks::default();
    if let Some(name) = &arguments.policy {
        policy(name, arguments.policy_profile.as_deref(), &mut checks)?;
    }
    if let Some(name) = &arguments.verifier {
        verifier(name, arguments.verifier_profile.as_deref(), &mut checks)?;
    }
    println!(
        "{}",
        if checks.failed == 0 {
            "all checks passed".to_owned()
        } else {
            format!("{} checks failed", checks.failed)
        }
    );
    Ok(if checks.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn describe(kind: &str, name: &str, profile: &str, cost: ModelCost, context: usize) {
    println!("{kind} {name}");
    println!(
        "  {} parameters, {} layers, context {context}, profile {profile}",
        short(cost.parameters as f64),
        cost.layers
    );
    match free_memory() {
        Some(free) => println!(
            "  {} bytes of memory are free now that it is loaded",
            short(free as f64)
        ),
        None => println!("  free memory: unknown on this system"),
    }
}

fn policy(name: &str, profile: Option<&str>, checks: &mut Checks) -> Result<(), Failure> {
    let policy = models::policy(name, profile)?;
    describe(
        "policy",
        name,
        policy.profile_name(),
        policy.cost(),
        policy.context(),
    );
    let profile = policy.profile();
    println!(
        "  asked with {:?}, steps end at {:?}",
        profile.system.as_deref().unwrap_or("no system message"),
        profile.step_separator
    );
    let problem = problem();
    let prompt = policy.prompt(&problem);
    checks.say(
        "the chat template holds the problem whole",
        prompt
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|prompt| {
                let text: String = prompt
                    .iter()
                    .map(|&token| policy.token_text(token))
                    .collect();
                if text.contains(PROBLEM) {
                    Ok(format!("{} tokens", prompt.len()))
                } else {
                    Err(text)
                }
            }),
    );
    let room = prompt.map_or(0, |prompt| policy.context().saturating_sub(prompt.len()));
    let wanted = profile.solution_tokens;
    checks.say(
        "the context holds a solution",
        if room >= wanted.min(policy.context() / 2) {
            Ok(format!("{room} tokens are left after the question"))
        } else {
            Err(format!(
                "{room} tokens are left after the question, the profile allows {wanted}"
            ))
        },
    );
    Ok(())
}

fn verifier(name: &str, profile: Option<&str>, checks: &mut Checks) -> Result<(), Failure> {
    let Some(AnyVerifier::Model(model)) = models::verifier(name, profile)? else {
        println!("verifier {name}\n  nothing to load");
        return Ok(());
    };
    describe(
        "verifier",
        name,
        model.profile_name(),
        model.cost(),
        model.context(),
    );
    let prefix = |steps: [&str; 2]| {
        let step = |text: &str| {
            Arc::new(Step {
                text: text.into(),
                tokens: Vec::new(),
                logprob: 0.0,
            })
        };
        Prefix {
            problem: problem(),
            steps: steps.map(step).into(),
            complete: true,
        }
    };
    let scores = block_on(outthink_core::Verifier::score(
        &*model,
        vec![prefix(RIGHT), prefix(WRONG)],
    ));
    checks.say(
        "a right solution scores above a wrong one",
        scores
            .map_err(|error| error.to_string())
            .and_then(|judgements| {
                let [right, wrong] = &judgements[..] else {
                    return Err("not two judgements".into());
                };
                let shown = format!("{:.3?} and {:.3?}", right.rewards, wrong.rewards);
                let last = |rewards: &[f64]| rewards.last().copied().unwrap_or(f64::NAN);
                if last(&right.rewards) > last(&wrong.rewards) {
                    Ok(shown)
                } else {
                    Err(shown)
                }
            }),
    );
    Ok(())
}

fn problem() -> Arc<Problem> {
    Arc::new(Problem {
        id: "doctor".into(),
        text: PROBLEM.into(),
    })
}

/// What the system says is available, in bytes.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

pub(crate) fn list() -> Result<(), Failure> {
    println!("embedded");
    for member in Member::all() {
        println!("  {:<22}{}", member.name, member.summary);
    }
    println!(
        "\nprofiles (chosen by architecture and tokens; --policy-profile and --verifier-profile override)"
    );
    for profile in Profile::built_in()? {
        let roles = match (&profile.policy, &profile.verifier) {
            (Some(_), Some(_)) => "policy, verifier",
            (Some(_), None) => "policy",
            _ => "verifier",
        };
        let detect = &profile.detect;
        let known = if detect.architectures.is_empty() {
            "by name only".into()
        } else {
            detect.architectures.join(", ")
        };
        println!("  {:<22}{roles:<18}{known}", profile.name);
    }
    let cached = cached_models();
    println!("\nin the hub's cache");
    if cached.is_empty() {
        println!("  nothing");
    }
    for id in cached {
        println!("  {id}");
    }
    Ok(())
}
