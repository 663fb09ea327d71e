//! SGLang's own `/generate`, by its documentation (docs.sglang.io, sampling parameters and native API); not tested
//! against a running server.
//!
//! `sampling_seed` only has an effect under `--enable-deterministic-inference`. Stop strings are kept with
//! `no_stop_trim`. The events of a stream repeat all text before them, so whole answers are not streamed.

use outthink_prompt::Reward;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::draw::{finish_reason, logprob};
use super::{
    Dialect, DrawDelta, DrawEvent, DrawPrefix, DrawRequest, Piece, RewardEndpoint, ScoreRequest,
    Scores, SelfDescription, Unreadable, chat, score,
};
use crate::probe::Facts;
use crate::request::ApiRequest;
use crate::usage::ReportedUsage;

pub(super) struct Sglang;

impl Dialect for Sglang {
    fn name(&self) -> &'static str {
        "sglang"
    }

    fn title(&self) -> &'static str {
        "SGLang"
    }

    fn owned_by(&self) -> Option<&'static str> {
        Some("sglang")
    }

    fn recognised_by(&self) -> &'static [&'static str] {
        &["/metrics", "/get_model_info"]
    }

    fn recognises(&self, answers: &SelfDescription) -> bool {
        answers.metric("sglang:").is_some()
            || answers.has_fields("/get_model_info", &["model_path", "is_generation"])
    }

    fn facts_at(&self) -> &'static [&'static str] {
        &["/get_server_info"]
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        facts.version = answers.version("/get_server_info");
    }

    fn continues(&self) -> bool {
        true
    }

    fn needs_tokenizer(&self) -> Option<&'static str> {
        Some("SGLang takes token ids and makes none")
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        draw_request(draw)
    }

    fn read_draws(&self, data: &[u8], _: bool) -> Result<DrawEvent, Unreadable> {
        read_draw(data)
    }

    fn reward_endpoint(&self, reward: Reward, _: bool) -> Result<RewardEndpoint, &'static str> {
        match reward {
            Reward::Likelihood => Ok(RewardEndpoint::PromptLikelihood),
            Reward::Tokens(right, wrong) => Ok(RewardEndpoint::Labels([right, wrong])),
            _ => Err(score::only_prm_serve_reads(reward)
                .unwrap_or("it returns one row a text; use vLLM or `outthink prm-serve`")),
        }
    }

    fn score_request(&self, score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        match score.endpoint {
            RewardEndpoint::PromptLikelihood => logprob_request(score.tokens, None),
            RewardEndpoint::Labels(labels) => logprob_request(score.tokens, Some(labels)),
            _ => Err(serde::ser::Error::custom(score::NOT_SCORED)),
        }
    }

    fn read_scores(&self, data: &[u8], score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        match score.endpoint {
            RewardEndpoint::PromptLikelihood => read_likelihood(data, score.tokens),
            RewardEndpoint::Labels(labels) => read_labels(data, labels),
            _ => Err(score::NOT_SCORED.into()),
        }
    }
}

#[derive(Serialize)]
struct Generate<'a> {
    input_ids: &'a [u32],
    sampling_params: SamplingParams<'a>,
    return_logprob: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob_start_len: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids_logprob: Option<[u32; 2]>,
}

#[derive(Serialize)]
struct SamplingParams<'a> {
    max_new_tokens: usize,
    temperature: f64,
    top_p: f64,
    top_k: i64,
    min_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a str>,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    stop_token_ids: &'a [u32],
    no_stop_trim: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_seed: Option<u32>,
}

fn draw_request(draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let DrawPrefix::Tokens(prompt) = draw.prefix else {
        return chat::request(draw);
    };
    let body = Generate {
        input_ids: prompt,
        sampling_params: SamplingParams {
            max_new_tokens: draw.max_tokens,
            temperature: draw.sampling.temperature,
            top_p: draw.sampling.top_p,
            top_k: match draw.sampling.top_k {
                0 => -1,
                k => i64::try_from(k).unwrap_or(-1),
            },
            min_p: draw.sampling.min_p,
            stop: draw.stop,
            stop_token_ids: draw.end_tokens,
            no_stop_trim: true,
            // 31 bits, which are positive in any integer type.
            sampling_seed: draw.effective_seed().map(|seed| (seed >> 33) as u32),
        },
        return_logprob: true,
        logprob_start_len: None,
        token_ids_logprob: None,
    };
    ApiRequest::json("/generate", false, &body)
}

#[derive(Deserialize)]
struct Generated<'a> {
    #[serde(borrow)]
    meta_info: MetaInfo<'a>,
}

/// Log-probability, id and text of a token; the text is usually left out.
type TokenLogprob = (Option<f64>, u32, serde::de::IgnoredAny);

#[derive(Deserialize)]
struct MetaInfo<'a> {
    #[serde(borrow)]
    finish_reason: Option<MatchedReason<'a>>,
    prompt_tokens: u64,
    completion_tokens: u64,
    cached_tokens: Option<u64>,
    #[serde(default)]
    output_token_logprobs: Vec<TokenLogprob>,
    input_token_logprobs: Option<Vec<TokenLogprob>>,
    output_token_ids_logprobs: Option<Vec<Option<Vec<TokenLogprob>>>>,
}

#[derive(Deserialize)]
struct MatchedReason<'a> {
    r#type: String,
    #[serde(borrow)]
    matched: Option<&'a RawValue>,
}

impl MetaInfo<'_> {
    fn usage(&self) -> ReportedUsage {
        ReportedUsage::new(
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
        )
    }
}

fn read_draw(data: &[u8]) -> Result<DrawEvent, Unreadable> {
    let Generated { meta_info: meta } = serde_json::from_slice(data)?;
    let reason = meta.finish_reason.as_ref().ok_or("no finish_reason")?;
    // A string is the separator; a number is a token that ends the answer.
    let at_separator = reason
        .matched
        .is_some_and(|matched| matched.get().starts_with('"'));
    let finish = finish_reason(&reason.r#type.as_str().into(), at_separator)?;
    if meta.output_token_logprobs.len() as u64 != meta.completion_tokens {
        let got = meta.output_token_logprobs.len();
        return Err(format!(
            "{got} log-probabilities for {} tokens",
            meta.completion_tokens
        )
        .into());
    }
    let usage = meta.usage();
    let piece = |(value, token, _): TokenLogprob| {
        Ok(Piece {
            token: Some(token),
            bytes: Vec::new(),
            logprob: logprob(value)?,
        })
    };
    let pieces = meta.output_token_logprobs.into_iter().map(piece);
    Ok(DrawEvent {
        deltas: vec![DrawDelta {
            index: 0,
            pieces: pieces.collect::<Result<_, Unreadable>>()?,
            finish: Some(finish),
        }],
        usage: Some(usage),
        last: true,
    })
}

/// Asks for the log-probabilities of two labels after a text, or without labels, of every token of the text.
fn logprob_request(
    tokens: &[u32],
    labels: Option<[u32; 2]>,
) -> Result<ApiRequest, serde_json::Error> {
    let body = Generate {
        input_ids: tokens,
        sampling_params: SamplingParams {
            max_new_tokens: 1,
            temperature: 0.0,
            top_p: 1.0,
            top_k: -1,
            min_p: 0.0,
            stop: None,
            stop_token_ids: &[],
            no_stop_trim: true,
            sampling_seed: None,
        },
        return_logprob: true,
        logprob_start_len: labels.is_none().then_some(0),
        token_ids_logprob: labels,
    };
    ApiRequest::json("/generate", false, &body)
}

/// The log-probability of each of `tokens`; the first has none, and 0 stands for it.
fn read_likelihood(data: &[u8], tokens: &[u32]) -> Result<Scores, Unreadable> {
    let Generated { meta_info: meta } = serde_json::from_slice(data)?;
    let usage = meta.usage();
    let values = meta.input_token_logprobs.ok_or("no input_token_logprobs")?;
    let same = values.len() == tokens.len()
        && values
            .iter()
            .zip(tokens)
            .all(|((_, id, _), token)| id == token);
    if !same {
        return Err("the log-probabilities are those of other tokens".into());
    }
    let values = values.iter().map(|(value, ..)| value.unwrap_or_default());
    Ok(Scores::column(values.collect(), Some(usage)))
}

/// The probability of the first of two tokens after the text, against the second.
fn read_labels(data: &[u8], labels: [u32; 2]) -> Result<Scores, Unreadable> {
    let Generated { meta_info: meta } = serde_json::from_slice(data)?;
    let usage = meta.usage();
    let first = meta
        .output_token_ids_logprobs
        .into_iter()
        .flatten()
        .flatten()
        .next();
    let of = |label: u32| {
        let value = first.iter().flatten().find(|(_, id, _)| *id == label);
        let missing = || format!("no log-probability of token {label}");
        value.and_then(|(value, ..)| *value).ok_or_else(missing)
    };
    let share = score::share_of_first([of(labels[0])?, of(labels[1])?]);
    Ok(Scores::column(vec![share], Some(usage)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn labels_and_likelihoods_are_asked_for_and_read_as_documented() {
        let tokens = [4, 9, 2];
        let usage = Some(ReportedUsage::new(3, Some(1), 1));
        let score = |endpoint| ScoreRequest {
            model: "m",
            tokens: &tokens,
            endpoint,
        };
        let body = |score: &ScoreRequest<'_>| {
            let request = Sglang.score_request(score).unwrap();
            assert_eq!((request.path, request.stream), ("/generate", false));
            serde_json::from_slice::<Value>(&request.body).unwrap()
        };
        let reply = |field: &str, value: Value| {
            let mut meta = json!({"finish_reason": {"type": "length", "length": 1}, "prompt_tokens": 3,
                "completion_tokens": 1, "cached_tokens": 1});
            meta[field] = value;
            json!({"text": "", "meta_info": meta}).to_string()
        };

        let labels = score(RewardEndpoint::Labels([7, 8]));
        let asked = body(&labels);
        assert_eq!(
            (
                &asked["input_ids"],
                &asked["token_ids_logprob"],
                asked.get("logprob_start_len")
            ),
            (&json!(tokens), &json!([7, 8]), None)
        );
        let answer = reply(
            "output_token_ids_logprobs",
            json!([[[-1.5, 8, null], [-0.5, 7, null]]]),
        );
        let scores = Sglang.read_scores(answer.as_bytes(), &labels).unwrap();
        let share = (-0.5f64).exp() / ((-0.5f64).exp() + (-1.5f64).exp());
        assert!((scores.rows[0][0] - share).abs() < 1e-12, "{scores:?}");
        assert_eq!((scores.rows.len(), scores.usage), (1, usage));

        let likelihood = score(RewardEndpoint::PromptLikelihood);
        let asked = body(&likelihood);
        assert_eq!(
            (&asked["logprob_start_len"], asked.get("token_ids_logprob")),
            (&json!(0), None)
        );
        let answer = |last: u32| {
            let values = json!([[null, 4, null], [-0.25, 9, null], [-2.0, last, null]]);
            reply("input_token_logprobs", values)
        };
        let scores = Sglang
            .read_scores(answer(2).as_bytes(), &likelihood)
            .unwrap();
        assert_eq!(scores.rows, [[0.0], [-0.25], [-2.0]]);
        assert!(
            Sglang
                .read_scores(answer(3).as_bytes(), &likelihood)
                .is_err()
        );
    }
}
