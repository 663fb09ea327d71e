//! SGLang's own `/generate`, by its documentation (docs.sglang.io, sampling parameters and native API); not run here.
//!
//! `sampling_seed` holds only under `--enable-deterministic-inference`. Stop strings are kept with `no_stop_trim`. Streams
//! repeat what came before, so whole answers are not streamed.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    DrawDelta, DrawEvent, DrawPrefix, DrawRequest, Piece, ReportedUsage, Unreadable, finish,
    logprob, post,
};
use crate::pool::ApiRequest;

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

pub(super) fn question(asked: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let DrawPrefix::Tokens(prompt) = asked.prefix else {
        return super::chat::question(asked);
    };
    let body = Generate {
        input_ids: prompt,
        sampling_params: SamplingParams {
            max_new_tokens: asked.max_tokens,
            temperature: asked.sampling.temperature,
            top_p: asked.sampling.top_p,
            top_k: match asked.sampling.top_k {
                0 => -1,
                k => i64::try_from(k).unwrap_or(-1),
            },
            min_p: asked.sampling.min_p,
            stop: asked.stop,
            stop_token_ids: asked.end_tokens,
            no_stop_trim: true,
            // 31 bits, positive in any integer type.
            sampling_seed: asked.seed().map(|seed| (seed >> 33) as u32),
        },
        return_logprob: true,
        logprob_start_len: None,
        token_ids_logprob: None,
    };
    post("/generate", false, &body)
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    meta_info: Meta<'a>,
}

/// Log-probability, id and text of a token; the text is usually left out.
type TokenLogprob = (Option<f64>, u32, serde::de::IgnoredAny);

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    finish_reason: Option<Reason<'a>>,
    prompt_tokens: u64,
    completion_tokens: u64,
    cached_tokens: Option<u64>,
    #[serde(default)]
    output_token_logprobs: Vec<TokenLogprob>,
    input_token_logprobs: Option<Vec<TokenLogprob>>,
    output_token_ids_logprobs: Option<Vec<Option<Vec<TokenLogprob>>>>,
}

#[derive(Deserialize)]
struct Reason<'a> {
    r#type: String,
    #[serde(borrow)]
    matched: Option<&'a RawValue>,
}

impl Meta<'_> {
    fn told(&self) -> ReportedUsage {
        ReportedUsage::new(
            self.prompt_tokens,
            self.cached_tokens,
            self.completion_tokens,
        )
    }
}

pub(super) fn read(data: &[u8]) -> Result<DrawEvent, Unreadable> {
    let Reply { meta_info: meta } = serde_json::from_slice(data)?;
    let reason = meta.finish_reason.as_ref().ok_or("no finish_reason")?;
    // A text is the separator, a number a token that ends the answer.
    let at_separator = reason
        .matched
        .is_some_and(|matched| matched.get().starts_with('"'));
    let finish = finish(&reason.r#type.as_str().into(), at_separator)?;
    if meta.output_token_logprobs.len() as u64 != meta.completion_tokens {
        let got = meta.output_token_logprobs.len();
        return Err(format!(
            "{got} log-probabilities for {} tokens",
            meta.completion_tokens
        )
        .into());
    }
    let told = meta.told();
    let piece = |(value, token, _): TokenLogprob| {
        Ok(Piece {
            token: Some(token),
            bytes: Vec::new(),
            logprob: logprob(value)?,
        })
    };
    let pieces = meta.output_token_logprobs.into_iter().map(piece);
    Ok(DrawEvent {
        parts: vec![DrawDelta {
            index: 0,
            pieces: pieces.collect::<Result<_, Unreadable>>()?,
            finish: Some(finish),
        }],
        told: Some(told),
        last: true,
    })
}

/// Asks for the log-probability of every token of a text, or else of two labels after it.
pub(crate) fn reading_question(
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
    post("/generate", false, &body)
}

/// The log-probability of each of `tokens`; the first has none.
pub(crate) fn read_likelihood(
    data: &[u8],
    tokens: &[u32],
) -> Result<(Vec<f64>, Option<ReportedUsage>), Unreadable> {
    let Reply { meta_info: meta } = serde_json::from_slice(data)?;
    let told = meta.told();
    let values = meta.input_token_logprobs.ok_or("no input_token_logprobs")?;
    let same = values.len() == tokens.len()
        && values
            .iter()
            .zip(tokens)
            .all(|((_, id, _), token)| id == token);
    if !same {
        return Err("the log-probabilities are those of other tokens".into());
    }
    Ok((
        values
            .iter()
            .map(|(value, ..)| value.unwrap_or_default())
            .collect(),
        Some(told),
    ))
}

/// The log-probabilities of two tokens after the text.
pub(crate) fn read_labels(
    data: &[u8],
    labels: [u32; 2],
) -> Result<([f64; 2], Option<ReportedUsage>), Unreadable> {
    let Reply { meta_info: meta } = serde_json::from_slice(data)?;
    let told = meta.told();
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
    Ok(([of(labels[0])?, of(labels[1])?], Some(told)))
}
