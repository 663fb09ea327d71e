//! What can go wrong between this process and a fleet.

use std::path::PathBuf;
use std::time::Duration;

use crate::Role;

/// Why a model server cannot be used, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that is none.
    #[error("{url} is no server address ({reason}); write http://host:port/v1")]
    Url {
        /// What was written, without its secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address without `http://`.
    #[error("{url} is an address without its scheme; did you mean http://{url}?")]
    NoScheme {
        /// What was written.
        url: String,
    },
    /// No such kind of server.
    #[error("there is no kind of server `{name}` (one of {known})")]
    UnknownDialect {
        /// What was asked for.
        name: String,
        /// All there are.
        known: String,
    },
    /// `outthink.toml` is broken.
    #[error("the server configuration cannot be read: line {line}: {reason}")]
    Config {
        /// Where.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The environment variable that is to hold the key does not.
    #[error("the environment variable {name} holds no usable key for the {role} servers")]
    Key {
        /// Its name.
        name: String,
        /// Whose key.
        role: Role,
    },
    /// A key that cannot be sent.
    #[error("the key of {key} cannot be used: {reason}")]
    UnusableKey {
        /// The variable or file that holds it.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A redirect that would carry the question and the key to somebody else.
    #[error(
        "{endpoint} sends requests on to {target}; no key goes there unasked. If that is the right server, name it instead"
    )]
    Redirected {
        /// Which server.
        endpoint: String,
        /// Where to.
        target: String,
    },
    /// No threads to work on.
    #[error("cannot start the thread that talks to servers")]
    Runtime(#[source] std::io::Error),
    /// No trusted certificates for https.
    #[error("cannot read the system's trusted certificates, which https needs")]
    Certificates(#[source] std::io::Error),
    /// The server does not have the model.
    #[error("{endpoint} serves {known}, not {model:?}")]
    WrongModel {
        /// Which server.
        endpoint: String,
        /// What was asked for.
        model: String,
        /// What it serves.
        known: String,
    },
    /// The server does not say which models it has, and none was chosen.
    #[error("{endpoint} does not list its models ({reason}); name one as {endpoint}/v1#NAME")]
    NoModels {
        /// Which server.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// The server has several models and none was chosen.
    #[error("{endpoint} serves several models: {known}; choose one as {endpoint}/v1#NAME")]
    WhichModel {
        /// Which server.
        endpoint: String,
        /// What it serves.
        known: String,
    },
    /// Servers of one role speak different dialects; the same seed would give different draws.
    #[error("{first} and {second}: the servers of one role must be of one kind")]
    Mixed {
        /// One server and its kind.
        first: String,
        /// Another.
        second: String,
    },
    /// The server understood and refused.
    #[error("{endpoint} refuses the request ({status}): {message}")]
    Refused {
        /// Which server.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The prompt leaves no room in the model's context.
    #[error("{tokens} tokens exceed the context of {limit} at {endpoint}")]
    ContextOverflow {
        /// Which server.
        endpoint: String,
        /// Tokens needed.
        tokens: usize,
        /// The server's limit.
        limit: usize,
    },
    /// Every attempt failed.
    #[error("{attempts} attempts failed, the last at {endpoint}: {last}")]
    GaveUp {
        /// Where the last one failed.
        endpoint: String,
        /// How many.
        attempts: usize,
        /// Why the last one failed.
        last: String,
    },
    /// Answers without a choice, again and again.
    #[error("{endpoint} answered {attempts} times without a single choice; it sent {sent}")]
    NoChoices {
        /// Which server.
        endpoint: String,
        /// How often it was asked.
        attempts: usize,
        /// The beginning of its last answer.
        sent: String,
    },
    /// Nobody was there at the first contact.
    #[error(
        "no {role} server answers: {last}.{advice} A study that is under way waits for its servers; a first contact does not"
    )]
    Absent {
        /// Which role.
        role: Role,
        /// What the last of them said.
        last: String,
        /// What may help.
        advice: &'static str,
    },
    /// No server of the role has answered for as long as was to be waited.
    #[error(
        "no {role} server has answered for {waited:?} ({last}); start one and run the same command again"
    )]
    Down {
        /// Which role.
        role: Role,
        /// How long was waited.
        waited: Duration,
        /// What the last of them said.
        last: String,
    },
    /// Something that this side cannot make.
    #[error("the request cannot be made: {0}")]
    Unsendable(String),
    /// A reply of another shape than was asked for.
    #[error("{endpoint} answered something else than was asked: {reason}")]
    Misshaped {
        /// Which server.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// As many rewards as steps are needed.
    #[error("{endpoint} returned {got} reward rows for {steps} steps of {tokens} tokens{hint}")]
    Rows {
        /// Which server.
        endpoint: String,
        /// Rows returned.
        got: usize,
        /// Steps asked about.
        steps: usize,
        /// Tokens sent.
        tokens: usize,
        /// What to do.
        hint: &'static str,
    },
    /// A reward that is no probability.
    #[error("{endpoint} returned {row:?} where a {expected} was expected")]
    NotAReward {
        /// Which server.
        endpoint: String,
        /// The row.
        row: Vec<f64>,
        /// What a row should be.
        expected: &'static str,
    },
    /// A step method on a server that cannot continue an answer.
    #[error(
        "{server} cannot continue an answer from where it stands, so it cannot search over steps; use majority or best-of-n, or a server that takes token ids"
    )]
    WholeAnswersOnly {
        /// The server's name.
        server: String,
    },
    /// The server cannot score this kind of verifier.
    #[error("{server} cannot read this verifier's rewards: {reason}")]
    CannotScore {
        /// The server's name.
        server: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A tokenizer is needed and there is none.
    #[error("{0}; name a folder with its tokenizer.json")]
    NoTokenizer(&'static str),
    /// Text, template or profile.
    #[error(transparent)]
    Prompt(#[from] outthink_prompt::Error),
    /// The work was given up.
    #[error("the request was stopped")]
    Stopped,
}

impl Error {
    /// Is it a fault of what was named or set (an address, a model, a key), which the same command meets again?
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 401 | 403),
            Self::Url { .. }
            | Self::NoScheme { .. }
            | Self::UnknownDialect { .. }
            | Self::Config { .. }
            | Self::File { .. }
            | Self::Key { .. }
            | Self::UnusableKey { .. }
            | Self::Redirected { .. }
            | Self::WrongModel { .. }
            | Self::NoModels { .. }
            | Self::WhichModel { .. }
            | Self::Mixed { .. }
            | Self::Absent { .. }
            | Self::WholeAnswersOnly { .. }
            | Self::CannotScore { .. }
            | Self::NoTokenizer(_)
            | Self::Prompt(_) => true,
            _ => false,
        }
    }
}
