//! llama.cpp's own `/completion`, which takes and returns token ids, those of the separator and the end included. Its
//! OpenAI endpoints repeat the prefix, count the tokens of one choice only, and ignore most of what a search over
//! tokens needs.
//!
//! Its samplers default to top-k 40, top-p 0.95 and min-p 0.05, so all three are always sent. A seed has 32 bits, and
//! 2³² − 1 means a random one. There are no stop tokens beside the model's own.
//!
//! A token that ends inside a character has no log-probability, and neither have the tokens of the stop text. A stream
//! leaves out the ids of the former, so answers are not streamed.

use futures::future::{BoxFuture, FutureExt};
use outthink_prompt::Reward;
use serde::{Deserialize, Serialize};

use super::draw::logprob;
use super::{
    Dialect, DrawDelta, DrawEvent, DrawPrefix, DrawRequest, FinishReason, Piece, RewardEndpoint,
    ScoreRequest, Scores, SelfDescription, Unreadable, chat, score,
};
use crate::Error;
use crate::call::{Conversation, ServerCall, Tokens};
use crate::probe::Facts;
use crate::request::ApiRequest;
use crate::usage::ReportedUsage;

pub(super) struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn name(&self) -> &'static str {
        "llama.cpp"
    }

    fn title(&self) -> &'static str {
        "llama.cpp"
    }

    fn owned_by(&self) -> Option<&'static str> {
        Some("llamacpp")
    }

    fn recognised_by(&self) -> &'static [&'static str] {
        &["/metrics", "/props"]
    }

    fn recognises(&self, answers: &SelfDescription) -> bool {
        let settings = ["default_generation_settings", "total_slots"];
        answers.metric("llamacpp:").is_some() || answers.has_fields("/props", &settings)
    }

    fn facts_at(&self) -> &'static [&'static str] {
        &["/props"]
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        facts.prefix_caching = Some(true);
        if let Some(props) = answers.json::<Props>("/props") {
            facts.context = props.default_generation_settings.and_then(|s| s.n_ctx);
            facts.slots = props.total_slots;
            facts.version = props.build_info;
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn tokenise<'a>(
        &'a self,
        server: ServerCall<'a>,
        conversation: Conversation<'a>,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        tokenise(server, conversation).boxed()
    }

    fn tokenise_text<'a>(
        &'a self,
        server: ServerCall<'a>,
        _: &'a str,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u32>, Error>> {
        tokens_of(server, text, false).boxed()
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        draw_request(draw)
    }

    fn read_draws(&self, data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
        read_draw(data, spelled)
    }

    fn reward_endpoint(&self, reward: Reward, _: bool) -> Result<RewardEndpoint, &'static str> {
        match reward {
            Reward::Tokens(right, wrong) => Ok(RewardEndpoint::Labels([right, wrong])),
            _ => Err(score::only_prm_serve_reads(reward).unwrap_or(
                "it returns neither prompt log-probabilities nor a row per token; use vLLM or `outthink prm-serve`",
            )),
        }
    }

    fn score_request(&self, score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        match score.endpoint {
            RewardEndpoint::Labels(labels) => labels_request(score.tokens, labels),
            _ => Err(serde::ser::Error::custom(score::NOT_SCORED)),
        }
    }

    fn read_scores(&self, data: &[u8], score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        match score.endpoint {
            RewardEndpoint::Labels(labels) => read_labels(data, labels),
            _ => Err(score::NOT_SCORED.into()),
        }
    }
}

#[derive(Deserialize)]
struct Props {
    total_slots: Option<usize>,
    default_generation_settings: Option<GenerationSettings>,
    build_info: Option<String>,
}

#[derive(Deserialize)]
struct GenerationSettings {
    n_ctx: Option<usize>,
}

/// One request renders the conversation with the model's template, and another tokenises the text.
async fn tokenise(
    server: ServerCall<'_>,
    conversation: Conversation<'_>,
) -> Result<Vec<u32>, Error> {
    #[derive(Deserialize)]
    struct Templated {
        prompt: String,
    }
    let Templated { prompt } = server.post("/apply-template", &conversation).await?;
    tokens_of(server, &prompt, true).await
}

/// `add_special`: with the beginning-of-text token, which `/apply-template` leaves out.
async fn tokens_of(
    server: ServerCall<'_>,
    content: &str,
    add_special: bool,
) -> Result<Vec<u32>, Error> {
    #[derive(Serialize)]
    struct Text<'a> {
        content: &'a str,
        add_special: bool,
        parse_special: bool,
    }
    let text = Text {
        content,
        add_special,
        parse_special: true,
    };
    let Tokens { tokens } = server.post("/tokenize", &text).await?;
    Ok(tokens)
}

#[derive(Serialize)]
struct Completion<'a> {
    prompt: &'a [u32],
    n_predict: usize,
    temperature: f64,
    top_p: f64,
    top_k: usize,
    min_p: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    return_tokens: bool,
    n_probs: u8,
    stop: Vec<&'a str>,
    cache_prompt: bool,
    stream: bool,
}

/// A seed of 32 bits, other than the one that means a random seed.
fn seed_of(seed: u64) -> u32 {
    ((seed >> 32) as u32 ^ seed as u32).min(u32::MAX - 1)
}

fn draw_request(draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
    let DrawPrefix::Tokens(prompt) = draw.prefix else {
        return chat::request(draw);
    };
    let body = Completion {
        prompt,
        n_predict: draw.max_tokens,
        temperature: draw.sampling.temperature,
        top_p: draw.sampling.top_p,
        top_k: draw.sampling.top_k,
        min_p: draw.sampling.min_p,
        seed: draw.effective_seed().map(seed_of),
        return_tokens: true,
        n_probs: 1,
        stop: draw.stop.into_iter().collect(),
        cache_prompt: true,
        stream: draw.stream,
    };
    ApiRequest::json("/completion", draw.stream, &body)
}

#[derive(Deserialize)]
struct CompletionReply {
    content: String,
    tokens: Vec<u32>,
    stop: bool,
    stop_type: Option<StopType>,
    stopping_word: Option<String>,
    #[serde(default)]
    tokens_predicted: u64,
    #[serde(default)]
    tokens_evaluated: u64,
    timings: Option<Timings>,
    #[serde(default)]
    completion_probabilities: Vec<TokenProbability>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StopType {
    None,
    Eos,
    Limit,
    Word,
}

#[derive(Deserialize)]
struct Timings {
    cache_n: u64,
}

#[derive(Deserialize)]
struct TokenProbability {
    id: u32,
    #[serde(default)]
    bytes: Vec<u8>,
    logprob: Option<f64>,
}

fn read_draw(data: &[u8], spelled: bool) -> Result<DrawEvent, Unreadable> {
    let reply: CompletionReply = serde_json::from_slice(data)?;
    let finish = match (reply.stop, reply.stop_type) {
        (false, _) => None,
        (true, Some(StopType::Eos)) => Some(FinishReason::End),
        (true, Some(StopType::Limit)) => Some(FinishReason::Length),
        (true, Some(StopType::Word)) => Some(FinishReason::Separator),
        (true, Some(StopType::None) | None) => return Err("it does not say why it stopped".into()),
    };
    // Some tokens have no entry; a step's log-probability leaves them out. The bytes of a token that ends inside a
    // character come with the token that completes it.
    let mut probabilities = reply.completion_probabilities.into_iter().peekable();
    let mut pieces = Vec::with_capacity(reply.tokens.len());
    for token in reply.tokens {
        let probability = probabilities.next_if(|probability| probability.id == token);
        let (bytes, value) = probability.map_or((Vec::new(), None), |p| (p.bytes, p.logprob));
        pieces.push(Piece {
            token: Some(token),
            bytes: if spelled { bytes } else { Vec::new() },
            logprob: logprob(value)?,
        });
    }
    if let Some(other) = probabilities.next() {
        return Err(format!(
            "a log-probability of token {}, which was not drawn",
            other.id
        )
        .into());
    }
    if spelled
        && finish == Some(FinishReason::Separator)
        && let (Some((end, before)), Some(word)) = (pieces.split_last_mut(), reply.stopping_word)
    {
        let known: usize = before.iter().map(|piece| piece.bytes.len()).sum();
        let text = format!("{}{word}", reply.content).into_bytes();
        end.bytes = text.get(known..).unwrap_or_default().to_vec();
    }
    if let (Some(FinishReason::End), Some(end)) = (finish, pieces.last_mut()) {
        end.bytes.clear();
    }
    Ok(DrawEvent {
        deltas: vec![DrawDelta {
            index: 0,
            pieces,
            finish,
        }],
        usage: reply.stop.then(|| {
            let cached = reply.timings.map(|timings| timings.cache_n);
            ReportedUsage::new(reply.tokens_evaluated, cached, reply.tokens_predicted)
        }),
        last: reply.stop,
    })
}

/// Asks which of two tokens follows a prefix. The same bias on both keeps their ratio and suppresses all others.
fn labels_request(prompt: &[u32], labels: [u32; 2]) -> Result<ApiRequest, serde_json::Error> {
    #[derive(Serialize)]
    struct Labels<'a> {
        prompt: &'a [u32],
        n_predict: u8,
        temperature: f64,
        top_p: f64,
        top_k: usize,
        min_p: f64,
        n_probs: u8,
        post_sampling_probs: bool,
        logit_bias: [(u32, f64); 2],
        cache_prompt: bool,
    }
    const BIAS: f64 = 100.0;
    let body = Labels {
        prompt,
        n_predict: 1,
        temperature: 1.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        n_probs: 2,
        post_sampling_probs: true,
        logit_bias: labels.map(|label| (label, BIAS)),
        cache_prompt: true,
    };
    ApiRequest::json("/completion", false, &body)
}

/// The probability of the first of two tokens against the second.
fn read_labels(data: &[u8], labels: [u32; 2]) -> Result<Scores, Unreadable> {
    #[derive(Deserialize)]
    struct LabelsReply {
        completion_probabilities: Vec<Drawn>,
        tokens_predicted: u64,
        tokens_evaluated: u64,
        timings: Option<Timings>,
    }
    #[derive(Deserialize)]
    struct Drawn {
        top_probs: Vec<Top>,
    }
    #[derive(Deserialize)]
    struct Top {
        id: u32,
        prob: f64,
    }
    let reply: LabelsReply = serde_json::from_slice(data)?;
    let top = reply
        .completion_probabilities
        .first()
        .map_or(&[][..], |drawn| &drawn.top_probs);
    let of = |label: u32| top.iter().find(|top| top.id == label).map(|top| top.prob);
    let share = match (of(labels[0]), of(labels[1])) {
        (Some(right), Some(wrong)) => right / (right + wrong),
        // The other one is too unlikely to be listed.
        (Some(_), None) if top.len() == 1 => 1.0,
        (None, Some(_)) if top.len() == 1 => 0.0,
        _ => return Err("other tokens than the two labels: logit_bias is ignored".into()),
    };
    let cached = reply.timings.map(|timings| timings.cache_n);
    let usage = ReportedUsage::new(reply.tokens_evaluated, cached, reply.tokens_predicted);
    Ok(Scores::column(vec![share], Some(usage)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_seed_means_any(wide: u64) {
            prop_assert_ne!(seed_of(wide), u32::MAX);
        }
    }

    #[test]
    fn the_value_that_means_any_seed_is_avoided() {
        assert_eq!(seed_of(u64::from(u32::MAX)), u32::MAX - 1);
    }
}
