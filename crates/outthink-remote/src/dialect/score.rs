//! Scoring: what every dialect that scores is asked for, and what it reads from an answer.

use outthink_prompt::Reward;

use crate::usage::ReportedUsage;

/// How a server is asked for a verifier's rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RewardEndpoint {
    /// One request a solution: the outputs of a classifier or value head, a row for each token or for each step tag.
    /// `activated`: after the head's activation, as probabilities are read; a value is read before its logistic function,
    /// which servers apply or not.
    Rows {
        /// Is the activation applied?
        activated: bool,
    },
    /// One request a solution: a row for each token, whose first number is that token's log-probability.
    LikelihoodRows,
    /// One request a solution: the log-probability of each token of the prompt.
    PromptLikelihood,
    /// One request a step: which of two tokens comes next.
    Labels([u32; 2]),
}

impl RewardEndpoint {
    /// The rows that a kind of reward is read from.
    pub(super) fn rows(reward: Reward) -> Self {
        Self::Rows {
            activated: reward != Reward::Value,
        }
    }

    /// In words, for the user.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Rows { .. } => "/pooling, all steps in one request",
            Self::LikelihoodRows => "/pooling, the likelihood of each token",
            Self::PromptLikelihood => "log-probabilities of the prompt, all steps in one request",
            Self::Labels(_) => "probabilities of two tokens, one request a new step",
        }
    }
}

/// One request for scores, as every dialect gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreRequest<'a> {
    pub(crate) model: &'a str,
    /// A solution, or its beginning up to the end of a step.
    pub(crate) tokens: &'a [u32],
    pub(crate) endpoint: RewardEndpoint,
}

/// The numbers in an answer, of which the verifier makes rewards.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scores {
    /// By the endpoint: a row for each token or step tag ([`Rows`](RewardEndpoint::Rows)), a row that begins with a
    /// log-probability for each token (`LikelihoodRows`, `PromptLikelihood`; the first token's is 0), or one row of the
    /// probability of the first label against the second (`Labels`).
    pub(crate) rows: Vec<Vec<f64>>,
    pub(crate) usage: Option<ReportedUsage>,
}

impl Scores {
    /// One number a row.
    pub(super) fn column(values: Vec<f64>, usage: Option<ReportedUsage>) -> Self {
        Self {
            rows: values.into_iter().map(|value| vec![value]).collect(),
            usage,
        }
    }
}

/// The error of a dialect that is asked for an endpoint that it does not have.
pub(super) const NOT_SCORED: &str = "this kind of server is not asked for such rewards";

/// Why only `outthink prm-serve` reads a kind of reward, if that is so.
pub(super) fn only_prm_serve_reads(reward: Reward) -> Option<&'static str> {
    match reward {
        Reward::NextLabel => {
            Some("it does not read a label of each token that came next; use `outthink prm-serve`")
        }
        Reward::Ratio(_) => Some(
            "an implicit PRM is read against its reference, and one server has one model; use `outthink prm-serve`",
        ),
        _ => None,
    }
}

/// The probability of the first of two tokens against the second, from their log-probabilities.
pub(super) fn share_of_first([first, second]: [f64; 2]) -> f64 {
    1.0 / (1.0 + (second - first).exp())
}
