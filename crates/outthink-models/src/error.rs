//! Why a model is not loaded, or cannot be asked.

use std::path::PathBuf;

use outthink_remote::Role;

use crate::{HubError, StartError};

/// Why there is no model of a name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A name of nothing.
    #[error(
        "unknown model `{name}`: no folder or file of that name, no hub id, no server's address, and none of {known}{meant}"
    )]
    Unknown {
        /// The name.
        name: String,
        /// The embedded models.
        known: String,
        /// What it may have been meant for.
        meant: String,
    },
    /// A path to nothing.
    #[error("there is no file or folder {name}{meant}")]
    Missing {
        /// The path.
        name: String,
        /// What it may have been meant for.
        meant: String,
    },
    /// One file of a checkpoint in place of its folder.
    #[error("{} is one file of a checkpoint; name its folder", .0.display())]
    OnePart(PathBuf),
    /// A folder without a model, whose name is no model's of the hub either.
    #[error("{} holds no model", path.display())]
    HoldsNoModel {
        /// The folder.
        path: PathBuf,
        /// What the hub says to that name.
        source: Box<HubError>,
    },
    /// A path to nothing, whose name is no model's of the hub either.
    #[error("there is no model {} here{meant}", path.display())]
    NotHere {
        /// The path.
        path: PathBuf,
        /// What it may have been meant for.
        meant: String,
        /// What the hub says to that name.
        source: Box<HubError>,
    },
    /// The hub does not give it.
    #[error(transparent)]
    Hub(Box<HubError>),
    /// Files that are no model.
    #[error(transparent)]
    Checkpoint(outthink_engine::Error),
    /// A model that is none of this role, or does not go with its profile.
    #[error("{role} {name}")]
    Model {
        /// What it was to be.
        role: Role,
        /// Its name.
        name: String,
        /// What is wrong.
        source: outthink_engine::Error,
    },
    /// A profile or a tokenizer that is none.
    #[error(transparent)]
    Prompt(#[from] outthink_prompt::Error),
    /// A file of several verifiers that is damaged.
    #[error("{name} is no combination of verifiers: {reason}")]
    Combination {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A profile's file that is none.
    #[error("{name}")]
    ProfileFile {
        /// The file.
        name: String,
        /// What is wrong.
        source: outthink_prompt::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// The file.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A model's files, which its fingerprint is made of, cannot be read.
    #[error("cannot read the files of {name}")]
    Fingerprint {
        /// The model.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// An address or a configuration file of servers that is none.
    #[error(transparent)]
    Servers(outthink_remote::Error),
    /// The servers do not answer, or not as they must.
    #[error(transparent)]
    Connect(#[from] outthink_remote::Error),
    /// No server is started for it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine does not run it, and a server may.
    #[error("`--{role} {started}` starts a server that may run it")]
    NeedsServer {
        /// What it was to be.
        role: Role,
        /// Its name with that of a program before it.
        started: String,
        /// What the engine does not run.
        source: Box<Self>,
    },
    /// A configuration file says nothing of this role.
    #[error("{name} has no section [{role}]")]
    NoSection {
        /// The file.
        name: String,
        /// The role.
        role: Role,
    },
    /// Servers of a verifier, without its tokenizer.
    #[error(
        "a verifier's servers are sent token ids; name its tokenizer with --verifier-tokenizer"
    )]
    NoTokenizer,
    /// Two models as one, and one profile for both.
    #[error("{name} has a profile for each of its models; leave out {options}")]
    OneProfile {
        /// The pair.
        name: String,
        /// What was said of both.
        options: &'static str,
    },
    /// A file that is no probe, or does not go with its policy.
    #[error("{name}")]
    Probe {
        /// The file.
        name: String,
        /// What is wrong.
        source: outthink_engine::ProbeFileError,
    },
    /// A probe beside another policy than its own.
    #[error(
        "{probe} reads the states of {fitted}, and the policy is {policy}: other weights, another dtype or another profile. A probe means nothing to another policy; `outthink probe fit` fits one for it"
    )]
    OtherPolicy {
        /// The probe.
        probe: String,
        /// What its policy is called, with what it is known by, in short.
        fitted: String,
        /// The same of the policy that it is beside.
        policy: String,
    },
    /// A probe beside a policy on servers.
    #[error(
        "{probe} reads the embedded engine's states, and {policy} is on a server, which does not tell its own: load {fitted} itself with --policy, or name another verifier"
    )]
    ProbeOfServed {
        /// The probe.
        probe: String,
        /// What its policy is called.
        fitted: String,
        /// The policy on servers.
        policy: String,
    },
    /// A probe that is to be read as a model of its own.
    #[error(
        "{0} is a probe and reads its policy's states: it has no profile, tokenizer, windows or dtype of its own"
    )]
    ProbeOptions(String),
    /// `none` in place of a verifier.
    #[error("`none` is no verifier; leave the list of verifiers empty")]
    NoVerifier,
    /// A verifier that is the policy itself, where there is no policy.
    #[error(
        "there is no one policy here that could be its own verifier; name one: generative:POLICY"
    )]
    NoSelf,
    /// A generative verifier of an embedded family.
    #[error(
        "{name} knows the problems of its own family only and cannot be asked for a verdict; use a policy that follows instructions"
    )]
    OwnProblemsOnly {
        /// The policy.
        name: String,
    },
    /// A prompt or votes for a verifier that is not asked in words.
    #[error(
        "{name} is not asked in words, so it has no prompt and no votes; a policy that judges is named generative:POLICY"
    )]
    NotGenerative {
        /// The verifier.
        name: String,
    },
    /// How a generative verifier is to be asked cannot be.
    #[error("{name}: {reason}")]
    JudgePrompt {
        /// The prompt's name or file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A temperature out of bounds.
    #[error("a temperature must be from 0 to 100")]
    Temperature,
    /// A top-p out of bounds.
    #[error("a top-p must be above 0 and at most 1")]
    TopP,
    /// Active parameters of a model of unknown size.
    #[error("{model} does not tell its size; say `parameters` beside `active-parameters`")]
    NoSize {
        /// The model.
        model: String,
    },
    /// More parameters active than there are.
    #[error("{model} has {parameters} parameters, so not {active} of them can be active")]
    TooActive {
        /// The model.
        model: String,
        /// How many it has.
        parameters: u64,
        /// How many are said to be active.
        active: u64,
    },
}

impl LoadError {
    /// Is what was asked for wrong, so that asking again will not help? Else something failed on the way.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Hub(error)
            | Self::HoldsNoModel { source: error, .. }
            | Self::NotHere { source: error, .. } => !error.is_passing(),
            Self::Connect(error) => error.is_configuration(),
            Self::Start(error) => error.is_input(),
            _ => true,
        }
    }

    /// The error of a server, if it is one.
    pub fn remote(&self) -> Option<&outthink_remote::Error> {
        match self {
            Self::Servers(error) | Self::Connect(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a problem cannot be put to a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It is in letters that an embedded model does not have.
    #[error("{error}; {advice}")]
    Foreign {
        /// The first of them.
        error: outthink_engine::Error,
        /// What the model knows, and what to do.
        advice: &'static str,
    },
    /// The model in this process cannot read it.
    #[error(transparent)]
    Model(#[from] outthink_engine::Error),
    /// It cannot be sent to the servers.
    #[error(transparent)]
    Remote(#[from] outthink_remote::Error),
}

impl AskError {
    /// The error of a server, if it is one.
    pub fn remote(&self) -> Option<&outthink_remote::Error> {
        match self {
            Self::Remote(error) => Some(error),
            _ => None,
        }
    }
}
