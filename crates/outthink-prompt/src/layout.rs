//! How a solution is laid out for a verifier, and where its rewards are read.

use crate::{Error, Profile, Tokenizer};

/// Token ids of a prefix, and for each step the tokens that its reward is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Prompt and steps.
    pub tokens: Vec<u32>,
    /// One range a step: a single marker, or all tokens of the step.
    pub steps: Vec<std::ops::Range<usize>>,
}

/// A verifier's layout, resolved against its tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub enum RewardLayout {
    /// A marker after every step.
    Marker {
        /// Its id.
        marker: u32,
        /// The label whose probability is the reward.
        label: usize,
    },
    /// The steps as a policy writes them.
    Likelihood {
        /// Text after a step that is not the last.
        separator: String,
        /// Token after the last step of a complete answer.
        end: u32,
    },
}

impl RewardLayout {
    /// The layout for checkpoints with a process reward head.
    pub fn process_reward(profile: &Profile, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let layout = &profile.verifier.process_reward;
        Ok(Self::Marker {
            marker: tokenizer.id(&layout.marker)?,
            label: layout.label,
        })
    }

    /// The layout for causal LMs.
    pub fn likelihood(profile: &Profile, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let layout = &profile.verifier.likelihood;
        Ok(Self::Likelihood {
            separator: layout.step_separator.clone(),
            end: tokenizer.id(&layout.end)?,
        })
    }

    /// Lays out steps after the prompt. The tokens of a longer solution begin with those of a shorter one.
    pub fn render<'a>(
        &self,
        tokenizer: &Tokenizer,
        prompt: &[u32],
        steps: impl ExactSizeIterator<Item = &'a str>,
        complete: bool,
    ) -> Result<Rendered, Error> {
        let mut rendered = Rendered {
            tokens: prompt.to_vec(),
            steps: Vec::with_capacity(steps.len()),
        };
        let last = steps.len().saturating_sub(1);
        for (index, text) in steps.enumerate() {
            let start = rendered.tokens.len();
            match self {
                Self::Marker { marker, .. } => {
                    rendered.tokens.extend(tokenizer.encode(text)?);
                    rendered.tokens.push(*marker);
                    let end = rendered.tokens.len();
                    rendered.steps.push(end - 1..end);
                }
                Self::Likelihood { separator, end } => {
                    if complete && index == last {
                        rendered.tokens.extend(tokenizer.encode(text)?);
                        rendered.tokens.push(*end);
                    } else {
                        rendered
                            .tokens
                            .extend(tokenizer.encode(&format!("{text}{separator}"))?);
                    }
                    rendered.steps.push(start..rendered.tokens.len());
                }
            }
        }
        Ok(rendered)
    }
}
