//! Profiles: how a model family is asked, where its steps and answers end, where its rewards are read.

use serde::{Deserialize, Serialize};

use crate::{Error, Tokenizer};

/// The profiles that ship with outthink, the more particular first.
const BUILT_IN: [&str; 16] = [
    include_str!("../profiles/grid.toml"),
    include_str!("../profiles/grid-prm.toml"),
    include_str!("../profiles/micro.toml"),
    include_str!("../profiles/micro-prm.toml"),
    include_str!("../profiles/deepseek-r1-distill.toml"),
    include_str!("../profiles/llama-3.toml"),
    include_str!("../profiles/qwen3.toml"),
    include_str!("../profiles/qwen2.5.toml"),
    include_str!("../profiles/qwen2.5-math-prm.toml"),
    include_str!("../profiles/skywork-prm.toml"),
    include_str!("../profiles/trl-prm.toml"),
    include_str!("../profiles/rlhflow-prm.toml"),
    include_str!("../profiles/math-shepherd-prm.toml"),
    include_str!("../profiles/er-prm.toml"),
    include_str!("../profiles/eurus-prm.toml"),
    include_str!("../profiles/chat.toml"),
];

/// What a checkpoint is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes steps.
    Policy,
    /// It scores them.
    Verifier,
}

/// Everything that depends on a model family.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// How to recognise the family.
    pub detect: Detect,
    /// The family as a policy, if it can be one.
    pub policy: Option<PolicyProfile>,
    /// The family as a verifier, if it can be one.
    pub verifier: Option<VerifierProfile>,
}

/// How to recognise a family: by what the checkpoint says of itself, never by its name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Architectures of `config.json`; any of them.
    pub architectures: Vec<String>,
    /// Tokens that its tokenizer knows; all of them.
    pub tokens: Vec<String>,
}

/// How a policy is asked and where its text is cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyProfile {
    /// The system message; none where the family wants none.
    pub system: Option<String>,
    /// What follows the question in the user's message.
    #[serde(default)]
    pub after_question: String,
    /// Passed to the chat template as `enable_thinking`, where the template asks.
    pub thinking: Option<bool>,
    /// Text between two steps.
    pub step_separator: String,
    /// Does a step that closes a `\boxed{}` end the answer?
    pub answer_ends_with_box: bool,
    /// Only in a search over steps: a reply that is drawn as a whole may hold a box in its middle and goes on to its own end.
    // Left out where it is false: a stored study is known by its profile's text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub box_ends_steps_only: bool,
    /// Text that ends the thinking before the answer, for models whose prompt opens it; until then a box ends nothing. Thinking
    /// that the model itself opens with `<think>` is known without.
    pub think_end: Option<String>,
    /// Tokens that end an answer, beside those of the generation config; unknown ones are passed over.
    #[serde(default)]
    pub end_tokens: Vec<String>,
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

/// How a solution is shown to a verifier.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "layout", rename_all = "kebab-case", deny_unknown_fields)]
pub enum VerifierProfile {
    /// A chat whose answer has a marker token after every step; the reward is a label's probability there.
    Marker {
        /// The system message.
        system: Option<String>,
        /// The marker token.
        marker: String,
        /// The label that says "right".
        label: usize,
    },
    /// Steps as the policy writes them; the reward is the smallest token probability so far.
    Likelihood {
        /// Text after a step that is not the last.
        step_separator: String,
        /// Token after the last step of a complete answer.
        end: String,
    },
    /// Steps as the policy writes them, read by a head with a label for every token that may come next; the reward is the
    /// smallest probability, of the label of a token that came, so far.
    NextLabel {
        /// Text after a step that is not the last.
        step_separator: String,
        /// Token after the last step of a complete answer.
        end: String,
    },
    /// Steps as the policy writes them, read by two models (arXiv 2412.01981); the reward is the logistic function of `beta`
    /// times how much likelier the verifier finds all tokens so far than the reference does, in nats.
    Ratio {
        /// Text after a step that is not the last.
        step_separator: String,
        /// Weight of the log-likelihood ratio.
        beta: f64,
    },
    /// Question and steps as one text with a tag after every step; the reward is the probability of one word rather
    /// than another after the tag's last token.
    Tag {
        /// Text between question and first step.
        after_question: String,
        /// Text before a tag.
        before_tag: String,
        /// The tag.
        tag: String,
        /// Text after a tag.
        after_tag: String,
        /// Two words of one text, "right" first.
        words: String,
    },
    /// A chat in which every step is a user's turn and the assistant answers with a word; the reward is the
    /// probability of the right one rather than the other before each answer.
    Turns {
        /// A token that stands for the answer while the chat is rendered.
        placeholder: String,
        /// The answer for a right step.
        right: String,
        /// The answer for a wrong step.
        wrong: String,
    },
    /// The question, then every step with a separator's last token after it; the reward is the logistic function of
    /// the value there.
    Value {
        /// Text before the question; `{bos}` is the tokenizer's beginning-of-text token.
        before_question: String,
        /// Text after the question.
        after_question: String,
        /// Text whose last token follows a step.
        separator: String,
    },
    /// The question, then every step and a separator, each encoded alone; the reward is a label's probability at the
    /// separator's last token.
    Separator {
        /// What follows a step.
        separator: String,
        /// The label that says "right".
        label: usize,
    },
}

impl Profile {
    /// Reads a profile file.
    pub fn parse(toml: &str) -> Result<Self, Error> {
        Ok(toml::from_str(toml)?)
    }

    /// All profiles that ship with outthink.
    pub fn built_in() -> Result<Vec<Self>, Error> {
        BUILT_IN.into_iter().map(Self::parse).collect()
    }

    /// The built-in profile of a name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let all = Self::built_in()?;
        let known: Vec<String> = all.iter().map(|profile| profile.name.clone()).collect();
        all.into_iter()
            .find(|profile| profile.name == name)
            .ok_or_else(|| Error::UnknownProfile {
                name: name.to_owned(),
                known: known.join(", "),
            })
    }

    /// The first built-in profile for a role whose architecture and tokens are the checkpoint's. A language model of a family
    /// that none knows is a policy under the profile `chat`: its own template says how it is asked.
    pub fn detect(role: Role, architecture: &str, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let mut known = Vec::new();
        for profile in Self::built_in()? {
            let plays = match role {
                Role::Policy => profile.policy.is_some(),
                Role::Verifier => profile.verifier.is_some(),
            };
            if !plays {
                continue;
            }
            let Detect {
                architectures,
                tokens,
            } = &profile.detect;
            if architectures.iter().any(|known| known == architecture)
                && tokens.iter().all(|token| tokenizer.id(token).is_ok())
            {
                return Ok(profile);
            }
            known.push(profile.name);
        }
        // Without a config.json nothing says what it is; whoever names it as a policy does.
        let language_model = ["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"];
        let speaks = language_model.iter().any(|end| architecture.ends_with(end));
        if role == Role::Policy && (speaks || architecture.is_empty()) {
            return Self::named("chat");
        }
        Err(Error::NoProfile {
            role: match role {
                Role::Policy => "policy",
                Role::Verifier => "verifier",
            },
            architecture: architecture.to_owned(),
            known: known.join(", "),
        })
    }
}
