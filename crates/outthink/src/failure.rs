//! How a command fails: exit status 2 for what was asked or set, 1 for what happened.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use outthink_models::{AskError, LoadError};
use outthink_remote::Error as Remote;

/// Why a command, or what a program of one's own asks for in its place, has no result. Shown, it is what the command line prints.
#[derive(Debug)]
pub enum Failure {
    /// The input is wrong; asking again will not help.
    Input(anyhow::Error),
    /// Something failed on the way.
    Run(anyhow::Error),
}

impl Failure {
    /// Wrong input.
    pub fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
    }

    /// The error with its causes.
    pub fn error(&self) -> &anyhow::Error {
        let (Self::Input(error) | Self::Run(error)) = self;
        error
    }

    /// Is what was asked for wrong, so that asking again will not help? Else something failed on the way.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Input(_))
    }

    /// Does a server refuse the key?
    pub(crate) fn is_refusal(&self) -> bool {
        self.error().chain().any(is_refusal)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::FAILURE,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        match error.chain().any(is_configuration) {
            true => Self::Input(error),
            false => Self::Run(error),
        }
    }
}

/// Is an error's cause a model or a server that is named or set wrongly?
fn is_configuration(cause: &(dyn Error + 'static)) -> bool {
    match cause.downcast_ref::<LoadError>() {
        Some(error) => error.is_input(),
        None => remote(cause).is_some_and(Remote::is_configuration),
    }
}

/// The error of a server that a cause is, or passes on.
fn remote<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e Remote> {
    if let Some(error) = cause.downcast_ref::<LoadError>() {
        return error.remote();
    }
    match cause.downcast_ref::<AskError>() {
        Some(error) => error.remote(),
        None => cause.downcast_ref(),
    }
}

/// Is it a server that refuses the key? Whatever else is asked there will meet the same.
pub(crate) fn is_refusal(cause: &(dyn Error + 'static)) -> bool {
    remote(cause)
        .is_some_and(|error| matches!(error, Remote::Refused { .. }) && error.is_configuration())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain in one line; wrappers that repeat their cause word for word say it once.
        let mut last = String::new();
        for cause in self.error().chain().map(ToString::to_string) {
            if cause == last {
                continue;
            }
            if !last.is_empty() {
                f.write_str(": ")?;
            }
            f.write_str(&cause)?;
            last = cause;
        }
        Ok(())
    }
}
