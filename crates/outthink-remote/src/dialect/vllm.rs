//! vLLM's OpenAI-compatible server. Token ids go in and come back (`return_token_ids`), so a continuation is exact.
//!
//! Stop strings are kept in the text, and always in the tokens. A seed is a signed 64-bit number. With `n` > 1, choice
//! j gets seed + j, which are not the seeds of our draws: every draw is a request. Log-probabilities are before
//! temperature (`logprobs_mode` `raw_logprobs`, the default).

use std::collections::HashMap;

use futures::future::{BoxFuture, FutureExt};
use outthink_prompt::Reward;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::draw::{finish_reason, logprob};
use super::{
    Dialect, DrawDelta, DrawEvent, DrawPrefix, DrawRequest, FinishReason, Piece, RewardEndpoint,
    ScoreRequest, Scores, SelfDescription, Unreadable, chat, score,
};
use crate::Error;
use crate::call::{Conversation, ServerCall, Tokens};
use crate::probe::Facts;
use crate::request::ApiRequest;
use crate::usage::{self, ReportedUsage};

pub(super) struct Vllm;

impl Dialect for Vllm {
    fn name(&self) -> &'static str {
        "vllm"
    }

    fn title(&self) -> &'static str {
        "vLLM"
    }

    fn owned_by(&self) -> Option<&'static str> {
        Some("vllm")
    }

    fn recognised_by(&self) -> &'static [&'static str] {
        &["/metrics", "/openapi.json"]
    }

    fn recognises(&self, answers: &SelfDescription) -> bool {
        answers.metric("vllm:").is_some()
            || answers.has_routes(&["/tokenize", "/detokenize", "/v1/completions"])
    }

    fn facts_at(&self) -> &'static [&'static str] {
        &["/version", "/openapi.json", "/metrics"]
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        answers.read_routes(facts);
        facts.prefix_caching = prefix_caching(answers);
    }

    fn continues(&self) -> bool {
        true
    }

    fn streams(&self) -> bool {
        true
    }

    fn tokenise<'a>(
        &'a self,
        server: ServerCall<'a>,
        conversation: Conversation<'a>,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        async move {
            let Tokens { tokens } = server.post("/tokenize", &conversation).await?;
            Ok(tokens)
        }
        .boxed()
    }

    fn tokenise_text<'a>(
        &'a self,
        server: ServerCall<'a>,
        model: &'a str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        #[derive(Serialize)]
        struct Text<'a> {
            model: &'a str,
            prompt: &'a str,
            add_special_tokens: bool,
        }
        async move {
            let text = Text {
                model,
                prompt: text,
                add_special_tokens: false,
            };
            let Tokens { tokens } = server.post("/tokenize", &text).await?;
            Ok(tokens)
        }
        .boxed()
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        draw_request(draw)
    }

    fn read_draws(&self, data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
        read_draws(data, spelled)
    }

    fn reward_endpoint(&self, reward: Reward, pools: bool) -> Result<RewardEndpoint, &'static str> {
        if let Some(reason) = score::only_prm_serve_reads(reward) {
            return Err(reason);
        }
        match reward {
            Reward::Likelihood if pools => Err(
                "likelihoods come from a server that generates; start it without --runner pooling",
            ),
            _ if pools => Ok(RewardEndpoint::rows(reward)),
            Reward::Likelihood => Ok(RewardEndpoint::PromptLikelihood),
            Reward::Tokens(right, wrong) => Ok(RewardEndpoint::Labels([right, wrong])),
            _ => Err("its reward head is read from /pooling; start it with --runner pooling"),
        }
    }

    fn score_request(&self, score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        match score.endpoint {
            RewardEndpoint::Rows { activated } => pooling_request(score, activated),
            RewardEndpoint::PromptLikelihood => likelihood_request(score),
            RewardEndpoint::Labels(labels) => labels_request(score, labels),
            RewardEndpoint::LikelihoodRows => Err(serde::ser::Error::custom(score::NOT_SCORED)),
        }
    }

    fn read_scores(&self, data: &[u8], score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        match score.endpoint {
            RewardEndpoint::Rows { .. } => read_pooling(data),
            RewardEndpoint::PromptLikelihood => read_likelihood(data, score.tokens),
            RewardEndpoint::Labels(labels) => read_labels(data, labels),
            RewardEndpoint::LikelihoodRows => Err(score::NOT_SCORED.into()),
        }
    }
}

/// Whether prefixes are cached: vLLM reports its cache's configuration as the labels of a metric.
fn prefix_caching(answers: &SelfDescription) -> Option<bool> {
    let configuration = answers.metric("vllm:cache_config_info{")?;
    if configuration.contains("enable_prefix_caching=\"True\"") {
        Some(true)
    } else if configuration.contains("enable_prefix_caching=\"False\"") {
        Some(false)
    } else {
        None
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    model: &'a str,
    prompt: &'a [u32],
    max_tokens: usize,
    temperature: f64,
    top_p: f64,
    top_k: usize,
    min_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// 0: only those of the drawn tokens.
    logprobs: u8,
    return_token_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a str>,
    include_stop_str_in_output: bool,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    stop_token_ids: &'a [u32],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

fn draw_request(draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let DrawPrefix::Tokens(prompt) = draw.prefix else {
        return chat::request(draw);
    };
    let body = Completion {
        model: draw.model,
        prompt,
        max_tokens: draw.max_tokens,
        temperature: draw.sampling.temperature,
        top_p: draw.sampling.top_p,
        top_k: draw.sampling.top_k,
        min_p: draw.sampling.min_p,
        seed: draw.effective_seed().map(|seed| seed >> 1),
        logprobs: 0,
        return_token_ids: true,
        stop: draw.stop,
        include_stop_str_in_output: true,
        stop_token_ids: draw.end_tokens,
        stream: draw.stream,
        stream_options: draw.stream.then_some(StreamOptions {
            include_usage: true,
        }),
    };
    ApiRequest::json("/v1/completions", draw.stream, &body)
}

#[derive(Deserialize)]
struct CompletionReply<'a> {
    #[serde(borrow)]
    choices: Vec<CompletionChoice<'a>>,
    #[serde(default, deserialize_with = "usage::reported")]
    usage: Option<ReportedUsage>,
}

#[derive(Deserialize)]
struct CompletionChoice<'a> {
    token_ids: Option<Vec<u32>>,
    #[serde(borrow)]
    logprobs: Option<DrawnLogprobs<'a>>,
    #[serde(default)]
    finish_reason: Value,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct DrawnLogprobs<'a> {
    token_logprobs: Vec<Option<f64>>,
    #[serde(borrow, default)]
    tokens: Vec<&'a RawValue>,
}

fn read_draws(data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
    let reply: CompletionReply<'_> = serde_json::from_slice(data)?;
    let last = reply.choices.is_empty() && reply.usage.is_some();
    let deltas = reply
        .choices
        .into_iter()
        .enumerate()
        .map(|(place, choice)| delta(place, choice, spelled));
    Ok(DrawEvent {
        deltas: deltas.collect::<Result<_, _>>()?,
        usage: reply.usage,
        last,
    })
}

fn delta(
    place: usize,
    choice: CompletionChoice<'_>,
    spelled: bool,
) -> Result<DrawDelta, Unreadable> {
    let tokens = choice
        .token_ids
        .ok_or("no token_ids: this vLLM is older than return_token_ids (0.10.2)")?;
    let logprobs = match choice.logprobs {
        Some(logprobs) => logprobs,
        // A server that refused `logprobs`: with a tokenizer, the tokens are enough.
        None if !spelled => DrawnLogprobs {
            token_logprobs: vec![None; tokens.len()],
            tokens: Vec::new(),
        },
        None => {
            return Err("no logprobs, and no tokenizer is named to spell the tokens with".into());
        }
    };
    if logprobs.token_logprobs.len() != tokens.len() {
        let got = logprobs.token_logprobs.len();
        return Err(format!("{got} log-probabilities for {} tokens", tokens.len()).into());
    }
    // A string is the separator. A number is the id of a stop token and null the model's own end: both end the answer.
    let at_separator = choice
        .stop_reason
        .is_some_and(|reason| reason.get().starts_with('"'));
    let finish = match &choice.finish_reason {
        Value::Null => None,
        reason => Some(finish_reason(reason, at_separator)?),
    };
    let piece = |(token, value): (u32, Option<f64>)| {
        Ok(Piece {
            token: Some(token),
            bytes: Vec::new(),
            logprob: logprob(value)?,
        })
    };
    let drawn = tokens.into_iter().zip(logprobs.token_logprobs);
    let mut pieces = drawn
        .map(piece)
        .collect::<Result<Vec<Piece>, Unreadable>>()?;
    if spelled {
        for (piece, text) in pieces.iter_mut().zip(logprobs.tokens) {
            let text: String = serde_json::from_str(text.get())?;
            piece.bytes = text.into_bytes();
        }
        // vLLM spells out the token that ends an answer, which is no text.
        if let (Some(FinishReason::End), Some(end)) = (finish, pieces.last_mut()) {
            end.bytes.clear();
        }
    }
    Ok(DrawDelta {
        index: place,
        pieces,
        finish,
    })
}

/// Asks for the log-probabilities of two tokens after a prefix.
fn labels_request(
    score: &ScoreRequest<'_>,
    labels: [u32; 2],
) -> Result<ApiRequest, serde_json::Error> {
    #[derive(Serialize)]
    struct Labels<'a> {
        model: &'a str,
        prompt: &'a [u32],
        max_tokens: u8,
        temperature: f64,
        logprobs: u8,
        logprob_token_ids: [u32; 2],
        /// Two tokens may have the same text, but not the same id.
        return_tokens_as_token_ids: bool,
    }
    let body = Labels {
        model: score.model,
        prompt: score.tokens,
        max_tokens: 1,
        temperature: 0.0,
        logprobs: 1,
        logprob_token_ids: labels,
        return_tokens_as_token_ids: true,
    };
    ApiRequest::json("/v1/completions", false, &body)
}

/// The probability of the first of two tokens against the second.
fn read_labels(data: &[u8], labels: [u32; 2]) -> Result<Scores, Unreadable> {
    #[derive(Deserialize)]
    struct LabelsReply {
        choices: Vec<LabelsChoice>,
        #[serde(default, deserialize_with = "usage::reported")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct LabelsChoice {
        logprobs: LabelsLogprobs,
    }
    #[derive(Deserialize)]
    struct LabelsLogprobs {
        top_logprobs: Vec<HashMap<String, f64>>,
    }
    let reply: LabelsReply = serde_json::from_slice(data)?;
    let first = reply
        .choices
        .first()
        .and_then(|c| c.logprobs.top_logprobs.first());
    let of = |label: u32| {
        let value = first.and_then(|top| top.get(&format!("token_id:{label}")));
        let missing =
            || format!("no log-probability of token {label}: logprob_token_ids is ignored");
        value.copied().ok_or_else(missing)
    };
    let share = score::share_of_first([of(labels[0])?, of(labels[1])?]);
    Ok(Scores::column(vec![share], reply.usage))
}

/// Asks for the log-probability of every token of a text.
fn likelihood_request(score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    #[derive(Serialize)]
    struct Likelihood<'a> {
        model: &'a str,
        prompt: &'a [u32],
        max_tokens: u8,
        temperature: f64,
        prompt_logprobs: u8,
    }
    let body = Likelihood {
        model: score.model,
        prompt: score.tokens,
        max_tokens: 1,
        temperature: 0.0,
        prompt_logprobs: 0,
    };
    ApiRequest::json("/v1/completions", false, &body)
}

/// The log-probability of each of `tokens`; the first has none, and 0 stands for it.
fn read_likelihood(data: &[u8], tokens: &[u32]) -> Result<Scores, Unreadable> {
    #[derive(Deserialize)]
    struct LikelihoodReply {
        choices: Vec<LikelihoodChoice>,
        #[serde(default, deserialize_with = "usage::reported")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct LikelihoodChoice {
        prompt_logprobs: Vec<Option<HashMap<u32, TokenLogprob>>>,
    }
    #[derive(Deserialize)]
    struct TokenLogprob {
        logprob: f64,
    }
    let reply: LikelihoodReply = serde_json::from_slice(data)?;
    let choice = reply.choices.into_iter().next().ok_or("no choices")?;
    if choice.prompt_logprobs.len() != tokens.len() {
        let got = choice.prompt_logprobs.len();
        return Err(format!("{got} log-probabilities for {} tokens", tokens.len()).into());
    }
    let values = choice.prompt_logprobs.iter().zip(tokens).enumerate();
    let values = values.map(|(place, (top, token))| match top {
        None if place == 0 => Ok(0.0),
        None => Err(format!("no log-probability of token {place}")),
        Some(top) => top
            .get(token)
            .map(|entry| entry.logprob)
            .ok_or_else(|| format!("token {place} is another one")),
    });
    let values = values.collect::<Result<_, _>>()?;
    Ok(Scores::column(values, reply.usage))
}

/// Asks for the outputs of a classification or value head.
pub(super) fn pooling_request(
    score: &ScoreRequest<'_>,
    activated: bool,
) -> Result<ApiRequest, serde_json::Error> {
    #[derive(Serialize)]
    struct Pooling<'a> {
        model: &'a str,
        input: &'a [u32],
        task: &'static str,
        use_activation: bool,
    }
    let body = Pooling {
        model: score.model,
        input: score.tokens,
        task: "token_classify",
        use_activation: activated,
    };
    ApiRequest::json("/pooling", false, &body)
}

/// The rows: one for each step tag or for each token, depending on the server's configuration.
pub(super) fn read_pooling(data: &[u8]) -> Result<Scores, Unreadable> {
    #[derive(Deserialize)]
    struct PoolingReply {
        data: Vec<PooledText>,
        #[serde(default, deserialize_with = "usage::reported")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct PooledText {
        data: Vec<PooledRow>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum PooledRow {
        Labels(Vec<Option<f64>>),
        Value(Option<f64>),
    }
    let reply: PoolingReply = serde_json::from_slice(data)?;
    let [item] = <[PooledText; 1]>::try_from(reply.data)
        .map_err(|items| format!("{} results for one text", items.len()))?;
    // JSON has no NaN: servers write null for one.
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let rows = item.data.into_iter().map(|row| match row {
        PooledRow::Labels(labels) => labels.into_iter().map(number).collect(),
        PooledRow::Value(value) => vec![number(value)],
    });
    Ok(Scores {
        rows: rows.collect(),
        usage: reply.usage,
    })
}
