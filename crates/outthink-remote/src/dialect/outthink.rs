//! `outthink prm-serve`: the embedded engine behind `/pooling`, in vLLM's format.
//!
//! It reads every kind of reward. Those that are likelihoods come as a row for each token, whose first number is that
//! token's log-probability, or the logarithm of its ratio to the reference.

use outthink_prompt::Reward;

use super::gateway::{FACTS_AT, Gateway};
use super::{
    Dialect, DialectId, DrawEvent, DrawRequest, RewardEndpoint, ScoreRequest, Scores,
    SelfDescription, Unreadable, chat, score, vllm,
};
use crate::probe::Facts;
use crate::request::ApiRequest;

pub(super) struct PrmServe;

impl Dialect for PrmServe {
    fn name(&self) -> &'static str {
        "prm-serve"
    }

    fn title(&self) -> &'static str {
        "outthink prm-serve"
    }

    fn owned_by(&self) -> Option<&'static str> {
        Some("outthink")
    }

    /// `outthink serve`, which has the same `owned_by`, lists each of its policies once more for every way to search with it.
    fn lists_as_search(&self, model: &str) -> bool {
        model.contains([':', '@'])
    }

    fn facts_at(&self) -> &'static [&'static str] {
        FACTS_AT
    }

    fn read_facts(&self, answers: &SelfDescription, facts: &mut Facts) {
        let routes = answers.read_routes(facts);
        if routes.is_some_and(|routes| routes.has_route("/v1/chat/completions")) {
            facts.dialect = DialectId::of(&Gateway);
        }
    }

    fn continues(&self) -> bool {
        false
    }

    fn draw_request(&self, draw: &DrawRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        chat::request(draw)
    }

    fn read_draws(&self, data: &[u8], _: bool) -> Result<DrawEvent, Unreadable> {
        chat::read(data)
    }

    fn reward_endpoint(&self, reward: Reward, _: bool) -> Result<RewardEndpoint, &'static str> {
        Ok(match reward {
            Reward::Likelihood | Reward::NextLabel | Reward::Ratio(_) => {
                RewardEndpoint::LikelihoodRows
            }
            _ => RewardEndpoint::rows(reward),
        })
    }

    fn score_request(&self, score: &ScoreRequest<'_>) -> Result<ApiRequest, serde_json::Error> {
        match score.endpoint {
            RewardEndpoint::Rows { activated } => vllm::pooling_request(score, activated),
            RewardEndpoint::LikelihoodRows => vllm::pooling_request(score, false),
            _ => Err(serde::ser::Error::custom(score::NOT_SCORED)),
        }
    }

    fn read_scores(&self, data: &[u8], score: &ScoreRequest<'_>) -> Result<Scores, Unreadable> {
        let scores = vllm::read_pooling(data)?;
        match score.endpoint {
            RewardEndpoint::Rows { .. } => Ok(scores),
            RewardEndpoint::LikelihoodRows if scores.rows.len() == score.tokens.len() => Ok(scores),
            RewardEndpoint::LikelihoodRows => {
                let (got, sent) = (scores.rows.len(), score.tokens.len());
                Err(format!("{got} rows for {sent} tokens").into())
            }
            _ => Err(score::NOT_SCORED.into()),
        }
    }
}
