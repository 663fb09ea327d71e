//! `outthink doctor` and `outthink models`: what there is, and whether it fits.

use std::process::ExitCode;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{Continuation, ModelCost, Prefix, Problem, Sampling, Step};
use outthink_engine::{EmbeddedPolicy, Precision};
use outthink_micro::family::Member;
use outthink_prompt::{Message, Profile};
use outthink_remote::{Facts, RemotePolicy, Role};

use crate::cli::{Doctor, PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::hub::cached_models;
use crate::models::{self, AnyVerifier};
use outthink_lab::short;

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
    let Doctor {
        policy: asked,
        verifier: scorer,
    } = arguments;
    let mut checks = Checks::default();
    // What is named is checked, or else what is there without a name.
    if asked.policy.is_some() || scorer.verifier.is_none() {
        policy(asked, &mut checks)?;
    }
    if scorer.verifier.is_some() || asked.policy.is_none() {
        verifier(scorer, &mut checks)?;
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

/// Does the model fit into memory? Told before it is loaded, which may take long, or everything.
fn memory(name: &str, precision: Precision, checks: &mut Checks) -> Result<(), Failure> {
    let needed = models::checkpoint(name, precision)?
        .memory()
        .map_err(Failure::input)?;
    let Some(free) = free_memory() else {
        println!(
            "  {}B of memory needed; how much is free is unknown on this system",
            short(needed as f64)
        );
        return Ok(());
    };
    let told = format!(
        "{}B needed, {}B free",
        short(needed as f64),
        short(free as f64)
    );
    checks.say(
        "its weights fit into memory",
        if needed <= free { Ok(told) } else { Err(told) },
    );
    Ok(())
}

fn describe(profile: &str, cost: ModelCost, context: usize) {
    println!(
        "  {} parameters, {} layers, context {context}, profile {profile}",
        short(cost.parameters as f64),
        cost.layers
    );
}

fn policy(choice: &PolicyChoice, checks: &mut Checks) -> Result<(), Failure> {
    println!("policy {}", choice.name());
    if let Some(servers) = models::servers(choice.name(), Role::Policy)? {
        return remote_policy(&models::remote_policy(&servers, choice)?, checks);
    }
    memory(choice.name(), choice.dtype, checks)?;
    let policy = models::policy(choice)?;
    describe(policy.profile_name(), policy.cost(), policy.context());
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
    if let Ok(prompt) = &prompt {
        checks.say(
            "one beginning of text, as the model was trained with",
            beginnings(&policy, prompt),
        );
    }
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

/// What a server said it is.
fn tell(facts: &Facts) {
    let or_unknown = |known: Option<String>| known.unwrap_or_else(|| "unknown".into());
    let caching = match facts.prefix_caching {
        Some(true) => "on",
        Some(false) => "off",
        None => "unknown",
    };
    println!("  {}", facts.endpoint);
    println!(
        "    {} {}, model {}, context {}, {} at once, prefix caching {caching}",
        facts.dialect,
        or_unknown(facts.version.clone()),
        facts.model,
        or_unknown(facts.context.map(|n| n.to_string())),
        facts
            .slots
            .map_or("as many as it batches".into(), |n| n.to_string()),
    );
}

fn remote_policy(policy: &RemotePolicy, checks: &mut Checks) -> Result<(), Failure> {
    policy.facts().iter().for_each(tell);
    println!("  profile {}", policy.profile_name());
    checks.say(
        "it continues an answer by token ids, as beam search and DVTS need",
        match policy.takes_steps() {
            true => Ok("yes".into()),
            false => Err("no: only majority and best-of-n work".into()),
        },
    );
    let (prompt, drawn, usage) = policy.converse(
        vec![Message::new("user", PROBLEM)],
        vec![1, 1, 2, 2, 3, 3, 4, 4],
        Sampling::at(1.0),
        32,
    )?;
    if policy.takes_steps() {
        checks.say(
            "a conversation becomes token ids",
            Ok(format!("{} tokens", prompt.len())),
        );
    }
    let pairs = drawn.chunks_exact(2);
    let same = |pair: &[Continuation]| pair[0].steps == pair[1].steps;
    checks.say(
        "the same seed gives the same draw",
        match pairs.clone().filter(|pair| same(pair)).count() {
            0 => Err("it ignores seeds: runs cannot be repeated".into()),
            4 => Ok("always".into()),
            some => Ok(format!(
                "{some} of 4 times; what else it computes at the time sways a draw now and then"
            )),
        },
    );
    checks.say(
        "the server tells what it computed and what it had cached",
        match usage.estimated {
            0 => Ok(format!(
                "{} of {} prompt tokens cached",
                usage.cached, usage.prompt
            )),
            _ => Err("no: costs are estimates (vLLM: --enable-prompt-tokens-details)".into()),
        },
    );
    Ok(())
}

/// The token that begins a text, where the family has one, stands at the front, once. What comes later is the template's
/// business: in ChatML it begins every turn.
fn beginnings(policy: &EmbeddedPolicy, prompt: &[u32]) -> Result<String, String> {
    let Some((token, expected)) = policy.bos() else {
        return Ok("this family has none".into());
    };
    let leading = prompt.iter().take_while(|&&first| first == token).count();
    let more = prompt.iter().filter(|&&other| other == token).count() - leading;
    match (leading, more) {
        (1, 0) => Ok(format!("token {token}")),
        (1, _) => Ok(format!("token {token}, which begins other turns too")),
        (0, _) if !expected => Ok("its template puts none".into()),
        (0, _) => Err(format!(
            "its template does not put token {token} at the front"
        )),
        (times, _) => Err(format!("token {token} stands at the front {times} times")),
    }
}

fn verifier(choice: &VerifierChoice, checks: &mut Checks) -> Result<(), Failure> {
    println!("verifier {}", choice.name());
    if matches!(choice.name(), "none" | models::STEP_CHECKER) {
        println!("  nothing to load");
        return Ok(());
    }
    if models::servers(choice.name(), Role::Verifier)?.is_none() {
        memory(choice.name(), choice.verifier_dtype, checks)?;
    }
    let Some(model) = models::verifier(choice)? else {
        return Ok(());
    };
    match model.bare() {
        AnyVerifier::Model(model) => {
            describe(model.profile_name(), model.cost(), model.context());
        }
        AnyVerifier::Remote(servers) => {
            servers.facts().iter().for_each(tell);
            println!(
                "  profile {}, rewards by {}",
                servers.profile_name(),
                servers.method()
            );
        }
        AnyVerifier::StepChecker(_) | AnyVerifier::Calibrated(_) => {}
    }
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
        &model,
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
