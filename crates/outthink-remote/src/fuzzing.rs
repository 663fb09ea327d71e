//! What servers send, read as where it comes from a server: for the fuzz target, which reaches nothing that is not public.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::StatusCode;
use outthink_core::Until;
use outthink_prompt::{Profile, Reward, Segmenter};

use crate::change::Changes;
use crate::dialect::{DIALECTS, Dialect, DialectId, RewardEndpoint, ScoreRequest, SelfDescription};
use crate::draw::DrawReader;
use crate::endpoint::Endpoint;
use crate::http::BodyPart;
use crate::probe::Facts;
use crate::request::{ResponseReader, take};
use crate::segment::PartialDraw;
use crate::server_error::{ServerError, unreadable};
use crate::sse::Events;
use crate::verifier::reward;
use crate::{models, refusal};

const TOKENS: [u32; 3] = [1, 2, 3];

static SEGMENTER: LazyLock<Option<Segmenter>> = LazyLock::new(|| {
    let profile = Profile::named("chat").ok()?.policy?;
    Some(Segmenter::new(&profile, Vec::new()))
});

/// Everything that a server may be asked gets these bytes for an answer; a stream comes in parts of `cut` bytes and at once.
///
/// # Panics
///
/// Where a stream reads otherwise in parts, or a number that comes of it is none.
pub fn reply(bytes: &[u8], cut: usize) {
    let Ok(endpoint) = Endpoint::new("http://localhost:1/v1", None) else {
        return;
    };
    for &dialect in DIALECTS {
        for until in [Until::Step, Until::Answer] {
            draw(
                &endpoint,
                dialect,
                until,
                vec![BodyPart::Whole(part(bytes))],
            );
            let parts = bytes
                .chunks(cut.max(1))
                .map(|data| BodyPart::Data(part(data)));
            let parted = draw(&endpoint, dialect, until, parts.chain([BodyPart::End]));
            let whole = [BodyPart::Data(part(bytes)), BodyPart::End];
            assert_eq!(
                parted,
                draw(&endpoint, dialect, until, whole),
                "{}",
                dialect.name()
            );
        }
    }
    rewards(bytes);
    refusal(bytes);
    if let Ok(models) = models::read(bytes) {
        for wanted in [None, Some("a")] {
            let _ = models::choose("a", models.clone(), wanted).map_err(|error| error.to_string());
        }
    }
    self_description(bytes);
}

fn part(data: &[u8]) -> Bytes {
    Bytes::copy_from_slice(data)
}

/// What comes of two draws that were asked for, or why nothing does.
fn draw(
    endpoint: &Endpoint,
    dialect: &'static dyn Dialect,
    until: Until,
    parts: impl IntoIterator<Item = BodyPart>,
) -> String {
    let Some(segmenter) = SEGMENTER.clone() else {
        return String::new();
    };
    let segmenter = match until {
        Until::Step => segmenter,
        Until::Answer => segmenter.whole(),
    };
    let draws = vec![PartialDraw::new(segmenter, None, until); 2];
    let mut reader = DrawReader::new(dialect, true, draws, 7, dialect.streams(), None);
    let mut events = Events::default();
    for part in parts {
        match take(&mut reader, endpoint, &mut events, part) {
            Ok(true) => break,
            Ok(false) => {}
            Err(failure) => return failure.to_string(),
        }
    }
    match reader.finish(endpoint.name()) {
        Ok((reply, _)) => format!("{reply:?}"),
        Err(failure) => failure.to_string(),
    }
}

/// Whatever is read as a row of probabilities or as a value is a reward, at every endpoint of every dialect.
fn rewards(bytes: &[u8]) {
    let endpoints = [
        RewardEndpoint::Rows { activated: true },
        RewardEndpoint::LikelihoodRows,
        RewardEndpoint::PromptLikelihood,
        RewardEndpoint::Labels([TOKENS[0], TOKENS[1]]),
    ];
    let kinds = [
        Reward::Label(0),
        Reward::Label(9),
        Reward::Value,
        Reward::Tokens(1, 2),
    ];
    for (dialect, endpoint) in DIALECTS
        .iter()
        .flat_map(|dialect| endpoints.map(|endpoint| (dialect, endpoint)))
    {
        let score = ScoreRequest {
            model: "a",
            tokens: &TOKENS,
            endpoint,
        };
        let scores = dialect.read_scores(bytes, &score).unwrap_or_default();
        for (kind, row) in kinds
            .into_iter()
            .flat_map(|kind| scores.rows.iter().map(move |row| (kind, row)))
        {
            if let Ok(reward) = reward(kind, row) {
                assert!((0.0..=1.0).contains(&reward), "{kind:?}: {reward}");
            }
        }
    }
}

/// What a server says of itself, at every path.
fn self_description(bytes: &[u8]) {
    for dialect in DIALECTS {
        let paths = [dialect.recognised_by(), dialect.facts_at()].concat();
        let answers = paths.into_iter().map(|path| (path, part(bytes)));
        let answers = SelfDescription::from_iter(answers);
        let _ = dialect.recognises(&answers);
        let mut facts = Facts {
            endpoint: String::new(),
            dialect: DialectId::of(*dialect),
            version: None,
            model: String::new(),
            root: None,
            context: None,
            slots: None,
            prefix_caching: None,
            generates: false,
            pools: false,
            parameters: None,
            profile: None,
        };
        dialect.read_facts(&answers, &mut facts);
    }
}

/// A refusal, and the request that is sent after it.
fn refusal(bytes: &[u8]) {
    let body = Bytes::from_static(
        br#"{"model":"a","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"max_tokens":100,"seed":1,"n":8,"temperature":0.0,"top_p":1.0,"top_k":0,"min_p":0.0,"logprobs":0}"#,
    );
    let error = ServerError::read(bytes);
    assert!(!error.message.is_empty() && !error.message.contains(char::is_control));
    if let Some(change) = refusal::change(&error, &body) {
        let mut changes = Changes::default();
        changes.add(change);
        let asked = changes.apply(&body);
        assert!(
            serde_json::from_slice::<serde_json::Value>(&asked).is_ok(),
            "{change}"
        );
    }
    for status in [
        None,
        Some(StatusCode::BAD_REQUEST),
        Some(StatusCode::TOO_MANY_REQUESTS),
    ] {
        let _ = error.clone().into_transport_error(status, None).to_string();
    }
    if let Some(error) = ServerError::read_success(bytes) {
        let _ = error.into_transport_error(None, None).to_string();
    }
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(bytes) {
        let _ = unreadable(bytes, &error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_server_sends_is_read_or_refused() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/reply");
        let mut seeds = 0;
        for seed in std::fs::read_dir(corpus).into_iter().flatten().flatten() {
            let bytes = std::fs::read(seed.path()).unwrap_or_default();
            for cut in [1, 7, 1000] {
                reply(&bytes, cut);
            }
            seeds += 1;
        }
        assert!(seeds > 20);
    }
}
