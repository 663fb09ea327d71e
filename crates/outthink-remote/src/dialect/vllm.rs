//! vLLM's OpenAI-compatible server. Token ids go in and come back (`return_token_ids`), so a continuation is exact.
//!
//! Stop strings are kept in the text and always in the tokens. A seed is a signed 64-bit number. Of choices `n` > 1, number
//! j has seed + j, which no seeds of ours are: every draw is a request. Log-probabilities are before temperature
//! (`logprobs_mode` `raw_logprobs`, the default).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    DrawDelta, DrawEvent, DrawPrefix, DrawRequest, FinishReason, Piece, ReportedUsage, Unreadable,
    finish, logprob, post,
};
use crate::pool::ApiRequest;

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
    /// None beside the drawn token's.
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

pub(super) fn question(asked: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let DrawPrefix::Tokens(prompt) = asked.prefix else {
        return super::chat::question(asked);
    };
    let body = Completion {
        model: asked.model,
        prompt,
        max_tokens: asked.max_tokens,
        temperature: asked.sampling.temperature,
        top_p: asked.sampling.top_p,
        top_k: asked.sampling.top_k,
        min_p: asked.sampling.min_p,
        seed: asked.seed().map(|seed| seed >> 1),
        logprobs: 0,
        return_token_ids: true,
        stop: asked.stop,
        include_stop_str_in_output: true,
        stop_token_ids: asked.end_tokens,
        stream: asked.stream,
        stream_options: asked.stream.then_some(StreamOptions {
            include_usage: true,
        }),
    };
    post("/v1/completions", asked.stream, &body)
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
    #[serde(default, deserialize_with = "super::usage::usage")]
    usage: Option<ReportedUsage>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    token_ids: Option<Vec<u32>>,
    #[serde(borrow)]
    logprobs: Option<Logprobs<'a>>,
    #[serde(default)]
    finish_reason: Value,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Logprobs<'a> {
    token_logprobs: Vec<Option<f64>>,
    #[serde(borrow, default)]
    tokens: Vec<&'a RawValue>,
}

pub(super) fn read(data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
    let reply: Reply<'_> = serde_json::from_slice(data)?;
    let last = reply.choices.is_empty() && reply.usage.is_some();
    let parts = reply
        .choices
        .into_iter()
        .enumerate()
        .map(|(place, choice)| part(place, choice, spelled));
    Ok(DrawEvent {
        parts: parts.collect::<Result<_, _>>()?,
        told: reply.usage,
        last,
    })
}

fn part(place: usize, choice: Choice<'_>, spelled: bool) -> Result<DrawDelta, Unreadable> {
    let tokens = choice
        .token_ids
        .ok_or("no token_ids: this vLLM is older than return_token_ids (0.10.2)")?;
    let logprobs = match choice.logprobs {
        Some(logprobs) => logprobs,
        // It takes no `logprobs`: whoever has the tokenizer can do without.
        None if !spelled => Logprobs {
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
    // A number is the id of a token, null the end of the text: both end the answer. Text is the separator.
    let at_separator = choice
        .stop_reason
        .is_some_and(|reason| reason.get().starts_with('"'));
    let finish = match &choice.finish_reason {
        Value::Null => None,
        reason => Some(finish(reason, at_separator)?),
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
        // The token that ends an answer is spelled out here, and is no text.
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
pub(crate) fn labels_question(
    model: &str,
    prompt: &[u32],
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
        /// Texts of tokens may collide, ids do not.
        return_tokens_as_token_ids: bool,
    }
    let body = Labels {
        model,
        prompt,
        max_tokens: 1,
        temperature: 0.0,
        logprobs: 1,
        logprob_token_ids: labels,
        return_tokens_as_token_ids: true,
    };
    post("/v1/completions", false, &body)
}

/// The log-probabilities of two tokens, and the usage.
pub(crate) fn read_labels(
    data: &[u8],
    labels: [u32; 2],
) -> Result<([f64; 2], Option<ReportedUsage>), Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        choices: Vec<Choice>,
        #[serde(default, deserialize_with = "crate::dialect::usage::usage")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct Choice {
        logprobs: Logprobs,
    }
    #[derive(Deserialize)]
    struct Logprobs {
        top_logprobs: Vec<std::collections::HashMap<String, f64>>,
    }
    let reply: Reply = serde_json::from_slice(data)?;
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
    Ok(([of(labels[0])?, of(labels[1])?], reply.usage))
}

/// Asks for the log-probability of every token of a text.
pub(crate) fn likelihood_question(
    model: &str,
    tokens: &[u32],
) -> Result<ApiRequest, serde_json::Error> {
    #[derive(Serialize)]
    struct Likelihood<'a> {
        model: &'a str,
        prompt: &'a [u32],
        max_tokens: u8,
        temperature: f64,
        prompt_logprobs: u8,
    }
    let body = Likelihood {
        model,
        prompt: tokens,
        max_tokens: 1,
        temperature: 0.0,
        prompt_logprobs: 0,
    };
    post("/v1/completions", false, &body)
}

/// The log-probability of each of `tokens`; the first has none.
pub(crate) fn read_likelihood(
    data: &[u8],
    tokens: &[u32],
) -> Result<(Vec<f64>, Option<ReportedUsage>), Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        choices: Vec<Choice>,
        #[serde(default, deserialize_with = "crate::dialect::usage::usage")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct Choice {
        prompt_logprobs: Vec<Option<std::collections::HashMap<u32, Logprob>>>,
    }
    #[derive(Deserialize)]
    struct Logprob {
        logprob: f64,
    }
    let reply: Reply = serde_json::from_slice(data)?;
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
    Ok((values.collect::<Result<_, _>>()?, reply.usage))
}

/// Asks for the rows of a classifier.
pub(crate) fn pooling_question(
    model: &str,
    tokens: &[u32],
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
        model,
        input: tokens,
        task: "token_classify",
        use_activation: activated,
    };
    post("/pooling", false, &body)
}

/// The rows: one a step tag or one a token, as the server is set up.
pub(crate) fn read_pooling(
    data: &[u8],
) -> Result<(Vec<Vec<f64>>, Option<ReportedUsage>), Unreadable> {
    #[derive(Deserialize)]
    struct Reply {
        data: Vec<Item>,
        #[serde(default, deserialize_with = "crate::dialect::usage::usage")]
        usage: Option<ReportedUsage>,
    }
    #[derive(Deserialize)]
    struct Item {
        data: Vec<Row>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Row {
        Labels(Vec<Option<f64>>),
        Value(Option<f64>),
    }
    let reply: Reply = serde_json::from_slice(data)?;
    let [item] = <[Item; 1]>::try_from(reply.data)
        .map_err(|items| format!("{} results for one text", items.len()))?;
    // JSON has no NaN; servers that write one write null.
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let rows = item.data.into_iter().map(|row| match row {
        Row::Labels(labels) => labels.into_iter().map(number).collect(),
        Row::Value(value) => vec![number(value)],
    });
    Ok((rows.collect(), reply.usage))
}
