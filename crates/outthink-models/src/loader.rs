//! From what is named to loaded models.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use outthink_core::Limits;
use outthink_engine::{Bytes, Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Precision};
use outthink_micro::family::Member;
use outthink_micro::{Experts, StepChecker};
use outthink_prompt::{Profile, PromptFiles};
use outthink_remote::{Config, RemotePolicy, RemoteVerifier, Role, Servers};

use crate::combination::combination;
use crate::hub::HubId;
use crate::identity::{info, short_name};
use crate::policy::both;
use crate::probe::is_probe;
use crate::started::{self, Started};
use crate::{
    AnyPolicy, AnyVerifier, Beside, LoadError, LoadedPolicy, LoadedVerifier, ModelSpec, Notice,
    PolicyExperts, STEP_CHECKER, files, is_self, judge,
};

/// Loads models by name, and tells what a person may want to know meanwhile.
///
/// ```
/// let loader = outthink_models::Loader::telling(|notice| eprintln!("{notice}"));
/// let policy = loader.policy("micro-24k")?;
/// assert_eq!(policy.info.name, "micro-24k");
/// # Ok::<(), outthink_models::LoadError>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    tell: Arc<dyn Fn(Notice) + Send + Sync>,
}

impl Default for Loader {
    /// One that tells nothing.
    fn default() -> Self {
        Self::telling(drop)
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

/// The servers of a role, if they are what is named: addresses, or a configuration file.
///
/// # Errors
///
/// Where an address or a file is none, or the file says nothing of the role.
pub fn servers(name: &str, role: Role) -> Result<Option<Servers>, LoadError> {
    if let (Some(policy), Role::Verifier) = (judge::policy_of(name), role) {
        return servers(policy, Role::Policy);
    }
    if Servers::recognises(name) {
        return Servers::parse(name).map(Some).map_err(LoadError::Servers);
    }
    if !name.ends_with(".toml") || combination(name)?.is_some() {
        return Ok(None);
    }
    let config = Config::read(Path::new(name)).map_err(LoadError::Servers)?;
    let servers = match role {
        Role::Policy => config.policy,
        Role::Verifier => config.verifier,
    };
    let name = name.to_owned();
    servers.map(Some).ok_or(LoadError::NoSection { name, role })
}

/// Is a model of this name asked on a server, there or to be started?
///
/// # Errors
///
/// As for [`servers`].
pub fn is_served(name: &str, role: Role) -> Result<bool, LoadError> {
    let started = judge::policy_of(name).unwrap_or(name);
    Ok(servers(name, role)?.is_some() || Started::parse(started).is_some())
}

/// A model's servers, with what is known of it before they are asked.
pub(crate) struct Served {
    pub(crate) servers: Servers,
    /// What it is prompted with, where that is not left to them.
    pub(crate) files: Option<PromptFiles>,
    /// The profile, if one is named or fits the files.
    pub(crate) profile: Option<Profile>,
}

/// A profile by name, or from a file.
pub(crate) fn profile(name: Option<&str>) -> Result<Option<Profile>, LoadError> {
    let Some(name) = name else {
        return Ok(None);
    };
    if !name.ends_with(".toml") {
        return Ok(Some(Profile::named(name)?));
    }
    let text = outthink_core::file::read_to_string(name.as_ref());
    let text = text.map_err(|source| LoadError::Read {
        name: name.to_owned(),
        source,
    })?;
    let parsed = Profile::parse(&text).map_err(|source| LoadError::ProfileFile {
        name: name.to_owned(),
        source,
    })?;
    Ok(Some(parsed))
}

/// The model whose tokenizer a server's model uses: as the spec says, or else as configured.
fn tokenizer(servers: &Servers, spec: &ModelSpec) -> Option<String> {
    let configured = servers.tokenizer.as_ref();
    let configured = configured.map(|path| path.to_string_lossy().into_owned());
    spec.tokenizer.clone().or(configured)
}

/// What a checkpoint is prompted with.
pub(crate) fn files_of(checkpoint: &Checkpoint) -> Result<PromptFiles, outthink_prompt::Error> {
    PromptFiles::new(
        &checkpoint.config,
        &checkpoint.generation,
        &checkpoint.tokenizer,
        &checkpoint.tokenizer_config,
        checkpoint.template.to_string(),
    )
}

impl Loader {
    /// One that tells.
    pub fn telling(tell: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        Self {
            tell: Arc::new(tell),
        }
    }

    /// A policy of any make, with what is known of it and how it draws.
    ///
    /// # Errors
    ///
    /// Where there is no such model, or it is no policy, or cannot be read or reached; or the spec says what cannot be.
    pub fn policy(&self, spec: impl Into<ModelSpec>) -> Result<LoadedPolicy, LoadError> {
        let spec = spec.into();
        let policy = self.any_policy(&spec)?;
        let mut sampling = policy.sampling();
        if let Some(temperature) = spec.temperature {
            if !(0.0..=100.0).contains(&temperature) {
                return Err(LoadError::Temperature);
            }
            sampling.temperature = temperature;
        }
        if let Some(top_p) = spec.top_p {
            if !(top_p > 0.0 && top_p <= 1.0) {
                return Err(LoadError::TopP);
            }
            sampling.top_p = top_p;
        }
        let mut limits: Limits = policy.limits();
        limits.solution_tokens = spec.max_tokens.unwrap_or(limits.solution_tokens);
        let (name, identity) = self.policy_identity(&policy, &spec)?;
        let mut name = short_name(name).to_owned();
        if let Some(thinking) = spec.thinking {
            // Two settings are two rows.
            name = format!("{name}-{thinking}");
        }
        Ok(LoadedPolicy {
            info: info(&spec, name, identity, policy.cost())?,
            model: policy,
            sampling,
            limits,
        })
    }

    /// A verifier of any make, with what is known of it.
    ///
    /// # Errors
    ///
    /// Where there is no such model, or it is no verifier, or cannot be read or reached; or the spec says what cannot be.
    pub fn verifier(&self, spec: impl Into<ModelSpec>) -> Result<LoadedVerifier, LoadError> {
        let spec = spec.into();
        let verifier = self.any_verifier(&spec)?;
        self.describe(verifier, &spec)
    }

    /// A verifier that was loaded by a spec, with what is known of it; a calibrated one is called so.
    ///
    /// # Errors
    ///
    /// Where the files of a local model cannot be read again, or the spec says what cannot be.
    pub fn describe(
        &self,
        verifier: AnyVerifier,
        spec: &ModelSpec,
    ) -> Result<LoadedVerifier, LoadError> {
        let identity = self.verifier_identity(&verifier, spec)?;
        let (kind, name) = match verifier.bare() {
            AnyVerifier::Remote(servers) => ("", servers.model()),
            AnyVerifier::Generative(_) => {
                let policy = judge::policy_of(&spec.model);
                ("generative:", policy.unwrap_or(&spec.model))
            }
            AnyVerifier::Probe(_) => ("", spec.model.trim_end_matches(".safetensors")),
            _ => ("", spec.model.as_str()),
        };
        let calibrated = match &verifier {
            AnyVerifier::Calibrated(_) => "-calibrated",
            _ => "",
        };
        let name = format!("{kind}{}{calibrated}", short_name(name));
        Ok(LoadedVerifier {
            info: info(spec, name, identity, verifier.cost())?,
            model: verifier,
        })
    }

    /// A policy of any make, as it is.
    ///
    /// # Errors
    ///
    /// As for [`Loader::policy`].
    pub fn any_policy(&self, spec: &ModelSpec) -> Result<AnyPolicy, LoadError> {
        if let Some(servers) = self.remote_policy(spec)? {
            return Ok(AnyPolicy::Remote(servers));
        }
        let Some(pair) = Experts::find(&spec.model) else {
            let policy = self.embedded_policy(spec)?;
            return Ok(AnyPolicy::Model(Box::new(policy)));
        };
        if spec.profile.is_some() {
            return Err(LoadError::OneProfile {
                name: spec.model.clone(),
                options: "--policy-profile",
            });
        }
        let load = |member: Member| {
            self.embedded_policy(&ModelSpec {
                model: member.name.to_owned(),
                ..spec.clone()
            })
        };
        let experts = Experts {
            arithmetic: Arc::new(load(pair.arithmetic)?),
            grids: Arc::new(load(pair.grids)?),
        };
        Ok(AnyPolicy::Experts(Box::new(PolicyExperts::new(experts))))
    }

    /// A verifier of any make, as it is.
    ///
    /// # Errors
    ///
    /// As for [`Loader::verifier`].
    pub fn any_verifier(&self, spec: &ModelSpec) -> Result<AnyVerifier, LoadError> {
        self.verifier_beside(spec, &|| Ok(Vec::new()))
    }

    /// The same beside the policies that it is to judge, which are asked for if that matters: a probe reads their engine.
    ///
    /// # Errors
    ///
    /// As for [`Loader::verifier`]; and a probe of another policy.
    pub fn verifier_beside(
        &self,
        spec: &ModelSpec,
        policies: &dyn Fn() -> Result<Vec<Beside>, Box<LoadError>>,
    ) -> Result<AnyVerifier, LoadError> {
        if spec.model == "none" {
            return Err(LoadError::NoVerifier);
        }
        if is_probe(&spec.model) {
            let beside = policies().map_err(|error| *error)?;
            return Ok(AnyVerifier::Probe(Box::new(self.probe(spec, &beside)?)));
        }
        if spec.model == STEP_CHECKER {
            return Ok(AnyVerifier::StepChecker(StepChecker));
        }
        if is_self(&spec.model) {
            let mut beside = policies().map_err(|error| *error)?.into_iter();
            let own = beside.next().and_then(|own| own.candidate);
            return match (own, beside.next()) {
                (Some(own), None) => self.judge(own, spec),
                _ => Err(LoadError::NoSelf),
            };
        }
        if let Some(policy) = judge::policy_of(&spec.model) {
            return self.generative(policy, spec);
        }
        if spec.prompt.is_some() || spec.votes.is_some() {
            return Err(LoadError::NotGenerative {
                name: spec.model.clone(),
            });
        }
        if let Some(read) = combination(&spec.model)? {
            let combined = self.combined(read, spec, policies)?;
            return Ok(AnyVerifier::Combined(Box::new(combined)));
        }
        if let Some(servers) = self.remote_verifier(spec)? {
            return Ok(AnyVerifier::Remote(servers));
        }
        let Some(pair) = Experts::find(&spec.model) else {
            let verifier = self.embedded_verifier(&spec.model, spec)?;
            return Ok(AnyVerifier::Model(Box::new(verifier)));
        };
        if spec.profile.is_some() || spec.reference.is_some() {
            return Err(LoadError::OneProfile {
                name: spec.model.clone(),
                options: "--verifier-profile and --verifier-reference",
            });
        }
        let experts = Experts {
            arithmetic: self.embedded_verifier(pair.arithmetic.name, spec)?,
            grids: self.embedded_verifier(pair.grids.name, spec)?,
        };
        let [first, second] = experts.both().map(EmbeddedVerifier::profile_name);
        Ok(AnyVerifier::Experts {
            profile_name: both(first, second),
            experts: Box::new(experts),
        })
    }

    /// A policy in this process, under the profile that fits it or the one that is named.
    ///
    /// # Errors
    ///
    /// Where there is no such model here or on the hub, or it is no policy.
    pub fn embedded_policy(&self, spec: &ModelSpec) -> Result<EmbeddedPolicy, LoadError> {
        let profile = profile(spec.profile.as_deref())?;
        let load = || {
            let checkpoint = self.checkpoint_of(&spec.model, spec)?;
            EmbeddedPolicy::load(&checkpoint, profile).map_err(|source| LoadError::Model {
                role: Role::Policy,
                name: spec.model.clone(),
                source,
            })
        };
        let loaded = load().map_err(|error| started::advise(error, &spec.model, Role::Policy))?;
        Ok(match spec.thinking {
            Some(thinking) => loaded.with_thinking(thinking),
            None => loaded,
        })
    }

    /// A verifier in this process, likewise.
    fn embedded_verifier(
        &self,
        name: &str,
        spec: &ModelSpec,
    ) -> Result<EmbeddedVerifier, LoadError> {
        let model = self.checkpoint_of(name, spec);
        let model = model.map_err(|error| started::advise(error, name, Role::Verifier))?;
        let reference = spec.reference.as_deref();
        let reference = reference
            .map(|name| self.checkpoint_of(name, spec))
            .transpose()?;
        let profile = profile(spec.profile.as_deref())?;
        let verifier = EmbeddedVerifier::load(&model, reference.as_ref(), profile);
        let verifier = verifier.map_err(|source| LoadError::Model {
            role: Role::Verifier,
            name: name.to_owned(),
            source,
        });
        let verifier = verifier.map_err(|error| started::advise(error, name, Role::Verifier))?;
        Ok(match spec.windows {
            true => verifier.with_windows(),
            false => verifier,
        })
    }

    /// Servers as a policy, if they are what is named; those that are to be started run as long as it.
    ///
    /// # Errors
    ///
    /// Where they cannot be started or reached, or are not what is asked for, or the tokenizer or the profile is none.
    pub fn remote_policy(&self, spec: &ModelSpec) -> Result<Option<RemotePolicy>, LoadError> {
        let Some(served) = self.served(spec, Role::Policy)? else {
            return Ok(None);
        };
        let Served {
            servers,
            files,
            profile,
        } = served;
        let policy = RemotePolicy::connect_with(&servers, files, profile, self.of_servers())?;
        Ok(Some(match spec.thinking {
            Some(thinking) => policy.with_thinking(thinking)?,
            None => policy,
        }))
    }

    /// Servers as a verifier, likewise.
    ///
    /// # Errors
    ///
    /// As for a policy, and where no tokenizer is named.
    pub fn remote_verifier(&self, spec: &ModelSpec) -> Result<Option<RemoteVerifier>, LoadError> {
        let Some(served) = self.served(spec, Role::Verifier)? else {
            return Ok(None);
        };
        let Served {
            servers,
            files,
            profile,
        } = served;
        let files = files.ok_or(LoadError::NoTokenizer)?;
        let verifier = RemoteVerifier::connect_with(&servers, files, profile, self.of_servers())?;
        Ok(Some(verifier))
    }

    /// The servers of a model, if it has any: at the addresses that are named, or started for it.
    fn served(&self, spec: &ModelSpec, role: Role) -> Result<Option<Served>, LoadError> {
        let Some(servers) = servers(&spec.model, role)? else {
            let started = Started::parse(&spec.model);
            return started
                .map(|started| self.start(&started, spec, role))
                .transpose();
        };
        let tokenizer = tokenizer(&servers, spec);
        if role == Role::Verifier && tokenizer.is_none() {
            return Err(LoadError::NoTokenizer);
        }
        let named = spec.profile.as_deref();
        Ok(Some(Served {
            files: tokenizer.map(|name| self.prompt_files(&name)).transpose()?,
            profile: profile(named.or(servers.profile.as_deref()))?,
            servers,
        }))
    }

    fn of_servers(&self) -> impl Fn(outthink_remote::Notice) + Send + Sync + 'static {
        let tell = Arc::clone(&self.tell);
        move |notice| tell(Notice::Servers(notice))
    }

    /// What a server's model is prompted with: files of a folder, of the micro family or of the hub.
    pub(crate) fn prompt_files(&self, name: &str) -> Result<PromptFiles, LoadError> {
        let folder = Path::new(name);
        let is_hub = HubId::parse(name).is_some() && !folder.join("tokenizer.json").is_file();
        if folder.is_dir() && !is_hub {
            return Ok(PromptFiles::read(folder)?);
        }
        Ok(files_of(&self.checkpoint(name, Precision::Auto)?)?)
    }

    pub(crate) fn tell(&self, notice: Notice) {
        (self.tell)(notice);
    }

    /// The files of a model: of the micro family, of a folder, a GGUF file, or the hub's. A name that may be either is the path
    /// if a model is there, and the hub's else; which it was is told, every time.
    ///
    /// # Errors
    ///
    /// Where there is no such model here or on the hub, or its files are no model's.
    pub fn checkpoint(&self, name: &str, precision: Precision) -> Result<Checkpoint, LoadError> {
        files::checkpoint(name, precision, &*self.tell)
    }

    /// Those of a model that is loaded as a spec says; `name` is it or the one that it is compared with.
    ///
    /// # Errors
    ///
    /// As for [`Loader::checkpoint`].
    pub fn checkpoint_of(&self, name: &str, spec: &ModelSpec) -> Result<Checkpoint, LoadError> {
        let mut checkpoint = self.checkpoint(name, spec.dtype)?;
        checkpoint.memory_limit = spec.memory.map(|Bytes(bytes)| bytes);
        Ok(checkpoint)
    }
}
