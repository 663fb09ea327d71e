//! Errors of model servers and of their configuration.

use std::path::PathBuf;
use std::time::Duration;

use outthink_core::Thinking;

use crate::Role;

/// Why a model server cannot be used, or did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A malformed address.
    #[error("{url} is no server address ({reason}); write http://host:port/v1")]
    Url {
        /// The address as it was written, without its secrets.
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
        /// The name that was given.
        name: String,
        /// The names of all kinds.
        known: String,
    },
    /// `outthink.toml` is malformed.
    #[error("the server configuration cannot be read: line {line}: {reason}")]
    Config {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// The environment variable that was named for the key is unset or empty.
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
    /// A redirect that would disclose the prompt and the key to another host.
    #[error(
        "{endpoint} sends requests on to {target}; no key goes there unasked. If that is the right server, name it instead"
    )]
    Redirected {
        /// The server's address.
        endpoint: String,
        /// The address that it redirects to.
        target: String,
    },
    /// The thread that talks to servers cannot be started.
    #[error("cannot start the thread that talks to servers")]
    Runtime(#[source] std::io::Error),
    /// The system's trusted certificates cannot be read.
    #[error("cannot read the system's trusted certificates, which https needs")]
    Certificates(#[source] std::io::Error),
    /// The server does not have the model.
    #[error("{endpoint} serves {known}, not {model:?}")]
    WrongModel {
        /// The server's address.
        endpoint: String,
        /// The model that was named.
        model: String,
        /// Names of the models that it serves.
        known: String,
    },
    /// The server does not list its models, and none was named.
    #[error("{endpoint} does not list its models ({reason}); name one as {endpoint}/v1#NAME")]
    NoModels {
        /// The server's address.
        endpoint: String,
        /// Why it has no list.
        reason: String,
    },
    /// The server has several models, and none was named.
    #[error("{endpoint} serves several models: {known}; choose one as {endpoint}/v1#NAME")]
    WhichModel {
        /// The server's address.
        endpoint: String,
        /// Names of the models that it serves.
        known: String,
    },
    /// The servers of one role differ in their kind or model, so the same seed would give different draws.
    #[error("{first} and {second}: the servers of one role must be of one kind")]
    Mixed {
        /// One server and its kind.
        first: String,
        /// Another server, of another kind or with another model.
        second: String,
    },
    /// The server refuses the request.
    #[error("{endpoint} refuses the request ({status}): {message}")]
    Refused {
        /// The server's address.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The prompt leaves no room in the model's context.
    #[error("{tokens} tokens exceed the context of {limit} at {endpoint}")]
    ContextOverflow {
        /// The server's address.
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
        /// How often it was sent.
        attempts: usize,
        /// Why the last one failed.
        last: String,
    },
    /// The server answered without a single choice, several times in a row.
    #[error("{endpoint} answered {attempts} times without a single choice; it sent {sent}")]
    NoChoices {
        /// The server's address.
        endpoint: String,
        /// How often it was asked.
        attempts: usize,
        /// The beginning of its last answer.
        sent: String,
    },
    /// No server answered at the first contact.
    #[error(
        "no {role} server answers: {last}.{advice} A study that is under way waits for its servers; a first contact does not"
    )]
    Absent {
        /// The servers' role.
        role: Role,
        /// How the last attempt failed.
        last: String,
        /// What to check.
        advice: &'static str,
    },
    /// No server has answered for as long as `patience_seconds`.
    #[error(
        "no {role} server has answered for {waited:?} ({last}); start one and run the same command again"
    )]
    Down {
        /// The servers' role.
        role: Role,
        /// How long was waited.
        waited: Duration,
        /// How the last attempt failed.
        last: String,
    },
    /// A request that cannot be made, as under a profile of another role.
    #[error("the request cannot be made: {0}")]
    Unsendable(String),
    /// An answer of another format than was asked for.
    #[error("{endpoint} answered something else than was asked: {reason}")]
    Misshaped {
        /// The server's address.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A verifier's answer that does not hold one reward for each step.
    #[error("{endpoint} returned {got} reward rows for {steps} steps of {tokens} tokens{hint}")]
    Rows {
        /// The server's address.
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
    /// A number that cannot be a reward.
    #[error("{endpoint} returned {row:?} where a {expected} was expected")]
    NotAReward {
        /// The server's address.
        endpoint: String,
        /// The row.
        row: Vec<f64>,
        /// What a row should be.
        expected: &'static str,
    },
    /// A control of thoughts that the server's kind cannot be put under.
    #[error(
        "{server} writes whole answers only, so its thoughts cannot be put under `{thinking}`; leave out --thinking, or serve the model with vLLM, SGLang or llama.cpp"
    )]
    Thoughts {
        /// The control.
        thinking: Thinking,
        /// The server's address and kind.
        server: String,
    },
    /// A search over steps on a server that gives whole answers only.
    #[error(
        "{server} cannot continue an answer from where it stands, so it cannot search over steps; use majority or best-of-n, or a server that takes token ids"
    )]
    WholeAnswersOnly {
        /// The server's address and kind.
        server: String,
    },
    /// The server cannot give this verifier's kind of reward.
    #[error("{server} cannot read this verifier's rewards: {reason}")]
    CannotScore {
        /// The server's address and kind.
        server: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A tokenizer is needed, and no folder with one was named.
    #[error("{0}; name a folder with its tokenizer.json")]
    NoTokenizer(&'static str),
    /// A text, chat template or profile cannot be used.
    #[error(transparent)]
    Prompt(#[from] outthink_prompt::Error),
    /// The request was aborted.
    #[error("the request was stopped")]
    Stopped,
}

impl Error {
    /// Is it caused by the configuration (an address, a model, a key), so that the same command would fail again?
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
            | Self::Thoughts { .. }
            | Self::CannotScore { .. }
            | Self::NoTokenizer(_)
            | Self::Prompt(_) => true,
            _ => false,
        }
    }
}
