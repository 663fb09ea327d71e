//! `outthink doctor` and `outthink models`: what there is, and whether it fits.

mod speed;

use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::Arc;

use self::speed::Speed;
use futures::executor::block_on;
use outthink_core::{
    AnyMethod, Continuation, ModelCost, Pair, Prefix, Problem, Sampling, Step, Usage,
};
use outthink_engine::{Bytes, EmbeddedPolicy, instructions, threads};
use outthink_micro::Experts;
use outthink_micro::domain::Kind;
use outthink_micro::family::{Family, GRID, MICRO, Member};
use outthink_models::ModelSpec;
use outthink_models::hub::cached_models;
use outthink_prompt::{Message, Profile};
use outthink_remote::{Facts, RemotePolicy, Role};

use crate::cli::{Doctor, PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::models::{self, AnyPolicy, AnyVerifier};
use outthink_lab::short;

/// A problem, with a right and a wrong solution.
struct Example {
    problem: &'static str,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
}

/// One that every family but that for grids can say.
const SUM: Example = Example {
    problem: MICRO.example,
    right: &["$7+8=15$.", "The answer is $\\boxed{15}$."],
    wrong: &["$7+8=16$.", "The answer is $\\boxed{16}$."],
};
const FILLED: Example = Example {
    problem: GRID.example,
    right: &[
        "\\boxed{123456",
        "456123",
        "214365",
        "365214",
        "531642",
        "642531}",
    ],
    wrong: &[
        "\\boxed{123454",
        "456123",
        "214365",
        "365214",
        "531642",
        "642531}",
    ],
};

impl Example {
    /// What a model under this profile can read.
    fn of(profile: Option<&str>) -> Self {
        match profile.and_then(Family::of_profile) {
            Some(family) if family.kind == Some(Kind::Grid) => FILLED,
            _ => SUM,
        }
    }

    fn problem(&self) -> Arc<Problem> {
        Arc::new(Problem {
            id: "doctor".into(),
            text: self.problem.into(),
        })
    }
}

/// Says what fits, and counts what does not.
#[derive(Default)]
struct Checks {
    failed: usize,
    limited: usize,
    /// Is what is named or set wrong, as a key that a server refuses?
    is_input: bool,
}

impl Checks {
    fn say(&mut self, what: &str, result: Result<String, String>) {
        match result {
            Ok(detail) => println!("  ok       {what}: {detail}"),
            Err(detail) => {
                self.failed += 1;
                println!("  FAIL     {what}: {detail}");
            }
        }
    }

    /// Says what works, but not all of it, or less well.
    fn limited(&mut self, what: &str) {
        self.limited += 1;
        println!("  limited  {what}");
    }
}

pub(crate) fn run(arguments: &Doctor) -> Result<ExitCode, Failure> {
    let Doctor {
        policy: asked,
        verifier: scorer,
    } = arguments;
    let mut checks = Checks::default();
    // What is named is checked, or else what is there without a name.
    let drawer = match asked.policy.is_some() || scorer.verifier.is_none() {
        true => Some(policy(asked, &mut checks)?),
        false => None,
    };
    let choice = match &drawer {
        Some(drawer) => models::beside(drawer, scorer),
        None => Cow::Borrowed(scorer),
    };
    let choice = models::by_name(choice, asked);
    let judge = verifier(drawer.as_ref(), asked, &choice, &mut checks)?;
    if let Some(drawer) = &drawer {
        together(drawer, judge.as_ref(), &mut checks);
    }
    match checks.failed {
        0 if checks.limited > 0 => println!("it works, within the limits above"),
        0 => println!("all checks passed"),
        1 => println!("1 check failed"),
        failed => println!("{failed} checks failed"),
    }
    Ok(match (checks.failed, checks.is_input) {
        (0, _) => ExitCode::SUCCESS,
        (_, true) => ExitCode::from(2),
        (_, false) => ExitCode::FAILURE,
    })
}

/// What policy and verifier can do together.
fn together(policy: &AnyPolicy, verifier: Option<&AnyVerifier>, checks: &mut Checks) {
    println!("together");
    if let Some(reason) = verifier.and_then(|verifier| models::mismatch(policy, verifier)) {
        checks.say("the verifier knows the policy's problems", Err(reason));
    }
    let pair = Pair {
        steps: policy.takes_steps(),
        verifier: verifier.is_some(),
    };
    let names = |fits: &dyn Fn(&AnyMethod) -> bool| {
        let names = AnyMethod::all()
            .into_iter()
            .filter(fits)
            .map(AnyMethod::name);
        names.collect::<Vec<&str>>().join(", ")
    };
    let usable = |method: &AnyMethod| {
        pair.check(*method)
            .and_then(|()| policy.takes(*method))
            .is_ok()
    };
    checks.say("methods that work", Ok(names(&usable)));
    let takes_up = |method: &AnyMethod| method.is_stepwise() || method.traits().live;
    let no_steps = |method: &AnyMethod| takes_up(method) && !pair.steps;
    if !pair.steps {
        checks.limited(&format!(
            "{} are not available because the policy's server only writes whole answers, and these continue an answer step by step (vLLM, SGLang and llama.cpp's server can)",
            names(&no_steps)
        ));
    }
    if !pair.verifier {
        let unscored = |method: &AnyMethod| method.needs_verifier() && !no_steps(method);
        checks.limited(&format!(
            "without a verifier there is no {}; name a PRM with --verifier",
            names(&unscored)
        ));
    }
}

/// Does the model fit into memory? Told before it is loaded, which may take long, or everything.
fn memory(spec: &ModelSpec, checks: &mut Checks) -> Result<(), Failure> {
    let checkpoint = models::loader().checkpoint_of(&spec.model, spec)?;
    let kept = checkpoint.kept_in().map_err(Failure::input)?;
    let kept: Vec<String> = kept
        .into_iter()
        .filter(|(_, share)| *share >= 0.005)
        .map(|(name, share)| format!("{name} ({:.0} %)", 100.0 * share))
        .collect();
    println!(
        "  weights kept in {}; computed with {}, {} threads",
        kept.join(", "),
        instructions(),
        threads()
    );
    // What does not fit, loading it says.
    if let Ok(plan) = checkpoint.memory_plan() {
        let [total, weights, tree, passes] = [
            plan.total(),
            plan.weights,
            plan.tree,
            plan.activations + plan.logits,
        ]
        .map(Bytes);
        let plan = format!(
            "at most {total}: {weights} of weights, {tree} of keys and values, {passes} of a pass"
        );
        checks.say("it fits into memory", Ok(plan));
    }
    Ok(())
}

fn describe(profile: &str, cost: ModelCost, context: usize) {
    println!(
        "  {} parameters, {} layers, context {context}, profile {profile}",
        short(cost.parameters as f64),
        cost.layers
    );
}

fn policy(choice: &PolicyChoice, checks: &mut Checks) -> Result<AnyPolicy, Failure> {
    println!("policy {}", choice.name());
    if let Some(policy) = models::remote_policy(choice)? {
        remote_policy(&policy, checks);
        return Ok(AnyPolicy::Remote(policy));
    }
    if Experts::find(choice.name()).is_some() {
        let policy = models::any_policy(choice)?;
        if let AnyPolicy::Experts(pair) = &policy {
            for one in pair.experts.both() {
                embedded_policy(one, checks);
            }
        }
        return Ok(policy);
    }
    memory(&choice.spec(), checks)?;
    let policy = models::policy(choice)?;
    embedded_policy(&policy, checks);
    if models::loader()
        .checkpoint(choice.name(), choice.dtype)?
        .template
        .contains("strftime_now")
    {
        println!(
            "  the chat template states the date: it is given 26 July 2024 on every day, so that runs can be repeated"
        );
    }
    Ok(AnyPolicy::Model(Box::new(policy)))
}

fn embedded_policy(policy: &EmbeddedPolicy, checks: &mut Checks) {
    describe(policy.profile_name(), policy.cost(), policy.context());
    let profile = policy.profile();
    println!(
        "  asked with {:?}, steps end at {:?}",
        profile.system.as_deref().unwrap_or("no system message"),
        profile.step_separator
    );
    let example = Example::of(Some(policy.profile_name()));
    let prompt = policy.prompt(&example.problem());
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
                if text.contains(example.problem) {
                    Ok(format!("{} tokens", prompt.len()))
                } else {
                    Err(text)
                }
            }),
    );
    if let Ok(prompt) = &prompt {
        checks.say(
            "BOS token, as the model was trained with",
            beginnings(policy, prompt),
        );
    }
    if let Ok(prompt) = &prompt {
        checks.say(
            "how fast it draws",
            Speed::measure(policy, prompt).map(|speed| speed.told()),
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
}

/// What a server said it is.
fn tell(facts: &Facts) {
    let kind = facts.dialect.description();
    let version = match &facts.version {
        Some(version) => format!(" {version}"),
        None => " (version not reported)".into(),
    };
    let context = match facts.context {
        Some(tokens) => format!("context of {tokens} tokens"),
        None => "context length not reported".into(),
    };
    let slots = match facts.slots {
        Some(slots) => format!("{slots} requests at once"),
        None => "concurrency found by trying".into(),
    };
    let caching = match facts.prefix_caching {
        Some(true) => "prefix caching on",
        Some(false) => "prefix caching off",
        None => "prefix caching not reported",
    };
    println!("  {}", facts.endpoint);
    println!(
        "    {kind}{version}, model {}, {context}, {slots}, {caching}",
        facts.model
    );
}

fn remote_policy(policy: &RemotePolicy, checks: &mut Checks) {
    policy.facts().iter().for_each(tell);
    println!("  profile {}", policy.profile_name());
    let seeds = [1, 1, 2, 2, 3, 3, 4, 4];
    let question = Example::of(Some(policy.profile_name())).problem;
    let ask = |seeds: &[u64]| {
        let messages = vec![Message::new("user", question)];
        policy.converse(messages, seeds.to_vec(), Sampling::at(1.0), 32)
    };
    // A chat-only server gives all samples of a request under one seed.
    let at_once = if policy.takes_steps() { seeds.len() } else { 1 };
    let conversed: Result<Vec<_>, _> = seeds.chunks(at_once).map(ask).collect();
    let conversed = match conversed {
        Ok(conversed) => conversed,
        Err(error) => {
            checks.is_input |= error.is_configuration();
            return checks.say("it answers a question", Err(error.to_string()));
        }
    };
    let prompt = conversed.first().map_or(0, |(prompt, ..)| prompt.len());
    let usage: Usage = conversed.iter().map(|(.., usage)| *usage).sum();
    let drawn: Vec<Continuation> = conversed
        .into_iter()
        .flat_map(|(_, drawn, _)| drawn)
        .collect();
    checks.say(
        "it answers a question",
        Ok(match policy.takes_steps() {
            true => {
                format!("sent as {prompt} token ids, so an answer can be continued from any step")
            }
            false => "with whole answers".into(),
        }),
    );
    let texts: Vec<String> = drawn
        .iter()
        .map(|own| own.steps.iter().map(|step| step.text.as_str()).collect())
        .collect();
    let pairs = texts.chunks_exact(2);
    match pairs.filter(|pair| pair[0] == pair[1]).count() {
        _ if texts.iter().all(|text| *text == texts[0]) => checks.limited(&format!(
            "this question got the same {} samples whatever the seed, so whether a seed repeats a run is not known",
            texts.len()
        )),
        0 => checks.limited("runs cannot be repeated: the server ignores seeds"),
        4 => checks.say(
            "the same seed gives the same sample",
            Ok("4 times of 4".into()),
        ),
        some => checks.limited(&format!(
            "the same seed gave the same sample {some} times of 4: what else the server computes changes a sample now and then"
        )),
    }
    match usage.estimated {
        0 => checks.say(
            "it reports what it computed and what it had cached",
            Ok(format!(
                "{} of {} prompt tokens cached",
                usage.cached, usage.prompt
            )),
        ),
        _ => checks.limited(
            "costs are estimates: the server does not report all token counts (vLLM does with --enable-prompt-tokens-details)",
        ),
    }
}

/// The token that begins a text, where the family has one, stands at the front, once. Further on it may open turns, as
/// ChatML's does.
fn beginnings(policy: &EmbeddedPolicy, prompt: &[u32]) -> Result<String, String> {
    let Some((token, expected)) = policy.bos() else {
        return Ok("none expected, none added".into());
    };
    let front = prompt.iter().take_while(|&&own| own == token).count();
    match front {
        1 if prompt[1..].contains(&token) => Ok(format!("token {token}, which opens every turn")),
        1 => Ok(format!("token {token}")),
        0 if !expected => Ok("the chat template adds none".into()),
        0 => Err(format!("token {token} is missing")),
        more => Err(format!("token {token} stands there {more} times")),
    }
}

fn verifier(
    policy: Option<&AnyPolicy>,
    asked: &PolicyChoice,
    choice: &VerifierChoice,
    checks: &mut Checks,
) -> Result<Option<AnyVerifier>, Failure> {
    println!("verifier {}", choice.name());
    if choice.name() == models::STEP_CHECKER {
        println!("  exact, for the problems of the embedded micro models");
        return models::verifier(choice);
    }
    if choice.name() == "none" {
        return Ok(None);
    }
    let is_served = models::is_served(choice.name(), Role::Verifier)?;
    let is_own = Experts::find(choice.name()).is_none()
        && !outthink_models::is_probe(choice.name())
        && !choice.name().ends_with(".toml");
    if !is_served && is_own {
        let spec = choice.spec();
        let model = models::policy_of(&spec.model)
            .unwrap_or(&spec.model)
            .to_owned();
        memory(&ModelSpec { model, ..spec }, checks)?;
    }
    let model = match policy {
        Some(policy) => models::verifier_of(policy, asked, choice)?,
        None => models::verifier(choice)?,
    };
    let Some(model) = model else {
        return Ok(None);
    };
    match model.bare() {
        AnyVerifier::Model(model) => {
            describe(model.profile_name(), model.cost(), model.context());
        }
        AnyVerifier::Experts { experts, .. } => {
            for model in experts.both() {
                describe(model.profile_name(), model.cost(), model.context());
            }
        }
        AnyVerifier::Remote(servers) => {
            servers.facts().iter().for_each(tell);
            println!(
                "  profile {}, rewards by {}",
                servers.profile_name(),
                servers.method()
            );
        }
        AnyVerifier::Combined(several) => {
            let (weights, bias) = several.combined.weights();
            for (spec, weight) in several.specs.iter().zip(weights) {
                println!("  {} with a weight of {weight:.3}", spec.model);
            }
            println!("  bias {bias:.3}");
        }
        AnyVerifier::Probe(probe) => println!(
            "  a probe on the states of {} ({} numbers in its head)",
            probe.policy,
            probe.verifier.probe().head.parameters()
        ),
        AnyVerifier::Generative(_) => println!("  a policy that is asked for its verdict"),
        AnyVerifier::StepChecker(_) | AnyVerifier::Calibrated(_) => {}
    }
    let names = model.profile_name().map(|name| name.split('+').map(Some));
    match names {
        Some(names) => {
            names.for_each(|name| tells_right_from_wrong(&model, Example::of(name), checks))
        }
        None => {
            // A probe reads what its policy can.
            let name = match model.bare() {
                AnyVerifier::Probe(probe) => Some(probe.verifier.policy().profile_name()),
                _ => None,
            };
            tells_right_from_wrong(&model, Example::of(name), checks);
        }
    }
    Ok(Some(model))
}

fn tells_right_from_wrong(model: &AnyVerifier, example: Example, checks: &mut Checks) {
    let prefix = |steps: &[&str]| {
        let step = |text: &str| Arc::new(Step::written(text));
        Prefix {
            problem: example.problem(),
            steps: steps.iter().copied().map(step).collect(),
            complete: true,
        }
    };
    let scores = block_on(outthink_core::Verifier::score(
        model,
        vec![prefix(example.right), prefix(example.wrong)],
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
