//! Kinds of servers: what each takes, ignores and answers.
//!
//! A kind of server is one file here that implements [`Dialect`] and one line in [`DIALECTS`]; nothing outside this folder
//! asks which kind a server is. Every rule was seen on a running server (vLLM 0.32, llama.cpp b11434) or stands in the
//! server's documentation (SGLang); none is guessed from a name.

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

/// All kinds of servers. Of those that recognise a server, the first is taken.
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

/// What is taken for a server that no dialect recognises.
const FALLBACK: &dyn Dialect = &chat::Chat;

/// A kind of server: how it is recognised, and how its endpoints are asked and read.
///
/// Requests and answers are plain data here, so that a dialect needs no network and no runtime: the pool sends what
/// `draw_request` and `score_request` make, to whichever replica has room, and hands the answers to `read_draws` and
/// `read_scores`.
pub(crate) trait Dialect: Send + Sync {
    /// Its word in a configuration, as in `dialect = "vllm"`.
    fn name(&self) -> &'static str;

    /// Its name in messages, in facts and in what a study stores.
    fn title(&self) -> &'static str;

    /// What to call it where its version and model are listed.
    fn description(&self) -> &'static str {
        self.title()
    }

    /// The `owned_by` of the models that it lists, by which it is recognised without another request.
    fn owned_by(&self) -> Option<&'static str> {
        None
    }

    /// Paths that [`recognises`](Self::recognises) looks at. They are asked (GET) only where `owned_by` is nobody's, as
    /// behind a proxy that puts its own name there.
    fn recognised_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// Are these the answers of this kind of server, and of no other?
    fn recognises(&self, _answers: &SelfDescription) -> bool {
        false
    }

    /// Is a model of its list no model of its own, but another one of the list with a search method?
    fn lists_as_search(&self, _model: &str) -> bool {
        false
    }

    /// Paths that are asked (GET) once at the start, one after the other, for [`read_facts`](Self::read_facts).
    fn facts_at(&self) -> &'static [&'static str] {
        &[]
    }

    /// Fills in what the answers tell. Those that did not come are left out of `answers`.
    fn read_facts(&self, _answers: &SelfDescription, _facts: &mut Facts) {}

    /// Does it continue an answer from any token on? Then every draw is a request with a seed of its own, and steps can be
    /// searched over. If not, it is asked for whole answers, several a request.
    fn continues(&self) -> bool;

    /// Is a whole answer worth streaming? Only where the server may go on after what is wanted, and a stream tells every
    /// token.
    fn streams(&self) -> bool {
        false
    }

    /// Why a policy cannot be asked without its tokenizer's files, if that is so.
    fn needs_tokenizer(&self) -> Option<&'static str> {
        None
    }

    /// Token ids of a conversation, made by the server.
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

    /// The request for one draw, or for several whole answers to one conversation.
    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error>;

    /// Reads an answer's body, or one event of a stream other than `[DONE]`. `spelled`: are the bytes of its tokens wanted?
    fn read_draws(&self, data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable>;

    /// How rewards of a kind are asked for, or why they cannot be. `pools`: have all servers a `/pooling` endpoint?
    fn reward_endpoint(
        &self,
        reward: Reward,
        _pools: bool,
    ) -> Result<RewardEndpoint, &'static str> {
        Err(score::only_prm_serve_reads(reward).unwrap_or("it is a chat endpoint"))
    }

    /// The request for the rewards of a solution or a step, by an endpoint that [`reward_endpoint`](Self::reward_endpoint)
    /// gave.
    fn score_request(&self, _score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        Err(serde::ser::Error::custom(score::NOT_SCORED))
    }

    /// Reads the answer to a [`score_request`](Self::score_request).
    fn read_scores(&self, _data: &[u8], _score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        Err(score::NOT_SCORED.into())
    }
}

/// The dialect that a listed model's `owned_by` tells, if it is one's.
pub(crate) fn owning(owned_by: &str) -> Option<&'static dyn Dialect> {
    let mut dialects = DIALECTS.iter().copied();
    dialects.find(|dialect| dialect.owned_by() == Some(owned_by))
}

/// Paths that tell the dialects apart, each once.
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

/// A kind of server, by its name: `vllm`, `sglang`, `llama.cpp`, `prm-serve`, `outthink` or `chat`.
///
/// It is parsed from a configuration's word, whatever its case and hyphens, or from how it is shown; it is shown as people
/// write it, such as `vLLM`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct DialectId(&'static dyn Dialect);

impl DialectId {
    /// The word that stands for it in a configuration.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What to call it where its version and model are listed.
    pub fn description(self) -> &'static str {
        self.0.description()
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
}
