//! From what was typed to loaded models.

mod files;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::future::BoxFuture;
use outthink_core::{
    AnyMethod, Extension, Halt, Judgement, ModelCost, ModelError, Pair, Policy, Prefix, Problem,
    Reply, Sampling, Verifier,
};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier, Precision};
use outthink_lab::audit::{Calibrated, CalibrationFile};
use outthink_micro::domain::{self, Kind};
use outthink_micro::family::{Family, Member};
use outthink_micro::{Experts, StepChecker, experts};
use outthink_prompt::{PolicyProfile, Profile, PromptFiles};
use outthink_remote::{Config, Facts, Notice, RemotePolicy, RemoteVerifier, Role, Servers};
use serde_json::{Value, json};

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::digest::digest;
use crate::failure::Failure;
use crate::hub::HubId;

pub(crate) use files::checkpoint;

/// What is said of a problem that the micro family cannot read.
const FOREIGN: &str = r"the embedded models only know `Evaluate $(17+19)\cdot 4-16$.`, `Solve $5x-7=23$ for $x$.` and recurrences (`outthink micro generate --seed 1 --count 5` shows some), and with --policy grid-90k grids. For anything else name a model with --policy: a folder, a .gguf file, a hub id or http://host:port/v1";

/// What is said of a problem that the grid family cannot read.
const NO_GRID: &str = "the embedded grid models only know `Fill the grid:` and six lines of six digits or `.` (`outthink micro generate --kind grid --seed 1 --count 5` shows some). For anything else name another model with --policy";

/// The exact step checker's name.
pub(crate) const STEP_CHECKER: &str = "step-checker";

/// A policy of any make.
pub(crate) enum AnyPolicy {
    Model(Box<EmbeddedPolicy>),
    Experts(Box<PolicyExperts>),
    Remote(RemotePolicy),
}

/// One policy for arithmetic and one for grids, with a profile that has room for both.
pub(crate) struct PolicyExperts {
    pub(crate) experts: Experts<Arc<EmbeddedPolicy>>,
    profile: PolicyProfile,
    profile_name: String,
}

impl PolicyExperts {
    fn new(experts: Experts<Arc<EmbeddedPolicy>>) -> Self {
        let [first, second] = experts.both();
        let (own, other) = (first.profile(), second.profile());
        Self {
            profile: PolicyProfile {
                draw_tokens: own.draw_tokens.max(other.draw_tokens),
                solution_tokens: own.solution_tokens.max(other.solution_tokens),
                steps: own.steps.max(other.steps),
                ..own.clone()
            },
            profile_name: both(first.profile_name(), second.profile_name()),
            experts,
        }
    }
}

/// What two models are called together.
fn both(first: &str, second: &str) -> String {
    format!("{first}+{second}")
}

impl AnyPolicy {
    pub(crate) fn profile_name(&self) -> &str {
        match self {
            Self::Model(model) => model.profile_name(),
            Self::Experts(pair) => &pair.profile_name,
            Self::Remote(servers) => servers.profile_name(),
        }
    }

    pub(crate) fn profile(&self) -> &PolicyProfile {
        match self {
            Self::Model(model) => model.profile(),
            Self::Experts(pair) => &pair.profile,
            Self::Remote(servers) => servers.profile(),
        }
    }

    /// The profile's way of drawing.
    pub(crate) fn sampling(&self) -> Sampling {
        match self {
            Self::Model(model) => model.sampling(),
            // The families draw alike.
            Self::Experts(pair) => pair.experts.arithmetic.sampling(),
            Self::Remote(servers) => servers.sampling(),
        }
    }

    /// The model's shape, as far as it is known.
    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::Experts(pair) => Some(experts::cost(
                pair.experts.both().map(|policy| policy.cost()),
            )),
            Self::Remote(servers) => told(servers.facts()),
        }
    }

    /// Can it continue an answer from any step? A chat-only server writes whole answers.
    pub(crate) fn takes_steps(&self) -> bool {
        match self {
            Self::Model(_) | Self::Experts(_) => true,
            Self::Remote(servers) => servers.takes_steps(),
        }
    }

    /// Can the method be used, with whichever verifier?
    pub(crate) fn takes(&self, method: AnyMethod) -> Result<(), Failure> {
        let pair = Pair {
            steps: self.takes_steps(),
            verifier: true,
        };
        pair.check(method).map_err(Failure::input)
    }

    /// The embedded families that it is of, which have problems and verifiers of their own.
    pub(crate) fn families(&self) -> Vec<Family> {
        families(self.profile_name())
    }

    /// The verifier that is asked beside it: the one that is named; else the first of its own family, which only the
    /// embedded policies have.
    pub(crate) fn verifier<'c>(&self, named: &'c VerifierChoice) -> Cow<'c, VerifierChoice> {
        let own: Vec<&str> = match self {
            Self::Remote(_) => Vec::new(),
            _ => self
                .families()
                .iter()
                .filter_map(|family| Some(family.verifiers.first()?.name))
                .collect(),
        };
        match &named.verifier {
            Some(_) => Cow::Borrowed(named),
            None if own.is_empty() => Cow::Owned(VerifierChoice::of("none")),
            None => Cow::Owned(VerifierChoice::of(&own.join("+"))),
        }
    }

    /// Can the problem be asked?
    pub(crate) fn check(&self, problem: &Problem) -> Result<(), Failure> {
        let model = match self {
            Self::Model(model) => model,
            Self::Experts(pair) => {
                return match pair.experts.of(&problem.text).prompt(problem) {
                    Err(error) if is_foreign(&error) => {
                        Err(Failure::Input(anyhow!("{error}; {FOREIGN}")))
                    }
                    asked => asked.map(|_| ()).map_err(Failure::input),
                };
            }
            // A chat-only provider has no tokens to count.
            Self::Remote(servers) if !servers.takes_steps() => return Ok(()),
            Self::Remote(servers) => {
                return servers.prompt(problem).map(|_| ()).map_err(Failure::input);
            }
        };
        match model.prompt(problem) {
            Ok(_) => Ok(()),
            Err(error) if is_foreign(&error) && is_grid(problem) => Err(Failure::Input(anyhow!(
                "{error}; that is a grid, and there are models for grids: --policy grid-90k"
            ))),
            Err(error) if is_foreign(&error) => match self.families().first() {
                Some(family) if family.kind == Some(Kind::Grid) => {
                    Err(Failure::Input(anyhow!("{error}; {NO_GRID}")))
                }
                Some(_) => Err(Failure::Input(anyhow!("{error}; {FOREIGN}"))),
                None => Err(Failure::input(error)),
            },
            Err(error) => Err(Failure::input(error)),
        }
    }
}

impl Policy for AnyPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        match self {
            Self::Model(model) => model.extend(requests),
            Self::Experts(pair) => pair.experts.extend(requests),
            Self::Remote(servers) => servers.extend(requests),
        }
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        match self {
            Self::Model(model) => model.extend_until(requests, halt),
            Self::Experts(pair) => pair.experts.extend_until(requests, halt),
            Self::Remote(servers) => servers.extend_until(requests, halt),
        }
    }
}

/// A verifier of any make.
pub(crate) enum AnyVerifier {
    Model(Box<EmbeddedVerifier>),
    Experts {
        experts: Box<Experts<EmbeddedVerifier>>,
        profile_name: String,
    },
    Remote(RemoteVerifier),
    StepChecker(StepChecker),
    Calibrated(Box<Calibrated<Self>>),
}

impl AnyVerifier {
    /// The verifier without its calibration.
    pub(crate) fn bare(&self) -> &Self {
        match self {
            Self::Calibrated(calibrated) => &calibrated.verifier,
            own => own,
        }
    }

    /// All that its rewards depend on, as studies and calibrations know it.
    pub(crate) fn identity(&self, choice: &VerifierChoice) -> Result<Value, Failure> {
        let dtype = choice.verifier_dtype;
        let mut identity = match self.bare() {
            Self::Remote(servers) => served(servers.model(), servers.facts()),
            Self::StepChecker(_) => json!({"model": STEP_CHECKER, "dtype": dtype.to_string()}),
            _ => local(choice.name(), dtype)?,
        };
        // Identities are hashed, and what is no model has always had no size in them.
        let model = self.cost().filter(|cost| *cost != ModelCost::FREE);
        identity["parameters"] = json!(model.map(|cost| cost.parameters));
        identity["profile"] = json!(self.profile_name());
        if let Some(reference) = &choice.verifier_reference {
            identity["reference"] = local(reference, dtype)?;
        }
        if choice.verifier_windows {
            identity["windows"] = json!(true);
        }
        if let Self::Calibrated(calibrated) = self {
            identity["calibration"] = json!(calibrated.map);
        }
        Ok(identity)
    }

    /// The profile in force; the step checker has none.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Calibrated(calibrated) => calibrated.verifier.profile_name(),
            Self::Model(model) => Some(model.profile_name()),
            Self::Experts { profile_name, .. } => Some(profile_name),
            Self::Remote(servers) => Some(servers.profile_name()),
            Self::StepChecker(_) => None,
        }
    }

    /// The model's shape, as far as it is known; the step checker is no model and computes nothing.
    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::Experts { experts, .. } => {
                Some(experts::cost(experts.both().map(EmbeddedVerifier::cost)))
            }
            Self::Remote(servers) => told(servers.facts()),
            Self::StepChecker(_) => Some(ModelCost::FREE),
            Self::Calibrated(calibrated) => calibrated.verifier.cost(),
        }
    }
}

impl Verifier for AnyVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        match self {
            Self::Model(model) => model.score(prefixes),
            Self::Experts { experts, .. } => experts.score(prefixes),
            Self::Remote(servers) => servers.score(prefixes),
            Self::StepChecker(checker) => checker.score(prefixes),
            Self::Calibrated(calibrated) => calibrated.score(prefixes),
        }
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        match self {
            Self::Model(model) => model.reads(prefix),
            Self::Experts { experts, .. } => experts.reads(prefix),
            Self::Remote(servers) => servers.reads(prefix),
            Self::StepChecker(checker) => checker.reads(prefix),
            Self::Calibrated(calibrated) => calibrated.reads(prefix),
        }
    }
}

fn is_grid(problem: &Problem) -> bool {
    domain::Problem::parse(&problem.text).is_ok_and(|own| own.kind == Kind::Grid)
}

/// Is a text in letters that the model does not have?
fn is_foreign(error: &outthink_engine::Error) -> bool {
    use outthink_prompt::Error;
    matches!(
        error,
        outthink_engine::Error::Prompt(Error::OutsideAlphabet { .. })
    )
}

/// The embedded families that a profile, or a pair of profiles, is made for.
fn families(profile_name: &str) -> Vec<Family> {
    profile_name
        .split('+')
        .filter_map(Family::of_profile)
        .collect()
}

/// Why a verifier's rewards mean nothing to a policy, if they don't: those of an embedded family know its own problems only.
pub(crate) fn mismatch(policy: &AnyPolicy, verifier: &AnyVerifier) -> Option<String> {
    let asked: Vec<&str> = policy.families().iter().map(|family| family.name).collect();
    let (name, known) = match verifier.bare() {
        AnyVerifier::StepChecker(_) if !asked.is_empty() => return None,
        AnyVerifier::StepChecker(_) => (STEP_CHECKER, vec!["micro"]),
        own => {
            let name = own.profile_name()?;
            (
                name,
                families(name).iter().map(|family| family.name).collect(),
            )
        }
    };
    if known.is_empty() {
        return None;
    }
    let told = known.join(" and ");
    let foreign = asked.iter().find(|family| !known.contains(family));
    match foreign {
        None if !asked.is_empty() => None,
        Some(family) if asked.len() > 1 => Some(format!(
            "the verifier ({name}) only knows the problems of the embedded {told} models: on those of the {family} models its rewards mean nothing"
        )),
        _ => Some(format!(
            "the verifier ({name}) only knows the problems of the embedded {told} models, and the policy is none of them: its rewards mean nothing"
        )),
    }
}

/// What a served model is known by: its name and the kind of server, whose numbers differ in the last digits.
pub(crate) fn served(model: &str, facts: &[Facts]) -> Value {
    let kind = facts.first().map(|facts| facts.dialect.to_string());
    json!({"served": model, "kind": kind})
}

/// Servers tell a model's parameters, if anything: what attention costs is left out.
fn told(facts: &[Facts]) -> Option<ModelCost> {
    let parameters = facts.iter().find_map(|facts| facts.parameters)?;
    Some(ModelCost::of_size(parameters))
}

/// A profile by name, or from a file.
fn profile(name: Option<&str>) -> Result<Option<Profile>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    if !name.ends_with(".toml") {
        return Profile::named(name).map(Some).map_err(Failure::input);
    }
    let text = outthink_core::file::read_to_string(name.as_ref())
        .with_context(|| format!("cannot read {name}"));
    let parsed = Profile::parse(&text.map_err(Failure::Input)?).with_context(|| name.to_owned());
    parsed.map(Some).map_err(Failure::Input)
}

/// The servers of a role, if they are what is named: addresses, or a configuration file.
pub(crate) fn servers(name: &str, role: Role) -> Result<Option<Servers>, Failure> {
    if Servers::recognises(name) {
        return Servers::parse(name).map(Some).map_err(Failure::input);
    }
    if !name.ends_with(".toml") {
        return Ok(None);
    }
    let config = Config::read(Path::new(name)).map_err(Failure::input)?;
    let servers = match role {
        Role::Policy => config.policy,
        Role::Verifier => config.verifier,
    };
    let missing = || Failure::Input(anyhow!("{name} has no section [{role}]"));
    servers.map(Some).ok_or_else(missing)
}

/// Refuses to send a key where a file says, and nobody has typed: a strategy comes from anywhere, and the key is the user's.
pub(crate) fn keeps_keys(name: &str, role: Role, option: &str) -> Result<(), Failure> {
    let Some(servers) = servers(name, role)? else {
        return Ok(());
    };
    if !servers.has_key(role) {
        return Ok(());
    }
    Err(Failure::Input(anyhow!(
        "the strategy file says that the {role} is at {name}, and there is a key for {role} servers: to send it there, name the address yourself with {option} {name}"
    )))
}

/// What a server's model is prompted with: files of a folder, of the micro family or of the hub.
fn prompt_files(name: &str) -> Result<PromptFiles, Failure> {
    let folder = Path::new(name);
    let is_hub = HubId::parse(name).is_some() && !folder.join("tokenizer.json").is_file();
    if folder.is_dir() && !is_hub {
        return PromptFiles::read(folder).map_err(Failure::input);
    }
    let checkpoint = checkpoint(name, Precision::Auto)?;
    PromptFiles::new(
        &checkpoint.config,
        &checkpoint.generation,
        &checkpoint.tokenizer,
        &checkpoint.tokenizer_config,
        checkpoint.template.to_string(),
    )
    .map_err(Failure::input)
}

fn tell(notice: Notice) {
    eprintln!("{notice}");
}

/// The model whose tokenizer a server's model uses: as typed, or else as configured.
fn tokenizer(servers: &Servers, typed: Option<&str>) -> Option<String> {
    let configured = servers.tokenizer.as_ref();
    typed
        .map(str::to_owned)
        .or_else(|| configured.map(|path| path.to_string_lossy().into_owned()))
}

/// Servers as a policy.
pub(crate) fn remote_policy(
    servers: &Servers,
    choice: &PolicyChoice,
) -> Result<RemotePolicy, Failure> {
    let tokenizer = tokenizer(servers, choice.policy_tokenizer.as_deref());
    let files = tokenizer.as_deref().map(prompt_files).transpose()?;
    let named = choice.policy_profile.as_deref();
    let profile = profile(named.or(servers.profile.as_deref()))?;
    Ok(RemotePolicy::connect_with(servers, files, profile, tell)?)
}

/// Servers as a verifier.
pub(crate) fn remote_verifier(
    servers: &Servers,
    choice: &VerifierChoice,
) -> Result<RemoteVerifier, Failure> {
    let missing = || {
        Failure::Input(anyhow!(
            "a verifier's servers are sent token ids; name its tokenizer with --verifier-tokenizer"
        ))
    };
    let tokenizer = tokenizer(servers, choice.verifier_tokenizer.as_deref());
    let files = prompt_files(&tokenizer.ok_or_else(missing)?)?;
    let named = choice.verifier_profile.as_deref();
    let profile = profile(named.or(servers.profile.as_deref()))?;
    Ok(RemoteVerifier::connect_with(servers, files, profile, tell)?)
}

/// A policy of any make.
pub(crate) fn any_policy(choice: &PolicyChoice) -> Result<AnyPolicy, Failure> {
    Ok(match servers(choice.name(), Role::Policy)? {
        Some(servers) => AnyPolicy::Remote(remote_policy(&servers, choice)?),
        None => match Experts::find(choice.name()) {
            Some(pair) => AnyPolicy::Experts(Box::new(PolicyExperts::new(
                policies(pair, choice)?.map(Arc::new),
            ))),
            None => AnyPolicy::Model(Box::new(policy(choice)?)),
        },
    })
}

/// Both policies of a pair.
fn policies(
    pair: Experts<Member>,
    choice: &PolicyChoice,
) -> Result<Experts<EmbeddedPolicy>, Failure> {
    if choice.policy_profile.is_some() {
        return Err(Failure::Input(anyhow!(
            "{} has a profile for each of its models; leave out --policy-profile",
            choice.name()
        )));
    }
    let load = |member: Member| {
        policy(&PolicyChoice {
            policy: Some(member.name.to_owned()),
            ..choice.clone()
        })
    };
    Ok(Experts {
        arithmetic: load(pair.arithmetic)?,
        grids: load(pair.grids)?,
    })
}

/// A policy under the profile that fits it or the one that is named.
pub(crate) fn policy(choice: &PolicyChoice) -> Result<EmbeddedPolicy, Failure> {
    let profile = profile(choice.policy_profile.as_deref())?;
    let name = choice.name();
    EmbeddedPolicy::load(&checkpoint(name, choice.dtype)?, profile)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("policy {name}"))))
}

/// A verifier, likewise, behind its calibration if one is named; `none` is none.
pub(crate) fn verifier(choice: &VerifierChoice) -> Result<Option<AnyVerifier>, Failure> {
    let verifier = bare_verifier(choice)?;
    let Some(file) = &choice.calibration else {
        return Ok(verifier);
    };
    let Some(verifier) = verifier else {
        return Err(Failure::Input(anyhow!(
            "--verifier none has no rewards to calibrate"
        )));
    };
    let name = file.display();
    let text =
        outthink_core::file::read_to_string(file).with_context(|| format!("cannot read {name}"));
    let identity = verifier.identity(choice)?;
    let map = CalibrationFile::parse(&text.map_err(Failure::Input)?)
        .and_then(|read| read.map_of(choice.name(), &identity))
        .with_context(|| name.to_string());
    let map = map.map_err(Failure::Input)?;
    Ok(Some(AnyVerifier::Calibrated(Box::new(Calibrated {
        verifier,
        map,
    }))))
}

fn bare_verifier(choice: &VerifierChoice) -> Result<Option<AnyVerifier>, Failure> {
    let name = choice.name();
    if name == "none" {
        return Ok(None);
    }
    if name == STEP_CHECKER {
        return Ok(Some(AnyVerifier::StepChecker(StepChecker)));
    }
    if let Some(servers) = servers(name, Role::Verifier)? {
        return Ok(Some(AnyVerifier::Remote(remote_verifier(
            &servers, choice,
        )?)));
    }
    if let Some(pair) = Experts::find(name) {
        return Ok(Some(verifiers(pair, choice)?));
    }
    Ok(Some(AnyVerifier::Model(Box::new(embedded_verifier(
        name, choice,
    )?))))
}

/// Both verifiers of a pair.
fn verifiers(pair: Experts<Member>, choice: &VerifierChoice) -> Result<AnyVerifier, Failure> {
    if choice.verifier_profile.is_some() || choice.verifier_reference.is_some() {
        return Err(Failure::Input(anyhow!(
            "{} has a profile for each of its models; leave out --verifier-profile and --verifier-reference",
            choice.name()
        )));
    }
    let experts = Experts {
        arithmetic: embedded_verifier(pair.arithmetic.name, choice)?,
        grids: embedded_verifier(pair.grids.name, choice)?,
    };
    let [first, second] = experts.both().map(EmbeddedVerifier::profile_name);
    Ok(AnyVerifier::Experts {
        profile_name: both(first, second),
        experts: Box::new(experts),
    })
}

fn embedded_verifier(name: &str, choice: &VerifierChoice) -> Result<EmbeddedVerifier, Failure> {
    let model = checkpoint(name, choice.verifier_dtype)?;
    let reference = choice.verifier_reference.as_deref();
    let reference = reference
        .map(|name| checkpoint(name, choice.verifier_dtype))
        .transpose()?;
    let profile = profile(choice.verifier_profile.as_deref())?;
    let mut verifier = EmbeddedVerifier::load(&model, reference.as_ref(), profile)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("verifier {name}"))))?;
    if choice.verifier_windows {
        verifier = verifier.with_windows();
    }
    Ok(verifier)
}

/// What a model on this machine is known by: an embedded one by its name, others by what they hold, wherever they lie.
pub(crate) fn local(name: &str, precision: Precision) -> Result<Value, Failure> {
    if let Some(pair) = Experts::find(name) {
        return Ok(json!({"model": pair.name(), "dtype": precision.to_string()}));
    }
    let digest = digest(&checkpoint(name, precision)?);
    let digest = digest.with_context(|| format!("cannot read the files of {name}"));
    Ok(match digest.map_err(Failure::Input)? {
        None => json!({"model": name, "dtype": precision.to_string()}),
        Some(digest) => json!({"files": digest, "dtype": precision.to_string()}),
    })
}
