//! Kinds of servers: what each takes, ignores and answers.
//!
//! A kind of server is one file here that implements [`Dialect`] and one line in [`DIALECTS`]; nothing outside this folder
//! asks which kind a server is. To add one, copy `toy.rs`, which draws and scores in a few lines each and has a test.
//!
//! Every rule was seen on a running server (vLLM 0.32, llama.cpp b11434) or stands in the server's documentation (SGLang);
//! none is guessed from a name.

mod chat;
mod draw;
mod gateway;
mod llama_cpp;
mod outthink;
mod score;
mod self_description;
mod sglang;
#[cfg(test)]
mod toy;
mod unreadable;
mod vllm;

use std::fmt;
use std::str::FromStr;

use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::visible_line;
use outthink_prompt::Reward;
use serde::Deserialize;

use crate::Error;
use crate::call::{Conversation, ServerCall};
use crate::probe::Facts;
use crate::request::ApiRequest;

pub(crate) use draw::{DrawDelta, DrawEvent, DrawPrefix, DrawRequest, FinishReason, Piece};
pub(crate) use score::{RewardEndpoint, ScoreRequest, Scores};
pub(crate) use self_description::SelfDescription;
pub(crate) use unreadable::Unreadable;

/// All kinds of servers. The first that recognises a server is taken.
pub(crate) const DIALECTS: &[&dyn Dialect] = &[
    &vllm::Vllm,
    &sglang::Sglang,
    &llama_cpp::LlamaCpp,
    &outthink::PrmServe,
    &gateway::Gateway,
    &chat::Chat,
    #[cfg(test)]
    &toy::Toy,
];

/// The kind of a server that no dialect recognises.
const FALLBACK: &dyn Dialect = &chat::Chat;

/// A kind of server: how it is recognised, and how its endpoints are asked and read.
///
/// Requests and answers are plain data here, so that a dialect needs no network and no runtime: the pool sends what
/// `draw_request` and `score_request` make, to whichever replica has room, and hands the answers to `read_draws` and
/// `read_scores`.
pub(crate) trait Dialect: Send + Sync {
    /// Its word in a configuration, as in `dialect = "vllm"`.
    fn name(&self) -> &'static str;

    /// Its name in messages, and in what a study stores of its models.
    fn title(&self) -> &'static str;

    /// What to call it to users, beside its version and model (`doctor`).
    fn description(&self) -> &'static str {
        self.title()
    }

    /// The `owned_by` in its list of models, by which it is recognised without another request.
    fn owned_by(&self) -> Option<&'static str> {
        None
    }

    /// Paths whose answers [`recognises`](Self::recognises) looks at. They are requested (GET) only where no dialect
    /// has the `owned_by` of the list, as behind a proxy that puts its own name there.
    fn recognised_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// Do these answers come from this kind of server and no other?
    fn recognises(&self, _answers: &SelfDescription) -> bool {
        false
    }

    /// Is this name in its list not a model, but a search with another model of the list?
    fn lists_as_search(&self, _model: &str) -> bool {
        false
    }

    /// Paths that are requested (GET) at the start, one after the other, for [`read_facts`](Self::read_facts).
    fn facts_at(&self) -> &'static [&'static str] {
        &[]
    }

    /// Fills in what the answers tell. Paths without a successful answer are missing in `answers`.
    fn read_facts(&self, _answers: &SelfDescription, _facts: &mut Facts) {}

    /// Can it continue an answer from any token? Then each draw is a request with its own seed, and searches over steps
    /// are possible. If not, it is asked for whole answers, several in one request.
    fn continues(&self) -> bool;

    /// Are whole answers worth streaming, so that the connection can be closed where an answer ends? Only if a stream
    /// holds every token.
    fn streams(&self) -> bool {
        false
    }

    /// Why a policy cannot be used without its tokenizer's files, if that is so.
    fn needs_tokenizer(&self) -> Option<&'static str> {
        None
    }

    /// Lets the server make token ids of a conversation.
    ///
    /// # Errors
    ///
    /// Where it cannot; that is the default.
    fn tokenise<'a>(
        &'a self,
        _server: ServerCall<'a>,
        _conversation: Conversation<'a>,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        ready(Err(Error::NoTokenizer(
            "SGLang takes a conversation as token ids only from who has its tokenizer",
        )))
        .boxed()
    }

    /// Lets the server make token ids of a text as it stands, without a token before it.
    ///
    /// # Errors
    ///
    /// Where it cannot; that is the default.
    fn tokenise_text<'a>(
        &'a self,
        _server: ServerCall<'a>,
        _model: &'a str,
        _text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        ready(Err(Error::NoTokenizer(
            "such a server makes no token ids of a written text",
        )))
        .boxed()
    }

    /// The request for one draw, or for several whole answers to one conversation.
    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error>;

    /// Reads an answer's body, or one event of a stream other than `[DONE]`. `spelled`: are the bytes of each token
    /// needed, because there is no tokenizer?
    fn read_draws(&self, data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable>;

    /// How rewards of this kind are asked for, or why they cannot be. `pools`: does every server have a `/pooling`
    /// endpoint? By default, none can be.
    fn reward_endpoint(
        &self,
        reward: Reward,
        _pools: bool,
    ) -> Result<RewardEndpoint, &'static str> {
        Err(score::only_prm_serve_reads(reward).unwrap_or("it is a chat endpoint"))
    }

    /// The request for the rewards of a solution or of one step, at an endpoint that
    /// [`reward_endpoint`](Self::reward_endpoint) returned.
    fn score_request(&self, _score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        Err(serde::ser::Error::custom(score::NOT_SCORED))
    }

    /// Reads the answer to a [`score_request`](Self::score_request).
    fn read_scores(&self, _data: &[u8], _score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        Err(score::NOT_SCORED.into())
    }
}

/// The dialect with this `owned_by`.
pub(crate) fn owning(owned_by: &str) -> Option<&'static dyn Dialect> {
    let mut dialects = DIALECTS.iter().copied();
    dialects.find(|dialect| dialect.owned_by() == Some(owned_by))
}

/// All paths that dialects are recognised by, each once.
pub(crate) fn telling_paths() -> Vec<&'static str> {
    let mut paths = Vec::new();
    for path in DIALECTS.iter().flat_map(|dialect| dialect.recognised_by()) {
        if !paths.contains(path) {
            paths.push(*path);
        }
    }
    paths
}

/// The dialect of a server that answered like this at the [`telling_paths`].
pub(crate) fn recognised(answers: &SelfDescription) -> &'static dyn Dialect {
    let mut dialects = DIALECTS.iter().copied();
    dialects
        .find(|dialect| dialect.recognises(answers))
        .unwrap_or(FALLBACK)
}

/// A kind of server: vLLM, SGLang, llama.cpp, `outthink prm-serve`, `outthink serve`, or any OpenAI-compatible chat
/// endpoint.
///
/// It is parsed from its [`name`](Self::name) or from its `Display` form, ignoring case, hyphens, dots and blanks.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct DialectId(&'static dyn Dialect);

impl DialectId {
    /// Its word in a configuration: `vllm`, `sglang`, `llama.cpp`, `prm-serve`, `outthink` or `chat`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What to call it to users, beside its version and model (`doctor`).
    pub fn description(self) -> &'static str {
        self.0.description()
    }

    /// Does such a server give rewards of this kind, where it `pools` (`/pooling`) or generates?
    ///
    /// # Errors
    ///
    /// What it lacks.
    pub fn scores(self, reward: Reward, pools: bool) -> Result<(), &'static str> {
        self.0.reward_endpoint(reward, pools).map(|_| ())
    }

    pub(crate) fn of(dialect: &'static dyn Dialect) -> Self {
        Self(dialect)
    }

    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        self.0
    }
}

impl PartialEq for DialectId {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for DialectId {}

impl fmt::Debug for DialectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for DialectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.title())
    }
}

impl FromStr for DialectId {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let plain = |name: &str| name.to_lowercase().replace(['-', '_', '.', ' '], "");
        let is_named = |dialect: &&dyn Dialect| {
            [dialect.name(), dialect.title()]
                .map(plain)
                .contains(&plain(name))
        };
        let mut dialects = DIALECTS.iter().copied();
        let found = dialects.find(is_named).map(Self);
        found.ok_or_else(|| {
            let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name()).collect();
            Error::UnknownDialect {
                name: visible_line(name).into_owned(),
                known: names.join(", "),
            }
        })
    }
}

impl TryFrom<String> for DialectId {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_server_is_named_as_it_is_shown_or_as_it_is_written() {
        for dialect in DIALECTS {
            let id = DialectId::of(*dialect);
            assert_eq!(id.to_string().parse::<DialectId>().ok(), Some(id));
            assert_eq!(id.name().parse::<DialectId>().ok(), Some(id));
        }
        let named = |text: &str| text.parse::<DialectId>().map(DialectId::name).ok();
        assert_eq!(named("llama-cpp"), Some("llama.cpp"));
        assert_eq!(named("PRM_serve"), Some("prm-serve"));
        assert_eq!(named("chat"), Some("chat"));
        let error = "tgi"
            .parse::<DialectId>()
            .map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("vllm, sglang, llama.cpp")));
    }

    #[test]
    fn a_reward_is_read_where_a_server_has_it_and_refused_with_a_reason_elsewhere() {
        use RewardEndpoint::{Labels, LikelihoodRows, PromptLikelihood};
        let endpoint = |name: &str, reward: Reward, pools: bool| {
            let dialect = DIALECTS.iter().find(|dialect| dialect.name() == name);
            dialect.map(|dialect| dialect.reward_endpoint(reward, pools))
        };
        let rows = |activated| RewardEndpoint::Rows { activated };
        for (name, reward, pools, expected) in [
            ("vllm", Reward::Label(1), true, rows(true)),
            ("vllm", Reward::Value, true, rows(false)),
            ("vllm", Reward::Tokens(5, 6), true, rows(true)),
            ("vllm", Reward::Tokens(5, 6), false, Labels([5, 6])),
            ("vllm", Reward::Likelihood, false, PromptLikelihood),
            ("sglang", Reward::Tokens(5, 6), false, Labels([5, 6])),
            ("sglang", Reward::Likelihood, false, PromptLikelihood),
            ("llama.cpp", Reward::Tokens(5, 6), false, Labels([5, 6])),
            ("prm-serve", Reward::Label(1), true, rows(true)),
            ("prm-serve", Reward::Value, true, rows(false)),
            ("prm-serve", Reward::Likelihood, true, LikelihoodRows),
            ("prm-serve", Reward::NextLabel, true, LikelihoodRows),
            ("prm-serve", Reward::Ratio(0.1), true, LikelihoodRows),
        ] {
            assert_eq!(
                endpoint(name, reward, pools),
                Some(Ok(expected)),
                "{name}, {reward:?}"
            );
        }
        for (name, reward, pools, words) in [
            (
                "vllm",
                Reward::Likelihood,
                true,
                "start it without --runner pooling",
            ),
            (
                "vllm",
                Reward::Label(1),
                false,
                "start it with --runner pooling",
            ),
            ("vllm", Reward::NextLabel, true, "a label of each token"),
            (
                "sglang",
                Reward::Label(1),
                true,
                "it returns one row a text",
            ),
            (
                "sglang",
                Reward::Ratio(0.1),
                false,
                "one server has one model",
            ),
            (
                "llama.cpp",
                Reward::Likelihood,
                false,
                "neither prompt log-probabilities",
            ),
            ("chat", Reward::Label(1), false, "it is a chat endpoint"),
            ("chat", Reward::NextLabel, false, "a label of each token"),
            ("outthink", Reward::Value, true, "it is a chat endpoint"),
        ] {
            let refused = endpoint(name, reward, pools).and_then(Result::err);
            assert!(
                refused.is_some_and(|reason| reason.contains(words)),
                "{name}, {reward:?}"
            );
        }
    }
}
