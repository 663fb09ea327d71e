//! From what was typed to loaded models.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, anyhow};
use futures::future::BoxFuture;
use outthink_core::{
    Extension, Halt, Judgement, Method, ModelCost, ModelError, Policy, Prefix, Problem, Reply,
    Sampling, Verifier,
};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Precision};
use outthink_lab::audit::{Calibrated, CalibrationFile};
use outthink_micro::StepChecker;
use outthink_micro::family::Member;
use outthink_prompt::{PolicyProfile, Profile, PromptFiles};
use outthink_remote::{Config, Facts, Notice, RemotePolicy, RemoteVerifier, Role, Servers};
use serde_json::{Value, json};

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::digest::digest;
use crate::failure::Failure;
use crate::hub::HubId;

/// The exact step checker's name.
pub(crate) const STEP_CHECKER: &str = "step-checker";

/// A policy of any make.
pub(crate) enum AnyPolicy {
    Model(Box<EmbeddedPolicy>),
    Remote(RemotePolicy),
}

impl AnyPolicy {
    pub(crate) fn profile_name(&self) -> &str {
        match self {
            Self::Model(model) => model.profile_name(),
            Self::Remote(servers) => servers.profile_name(),
        }
    }

    pub(crate) fn profile(&self) -> &PolicyProfile {
        match self {
            Self::Model(model) => model.profile(),
            Self::Remote(servers) => servers.profile(),
        }
    }

    /// The profile's way of drawing.
    pub(crate) fn sampling(&self) -> Sampling {
        match self {
            Self::Model(model) => model.sampling(),
            Self::Remote(servers) => servers.sampling(),
        }
    }

    /// The model's shape, as far as it is known.
    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::Remote(servers) => told(servers.facts()),
        }
    }

    /// Can the method be used? A chat-only server writes whole answers.
    pub(crate) fn takes(&self, method: Method) -> Result<(), Failure> {
        match self {
            Self::Remote(servers) if method.is_stepwise() && !servers.takes_steps() => {
                Err(Failure::Input(anyhow!(
                    "{method} searches over steps, and a chat-only server cannot continue one; use majority or best-of-n"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Can the problem be asked?
    pub(crate) fn check(&self, problem: &Problem) -> Result<(), Failure> {
        match self {
            Self::Model(model) => model.prompt(problem).map(|_| ()).map_err(Failure::input),
            // A chat-only provider has no tokens to count.
            Self::Remote(servers) if !servers.takes_steps() => Ok(()),
            Self::Remote(servers) => servers.prompt(problem).map(|_| ()).map_err(Failure::input),
        }
    }
}

impl Policy for AnyPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        match self {
            Self::Model(model) => model.extend(requests),
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
            Self::Remote(servers) => servers.extend_until(requests, halt),
        }
    }
}

/// A verifier of any make.
pub(crate) enum AnyVerifier {
    Model(Box<EmbeddedVerifier>),
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
            Self::Remote(servers) => Some(servers.profile_name()),
            Self::StepChecker(_) => None,
        }
    }

    /// The model's shape, as far as it is known; the step checker is no model and computes nothing.
    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
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
            Self::Remote(servers) => servers.score(prefixes),
            Self::StepChecker(checker) => checker.score(prefixes),
            Self::Calibrated(calibrated) => calibrated.score(prefixes),
        }
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
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"));
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

/// What a server's model is prompted with: files of a folder, of the micro family or of the hub.
fn prompt_files(name: &str) -> Result<PromptFiles, Failure> {
    if Path::new(name).is_dir() {
        return PromptFiles::read(Path::new(name)).map_err(Failure::input);
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
    Ok(RemotePolicy::connect_with(
        servers,
        files,
        profile(named.or(servers.profile.as_deref()))?,
        tell,
    )?)
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
    Ok(RemoteVerifier::connect_with(
        servers,
        files,
        profile(named.or(servers.profile.as_deref()))?,
        tell,
    )?)
}

/// A policy of any make.
pub(crate) fn any_policy(choice: &PolicyChoice) -> Result<AnyPolicy, Failure> {
    Ok(match servers(choice.name(), Role::Policy)? {
        Some(servers) => AnyPolicy::Remote(remote_policy(&servers, choice)?),
        None => AnyPolicy::Model(Box::new(policy(choice)?)),
    })
}

/// A policy under the profile that fits it or the one that is named.
pub(crate) fn policy(choice: &PolicyChoice) -> Result<EmbeddedPolicy, Failure> {
    let profile = profile(choice.policy_profile.as_deref())?;
    EmbeddedPolicy::load(&checkpoint(choice.name(), choice.dtype)?, profile).map_err(|error| {
        Failure::Input(anyhow!(error).context(format!("policy {}", choice.name())))
    })
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
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"));
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
    Ok(Some(AnyVerifier::Model(Box::new(verifier))))
}

/// The files of a model: of the micro family, of a folder, a GGUF file, or the hub's.
pub(crate) fn checkpoint(name: &str, precision: Precision) -> Result<Checkpoint, Failure> {
    let mut checkpoint = if let Some(member) = Member::find(name) {
        member.checkpoint()
    } else if Path::new(name).exists() {
        read(Path::new(name))?
    } else if let Some(id) = HubId::parse(name).filter(|_| !is_file(name)) {
        read(&id.fetch().map_err(Failure::Input)?)?
    } else if is_file(name) {
        return Err(Failure::Input(anyhow!("there is no file or folder {name}")));
    } else {
        let known: Vec<&str> = Member::all().map(|member| member.name).collect();
        return Err(Failure::Input(anyhow!(
            "unknown model `{name}`: no folder or file of that name, no hub id, and none of {}",
            known.join(", ")
        )));
    };
    checkpoint.precision = precision;
    Ok(checkpoint)
}

/// Does a name mean a file or a folder, there or not? It does if the folder that it would lie in is there, or if it is that
/// of a GGUF file; `owner/name/FILE.gguf` is a file of the hub.
fn is_file(name: &str) -> bool {
    let path = Path::new(name);
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let of_gguf = name.to_ascii_lowercase().ends_with(".gguf");
    folder.is_some_and(Path::is_dir) || (of_gguf && name.split('/').count() != 3)
}

/// What a model on this machine is known by: an embedded one by its name, others by what they hold, wherever they lie.
pub(crate) fn local(name: &str, precision: Precision) -> Result<Value, Failure> {
    let digest = digest(&checkpoint(name, precision)?);
    let digest = digest.with_context(|| format!("cannot read the files of {name}"));
    Ok(match digest.map_err(Failure::Input)? {
        None => json!({"model": name, "dtype": precision.to_string()}),
        Some(digest) => json!({"files": digest, "dtype": precision.to_string()}),
    })
}

fn read(path: &Path) -> Result<Checkpoint, Failure> {
    let ending = path.extension().and_then(OsStr::to_str);
    if path.is_file() && matches!(ending, Some("safetensors" | "bin" | "json" | "pt" | "pth")) {
        return Err(Failure::Input(anyhow!(
            "{} is one file of a checkpoint; name its folder",
            path.display()
        )));
    }
    // Of the files, only GGUF's are whole models, whatever they are called.
    let read = if path.is_file() {
        Checkpoint::read_gguf(path)
    } else {
        Checkpoint::read(path)
    };
    read.map_err(Failure::input)
}
