//! What can go wrong in a search.

use crate::Problem;

/// A failure of a policy, a verifier or a domain, as its implementation tells it.
pub type ModelError = Box<dyn std::error::Error + Send + Sync>;

/// Why a search has no result. A failed search is an error of its problem: it never becomes a score or a vote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The budget cannot be laid out.
    #[error("{method} cannot spend a budget of {budget}: {reason}")]
    Budget {
        /// The method's name.
        method: &'static str,
        /// The budget `N`.
        budget: usize,
        /// What does not fit, and what would.
        reason: String,
    },
    /// The method continues steps and the policy writes whole answers.
    #[error(
        "{method} searches over steps, and a chat-only server cannot continue one; use majority or best-of-n"
    )]
    WholeAnswersOnly {
        /// The method's name.
        method: &'static str,
    },
    /// The method asks prompts in words and the policy knows problems of one kind only.
    #[error(
        "{method} asks the policy prompts in words, made of its earlier solutions, and this one knows nothing but its own kind of problem; use majority or best-of-n, or a policy that follows instructions"
    )]
    OwnProblemsOnly {
        /// The method's name.
        method: &'static str,
    },
    /// The method needs step rewards and there is no verifier.
    #[error("{method} needs a verifier")]
    NoVerifier {
        /// The method's name.
        method: &'static str,
    },
    /// Rewards are to select an answer, and the method has none.
    #[error("{method} scores no steps, so its selection is majority")]
    Unscored {
        /// The method's name.
        method: &'static str,
    },
    /// The selection goes by what the policy tells of its tokens, and it tells nothing.
    #[error(
        "{selection} goes by the policy's tokens and their probabilities, and it told none on problem {problem}; select by majority"
    )]
    Untold {
        /// The selection's name.
        selection: String,
        /// The problem's id.
        problem: String,
    },
    /// The policy failed.
    #[error("the policy failed on problem {problem}")]
    Policy {
        /// The problem's id.
        problem: String,
        /// Its own words.
        source: ModelError,
    },
    /// The policy failed on a prompt that the method made of earlier solutions.
    #[error(
        "the policy failed on problem {problem} at a prompt that {method} made of its earlier solutions; a policy that knows one kind of question only, or has no room for the prompt, needs another method"
    )]
    Prompted {
        /// The method's name.
        method: &'static str,
        /// The problem's id.
        problem: String,
        /// Its own words.
        source: ModelError,
    },
    /// The verifier failed.
    #[error("the verifier failed on problem {problem}")]
    Verifier {
        /// The problem's id.
        problem: String,
        /// Its own words.
        source: ModelError,
    },
    /// A model or a domain answered something else than it was asked.
    #[error("the {model} returned {got} {what} for {expected} on problem {problem}")]
    Misshaped {
        /// `policy`, `verifier` or `domain`.
        model: &'static str,
        /// What was counted.
        what: &'static str,
        /// How many were asked for.
        expected: usize,
        /// How many came.
        got: usize,
        /// The problem's id.
        problem: String,
    },
    /// The method asked for samples that cannot be drawn.
    #[error("{method} cannot go on with problem {problem}: {reason}")]
    Allocation {
        /// The method's name.
        method: &'static str,
        /// What it asked for.
        reason: String,
        /// The problem's id.
        problem: String,
    },
    /// The policy ended a draw at a step where it was asked for a whole answer.
    #[error(
        "the policy stopped after a step of problem {problem} where it was asked for the whole answer"
    )]
    StoppedEarly {
        /// The problem's id.
        problem: String,
    },
    /// The domain failed to compare or grade answers.
    #[error("the answers to problem {problem} cannot be compared")]
    Domain {
        /// The problem's id.
        problem: String,
        /// Its own words.
        source: ModelError,
    },
    /// A reward is no number from 0 to 1.
    #[error(
        "the verifier returned {reward} as a reward on problem {problem}; rewards lie in [0, 1]"
    )]
    RewardOutOfRange {
        /// The reward.
        reward: f64,
        /// The problem's id.
        problem: String,
    },
}

impl Error {
    pub(crate) fn domain(problem: &Problem, source: ModelError) -> Self {
        let problem = problem.id.clone();
        Self::Domain { problem, source }
    }
}
