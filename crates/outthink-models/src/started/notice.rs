//! News of servers that are started.

use std::fmt;
use std::path::PathBuf;

/// Something about a server that is started, to be shown to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartNotice {
    /// It starts, which may take long.
    Starting {
        /// The program.
        command: &'static str,
        /// The model, as it was named.
        model: String,
        /// Where its log is, as long as it runs.
        log: PathBuf,
    },
    /// It is not ready yet.
    Waiting {
        /// The program.
        command: &'static str,
        /// For how long.
        seconds: u64,
        /// The last line of its log.
        last: String,
    },
    /// It is ready.
    Ready {
        /// The program.
        command: &'static str,
        /// Its address.
        url: String,
        /// After how long.
        seconds: u64,
    },
    /// It ended while it was in use.
    Ended {
        /// The program.
        command: &'static str,
        /// How.
        status: String,
        /// Where its log is.
        log: PathBuf,
    },
    /// The model's own tokenizer cannot be read here.
    ServersTokenizer {
        /// The program.
        command: &'static str,
        /// The model, as it was named.
        model: String,
    },
}

impl fmt::Display for StartNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting {
                command,
                model,
                log,
            } => write!(
                f,
                "starting {command} for {model}; its log is {}",
                log.display()
            ),
            Self::Waiting {
                command,
                seconds,
                last,
            } => write!(f, "{command} is not ready after {seconds} s: {last}"),
            Self::Ready {
                command,
                url,
                seconds,
            } => write!(f, "{command} is ready at {url} after {seconds} s"),
            Self::Ended {
                command,
                status,
                log,
            } => write!(
                f,
                "{command} has ended ({status}); its log is {}",
                log.display()
            ),
            Self::ServersTokenizer { command, model } => write!(
                f,
                "the tokenizer of {model} is not read here, so {command} makes its token ids; its profile is chat, unless --policy-profile names another"
            ),
        }
    }
}
