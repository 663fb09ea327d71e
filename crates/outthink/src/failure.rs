//! How a command fails: exit status 2 for what was asked, 1 for what happened.

use std::fmt;
use std::process::ExitCode;

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The input is wrong; asking again will not help.
    Input(anyhow::Error),
    /// Something failed on the way.
    Run(anyhow::Error),
}

impl Failure {
    /// Wrong input.
    pub(crate) fn input(error: impl Into<anyhow::Error>) -> Self {
        Self::Input(error.into())
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
        Self::Run(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain in one line; wrappers that repeat their cause word for word say it once.
        let (Self::Input(error) | Self::Run(error)) = self;
        let mut last = String::new();
        for cause in error.chain().map(ToString::to_string) {
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
