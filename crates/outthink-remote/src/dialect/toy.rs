//! A kind of server that exists in tests only. It shows what a new one takes: this file, and its line in
//! [`DIALECTS`](super::DIALECTS).

use futures::future::{BoxFuture, FutureExt};
use outthink_prompt::Reward;
use serde::Deserialize;
use serde_json::json;

use super::{
    Dialect, DrawDelta, DrawEvent, DrawPrefix, DrawRequest, FinishReason, Piece, RewardEndpoint,
    ScoreRequest, Scores, SelfDescription, Unreadable,
};
use crate::Error;
use crate::call::{Conversation, ServerCall, Tokens};
use crate::probe::Facts;
use crate::request::ApiRequest;
use crate::usage::ReportedUsage;

#[path = "../../tests/mock/mod.rs"]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod mock;

pub(super) struct Toy;

#[derive(Deserialize)]
struct About {
    toy: String,
}

#[derive(Deserialize)]
struct Drawn {
    token: u32,
    text: String,
    ended: bool,
}

#[derive(Deserialize)]
struct Scored {
    rows: Vec<Vec<f64>>,
}

impl Dialect for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn title(&self) -> &'static str {
        "Toy"
    }

    fn recognised_by(&self) -> &'static [&'static str] {
        &["/toy/about"]
    }

    fn recognises(&self, answers: &SelfDescription) -> bool {
        answers.has_fields("/toy/about", &["toy"])
    }

    fn facts_at(&self) -> &'static [&'static str] {
        &["/toy/about"]
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        facts.version = answers.json::<About>("/toy/about").map(|about| about.toy);
    }

    fn continues(&self) -> bool {
        true
    }

    fn tokenise<'a>(
        &'a self,
        server: ServerCall<'a>,
        conversation: Conversation<'a>,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        async move {
            let Tokens { tokens } = server.post("/toy/tokens", &conversation).await?;
            Ok(tokens)
        }
        .boxed()
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        let DrawPrefix::Tokens(prefix) = draw.prefix else {
            return Err(serde::ser::Error::custom("it continues token ids"));
        };
        let body = json!({"prefix": prefix, "seed": draw.effective_seed()});
        ApiRequest::json("/toy/draw", draw.stream, &body)
    }

    fn read_draws(&self, data: &[u8], _: bool) -> Result<DrawEvent, Unreadable> {
        let drawn: Drawn = serde_json::from_slice(data)?;
        let piece = Piece {
            token: Some(drawn.token),
            bytes: drawn.text.into_bytes(),
            logprob: Some(-1.0),
        };
        let finish = match drawn.ended {
            true => FinishReason::End,
            false => FinishReason::Separator,
        };
        Ok(DrawEvent {
            deltas: vec![DrawDelta {
                index: 0,
                pieces: vec![piece],
                finish: Some(finish),
            }],
            usage: Some(ReportedUsage::new(7, Some(0), 1)),
            last: true,
        })
    }

    fn reward_endpoint(&self, reward: Reward, _: bool) -> Result<RewardEndpoint, &'static str> {
        Ok(RewardEndpoint::rows(reward))
    }

    fn score_request(&self, score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        ApiRequest::json("/toy/score", false, &json!({"tokens": score.tokens}))
    }

    fn read_scores(&self, data: &[u8], _: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        let Scored { rows } = serde_json::from_slice(data)?;
        Ok(Scores { rows, usage: None })
    }
}

#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use futures::executor::block_on;
    use outthink_core::{
        Extension, Policy, Prefix, Problem, Sampling, Step, Stop, Until, Verifier,
    };
    use outthink_prompt::Profile;
    use serde_json::Value;

    use super::mock::{Act, Mock, Request};
    use super::*;
    use crate::{RemotePolicy, RemoteVerifier, Servers};

    /// Draws a digit of the seed; the first step is followed by an answer.
    fn toy(request: &Request) -> Act {
        let tokens = |name: &str| mock::tokens(&request.body[name]);
        match request.path.as_str() {
            "/v1/models" => Act::Json(json!({"data": [{"id": "bear", "owned_by": "a toy shop"}]})),
            "/toy/about" => Act::Json(json!({"toy": "1.0"})),
            "/toy/tokens" => Act::Json(json!({"tokens": [1, 11, 2]})),
            "/toy/draw" => {
                let digit = request.body["seed"].as_u64().unwrap() % 10;
                Act::Json(match tokens("prefix").len() {
                    3 => {
                        json!({"token": 100 + digit, "text": format!("step {digit}\n\n"), "ended": false})
                    }
                    _ => {
                        json!({"token": 200 + digit, "text": format!("answer {digit}"), "ended": true})
                    }
                })
            }
            "/toy/score" => {
                let tokens = tokens("tokens");
                let rows = (0..tokens.len()).map(|_| json!([0.25, 0.75]));
                Act::Json(json!({"rows": rows.collect::<Vec<Value>>()}))
            }
            _ => Act::Status(404, Value::Null),
        }
    }

    fn problem() -> Arc<Problem> {
        Arc::new(Problem {
            id: "p".into(),
            text: "What is $3+4$?".into(),
        })
    }

    #[test]
    fn a_new_dialect_is_recognised_draws_steps_and_scores_them() {
        let mock = Mock::start(toy);
        let servers = Servers::parse(&mock.url()).unwrap();
        let micro = Profile::named("micro").unwrap();
        let policy = RemotePolicy::connect(&servers, Some(micro), |_| {}).unwrap();
        let facts = &policy.facts()[0];
        assert_eq!(
            (facts.dialect.name(), facts.version.as_deref()),
            ("toy", Some("1.0"))
        );
        assert!(policy.takes_steps());
        let draw = |steps: &[Step]| {
            let request = Extension {
                problem: problem(),
                steps: steps.iter().cloned().map(Arc::new).collect(),
                seeds: vec![3, 4],
                until: Until::Step,
                sampling: Sampling::at(1.0),
                max_tokens: 10,
                offset: 0,
            };
            block_on(policy.extend(vec![request])).unwrap().remove(0)
        };
        let (steps, usage) = draw(&[]);
        assert_eq!(
            (
                usage.requests,
                usage.prompt,
                usage.generated,
                usage.estimated
            ),
            (2, 14, 2, 0)
        );
        let drawn: Vec<_> = steps
            .iter()
            .map(|draw| (draw.steps[0].tokens.as_slice(), draw.stop))
            .collect();
        assert_eq!(drawn, [(&[103][..], Stop::Step), (&[104][..], Stop::Step)]);
        let (answers, _) = draw(&steps[0].steps);
        assert_eq!(
            (&*answers[1].steps[0].text, answers[1].stop),
            ("answer 4", Stop::Answer)
        );

        let prm = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro/micro-prm");
        let servers = Servers {
            tokenizer: Some(prm),
            ..Servers::parse(&format!("{}?dialect=toy", mock.url())).unwrap()
        };
        let verifier = RemoteVerifier::connect(&servers, None, |_| {}).unwrap();
        let judged = block_on(verifier.score(vec![Prefix {
            problem: problem(),
            steps: ["$3+4=7$.", "The answer is 7."]
                .map(|text| Arc::new(Step::written(text)))
                .to_vec(),
            complete: true,
        }]));
        assert_eq!(judged.unwrap()[0].rewards, [0.75, 0.75]);
    }
}
