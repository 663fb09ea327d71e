//! Bodies of requests, read as where they come from a client: for the fuzz target, which reaches nothing that is not public.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::response::IntoResponse;
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{self, BoxStream, StreamExt};
use outthink_core::{
    ExactAnswers, Extension, Judgement, Limits, ModelError, Policy, Prefix, Reply, Sampling,
    Verifier,
};
use serde_json::value::RawValue;

use crate::ask::{Ask, How, decide};
use crate::auth::Key;
use crate::conversation::Conversation;
use crate::error::ApiError;
use crate::models::{
    Forward, Forwarded, Models, Piece, ServedPolicy, ServedVerifier, Talk, Utterance, Voice,
};
use crate::passing::{renamed, within};
use crate::peers::Aside;
use crate::request::ChatRequest;

/// The largest budget of the key.
const LARGEST: usize = 64;

/// A request to every route gets these bytes for a body.
///
/// # Panics
///
/// Where what is wrong with it is called the server's fault, or what is read of it is beyond its bounds.
pub fn request(body: &[u8]) {
    let path = Some(("beam_search".to_owned(), "judge".to_owned()));
    let asides = [
        Aside::default(),
        Aside {
            budget: Some(9),
            path,
        },
    ];
    for read in [ChatRequest::chat, ChatRequest::completion] {
        let request = match read(body) {
            Ok(request) => request,
            Err(error) => {
                refused(error);
                continue;
            }
        };
        for aside in &asides {
            match decide(&request, aside, &MODELS, LARGEST) {
                Ok(Ask::Search(ask)) => {
                    let budget = match &ask.how {
                        How::Planned { plan, .. } => plan.budget(),
                        How::Strategic { budget, .. } => *budget,
                    };
                    assert!((1..=LARGEST).contains(&budget), "a budget of {budget}");
                    assert!(!ask.question.is_empty());
                    bounded(ask.sampling);
                }
                Ok(Ask::Converse { policy, .. }) => {
                    let policy = MODELS
                        .policy(Some(&policy))
                        .map(|policy| (policy, &policy.voice));
                    if let Some((policy, Voice::Talks(model))) = policy {
                        match Conversation::new(policy, model, &request, LARGEST) {
                            Ok(conversation) => {
                                let choices = conversation.asked().len();
                                assert!((1..=LARGEST).contains(&choices), "{choices} choices");
                                bounded(conversation.asked()[0].sampling);
                            }
                            Err(error) => refused(error),
                        }
                    }
                }
                Err(error) => refused(error),
            }
        }
    }
    let key = Key {
        name: "a".into(),
        sha256: String::new(),
        searches: 1,
        budget: LARGEST,
    };
    if let Err(error) = within(&key, &MODELS.policies[1], body) {
        refused(error);
    }
    match renamed(body, "theirs") {
        Ok(passed) => {
            let passed: BTreeMap<String, &RawValue> =
                serde_json::from_slice(&passed).unwrap_or_default();
            let named = passed.get("model").map(|name| name.get());
            assert!(named == Some("\"theirs\"") && !passed.contains_key("outthink"));
        }
        Err(error) => refused(error),
    }
}

/// What is wrong with a body is its client's fault, and told in few words.
fn refused(error: ApiError) {
    let told = error.body().to_string();
    assert!(told.len() < 20_000, "{} bytes", told.len());
    let status = error.into_response().status();
    assert!(status.is_client_error(), "{status}: {told}");
}

fn bounded(sampling: Sampling) {
    let Sampling {
        temperature,
        top_p,
        min_p,
        ..
    } = sampling;
    assert!((0.0..=10.0).contains(&temperature));
    assert!((0.0..=1.0).contains(&top_p) && (0.0..=1.0).contains(&min_p));
}

static MODELS: LazyLock<Models> = LazyLock::new(|| {
    let policy = |name: &str, voice, steps| ServedPolicy {
        name: name.into(),
        model: Arc::new(Mute),
        voice,
        sampling: Sampling::at(1.0),
        limits: Limits {
            draw_tokens: 100,
            solution_tokens: 100,
            steps: 10,
        },
        steps,
        cost: None,
        profile: None,
        strategy: None,
    };
    Models {
        policies: vec![
            policy("talks", Voice::Talks(Arc::new(Mute)), true),
            policy("forwards", Voice::Forwards(Arc::new(Mute)), false),
        ],
        verifiers: vec![ServedVerifier {
            name: "judge".into(),
            model: Arc::new(Mute),
            cost: None,
        }],
        answers: Arc::new(ExactAnswers),
        quorum: None,
        blame: |_| None,
        markup: str::to_owned,
    }
});

/// Models that nobody asks.
struct Mute;

impl Policy for Mute {
    fn extend(&self, _: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        ready(Err("mute".into())).boxed()
    }
}

impl Verifier for Mute {
    fn score(&self, _: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        ready(Err("mute".into())).boxed()
    }
}

impl Talk for Mute {
    fn talk(&self, _: Utterance) -> BoxStream<'static, Result<Piece, ModelError>> {
        stream::empty().boxed()
    }
}

impl Forward for Mute {
    fn forward(
        &self,
        _: &'static str,
        _: Bytes,
    ) -> BoxFuture<'static, Result<Forwarded, ModelError>> {
        ready(Err("mute".into())).boxed()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_a_body_says_is_done_or_the_clients_mistake() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/request");
        let mut seeds = 0;
        for seed in std::fs::read_dir(corpus).into_iter().flatten().flatten() {
            super::request(&std::fs::read(seed.path()).unwrap_or_default());
            seeds += 1;
        }
        assert!(seeds > 20);
    }
}
