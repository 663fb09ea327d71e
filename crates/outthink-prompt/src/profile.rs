//! Profiles: how a model family is asked, where its steps and answers end, where its rewards are read.

use serde::Deserialize;

use crate::{Error, Tokenizer};

/// The profiles that ship with outthink.
const BUILT_IN: [&str; 1] = [include_str!("../../../profiles/micro.toml")];

/// Everything that depends on a model family.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// How to recognise the family.
    pub detect: Detect,
    /// The family as a policy.
    pub policy: PolicyProfile,
    /// The family as a verifier.
    pub verifier: VerifierProfile,
}

/// How to recognise a family.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Tokens that its tokenizer knows.
    pub tokens: Vec<String>,
}

/// How a policy is asked and where its text is cut.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyProfile {
    /// Text between two steps.
    pub step_separator: String,
    /// Does a step that closes a `\boxed{}` end the answer?
    pub answer_ends_with_box: bool,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus; 1 keeps all.
    pub top_p: f64,
    /// Likeliest tokens kept; 0 keeps all.
    pub top_k: usize,
    /// Smallest probability kept, relative to the likeliest token's; 0 keeps all.
    pub min_p: f64,
    /// Most tokens of one draw.
    pub draw_tokens: usize,
    /// Most tokens of a solution.
    pub solution_tokens: usize,
    /// Most steps of a solution.
    pub steps: usize,
}

/// The family's reward layouts, by kind of checkpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierProfile {
    /// For checkpoints with a process reward head.
    pub process_reward: ProcessRewardLayout,
    /// For causal LMs.
    pub likelihood: LikelihoodLayout,
}

/// A marker after every step; the reward is a label's probability at the marker.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessRewardLayout {
    /// The marker token.
    pub marker: String,
    /// The label that says "right".
    pub label: usize,
}

/// Steps as the policy writes them; the reward is the smallest token probability so far.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LikelihoodLayout {
    /// Text after a step that is not the last.
    pub step_separator: String,
    /// Token after the last step of a complete answer.
    pub end: String,
}

impl Profile {
    /// Reads a profile file.
    pub fn parse(toml: &str) -> Result<Self, Error> {
        Ok(toml::from_str(toml)?)
    }

    /// The built-in profile whose tokens the tokenizer knows.
    pub fn detect(tokenizer: &Tokenizer) -> Result<Self, Error> {
        let mut known = Vec::new();
        for text in BUILT_IN {
            let profile = Self::parse(text)?;
            if profile
                .detect
                .tokens
                .iter()
                .all(|token| tokenizer.id(token).is_ok())
            {
                return Ok(profile);
            }
            known.push(profile.name);
        }
        Err(Error::NoProfile {
            known: known.join(", "),
        })
    }
}
