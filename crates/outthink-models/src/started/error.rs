//! Why no server is started.

use std::path::PathBuf;

/// Why no server is started for a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not there.
    #[error(
        "{model} needs {command}, which is not on PATH, and {variable} does not say where it is; install it: {install}"
    )]
    NotInstalled {
        /// The model, as it was named.
        model: String,
        /// The program.
        command: &'static str,
        /// The environment variable that names it.
        variable: &'static str,
        /// How to install it.
        install: &'static str,
    },
    /// The variable that says where the program is names no program.
    #[error("{variable} names {}, and that is no program", path.display())]
    NoProgram {
        /// The environment variable.
        variable: &'static str,
        /// What it names.
        path: PathBuf,
    },
    /// The variable that holds more flags cannot be split into words.
    #[error("{variable} has a quote that is not closed")]
    Flags {
        /// The environment variable.
        variable: &'static str,
    },
    /// There is nothing that the program could serve.
    #[error("{model}: {reason}")]
    NoModel {
        /// The model, as it was named.
        model: String,
        /// What it is not.
        reason: String,
    },
    /// The program takes token ids and makes none, and the model's tokenizer cannot be read.
    #[error(
        "{model}: its tokenizer cannot be read, and {command} is sent token ids; name one with --policy-tokenizer"
    )]
    Unreadable {
        /// The model, as it was named.
        model: String,
        /// The program.
        command: &'static str,
    },
    /// The program does not give this verifier's rewards.
    #[error(
        "{model} cannot be the verifier: {command} cannot score for the profile {profile}: {reason}"
    )]
    CannotScore {
        /// The model, as it was named.
        model: String,
        /// The program.
        command: &'static str,
        /// The profile.
        profile: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// Processes are only watched on Unix.
    #[error(
        "{command} is only started on Unix; start it yourself, and name its address in place of {model}"
    )]
    NotUnix {
        /// The model, as it was named.
        model: String,
        /// The program.
        command: &'static str,
    },
    /// The system does not let it start.
    #[error("cannot start {command}")]
    Spawn {
        /// The program.
        command: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{command} ended while it started ({status}):{last}\nits whole log is {}", log.display())]
    Died {
        /// The program.
        command: &'static str,
        /// How it ended.
        status: String,
        /// The last lines of its log, each after a line break.
        last: String,
        /// Where the log is.
        log: PathBuf,
    },
    /// It neither became ready nor wrote anything for too long.
    #[error(
        "{command} is not ready, and has said nothing for {seconds} s:{last}\nits whole log is {}", log.display()
    )]
    Silent {
        /// The program.
        command: &'static str,
        /// For how long.
        seconds: u64,
        /// The last lines of its log, each after a line break.
        last: String,
        /// Where the log is.
        log: PathBuf,
    },
}

impl StartError {
    /// Is what was asked for or set wrong, so that asking again will not help?
    pub fn is_input(&self) -> bool {
        !matches!(
            self,
            Self::Spawn { .. } | Self::Died { .. } | Self::Silent { .. }
        )
    }
}
