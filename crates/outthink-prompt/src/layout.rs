//! How a solution is laid out for a verifier, and where its rewards are read.

use std::ops::Range;

use crate::{ChatTemplate, Error, Message, Tokenizer, VerifierProfile};

/// Token ids of a prefix, and for each step the tokens that its reward is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Question and steps.
    pub tokens: Vec<u32>,
    /// One range a step: a single token, or all tokens of the step.
    pub steps: Vec<Range<usize>>,
}

/// How a reward is read off a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reward {
    /// The log-probability of each of the step's tokens.
    Likelihood,
    /// The same, less a reference's; all so far, times this, under the logistic function.
    Ratio(f64),
    /// The probability of a label.
    Label(usize),
    /// The logarithm of the probability of each of the step's tokens' own labels, where the token was next.
    NextLabel,
    /// The logistic function of a value.
    Value,
    /// The probability of the first token rather than the second as the next.
    Tokens(u32, u32),
}

impl Reward {
    /// One reward in [0, 1] a step, from the values that were read of each step's tokens: the probability or the value's logistic
    /// function where there is one, and log-probabilities in nats where it is of many tokens.
    pub fn of_steps(self, steps: &[Vec<f32>]) -> Vec<f64> {
        let mut lowest = 0.0f32;
        let mut total = 0.0;
        let reward = |values: &Vec<f32>| match self {
            Self::Likelihood | Self::NextLabel => {
                // A running minimum: after a slip, whatever follows consistently is likely again.
                lowest = values.iter().copied().fold(lowest, f32::min);
                f64::from(lowest).exp()
            }
            Self::Ratio(beta) => {
                total += values.iter().copied().map(f64::from).sum::<f64>();
                1.0 / (1.0 + (-beta * total).exp())
            }
            Self::Label(_) | Self::Value | Self::Tokens(..) => {
                values.first().map_or(f64::NAN, |value| f64::from(*value))
            }
        };
        steps.iter().map(reward).collect()
    }
}

/// A verifier's layout, resolved against its tokenizer.
pub struct RewardLayout {
    profile: VerifierProfile,
    reward: Reward,
    /// The marker, the tag's last token, the placeholder, the separator's last token, or what ends a complete answer.
    mark: Option<u32>,
}

impl RewardLayout {
    /// Resolves a profile's words to tokens; fails where the tokenizer does not have them.
    pub fn new(profile: &VerifierProfile, tokenizer: &Tokenizer) -> Result<Self, Error> {
        let last = |text: &str| -> Result<u32, Error> {
            let ids = tokenizer.encode(text)?;
            ids.last()
                .copied()
                .ok_or_else(|| Error::NoToken(text.to_owned()))
        };
        let (reward, mark) = match profile {
            VerifierProfile::Marker { marker, label, .. } => {
                (Reward::Label(*label), Some(tokenizer.id(marker)?))
            }
            VerifierProfile::Likelihood { end, .. } => {
                (Reward::Likelihood, Some(tokenizer.id(end)?))
            }
            VerifierProfile::NextLabel { end, .. } => (Reward::NextLabel, Some(tokenizer.id(end)?)),
            VerifierProfile::Ratio { beta, .. } => (Reward::Ratio(*beta), None),
            VerifierProfile::Tag { tag, words, .. } => {
                let ids = tokenizer.encode(words)?;
                // A tokenizer that splits the words has other tokens in mind than the model was trained on.
                let [right, wrong] = ids[..] else {
                    return Err(Error::NoToken(words.clone()));
                };
                (Reward::Tokens(right, wrong), Some(last(tag)?))
            }
            VerifierProfile::Turns {
                placeholder,
                right,
                wrong,
            } => (
                Reward::Tokens(last(right)?, last(wrong)?),
                Some(tokenizer.id(placeholder)?),
            ),
            VerifierProfile::Value { separator, .. } => (Reward::Value, Some(last(separator)?)),
            VerifierProfile::Separator { separator, label } => {
                (Reward::Label(*label), Some(last(separator)?))
            }
        };
        Ok(Self {
            profile: profile.clone(),
            reward,
            mark,
        })
    }

    /// How rewards are read.
    pub fn reward(&self) -> Reward {
        self.reward
    }

    /// The marker token of a layout that has one: rewards are read at it and nowhere else.
    pub fn marker(&self) -> Option<u32> {
        match self.profile {
            VerifierProfile::Marker { .. } => self.mark,
            _ => None,
        }
    }

    /// Lays out a question and steps. The tokens of a longer solution begin with those of a shorter one, and a step that
    /// holds a mark of its own is still read once, at the mark that follows it.
    pub fn render(
        &self,
        tokenizer: &Tokenizer,
        template: &ChatTemplate,
        question: &str,
        steps: &[&str],
        complete: bool,
    ) -> Result<Rendered, Error> {
        match &self.profile {
            VerifierProfile::Marker { system, .. } => {
                let messages = Message::question(system.as_deref(), question);
                let prompt =
                    tokenizer.encode(&template.render_chat(tokenizer, &messages, true)?)?;
                self.marked(tokenizer, prompt, steps, self.mark.as_slice())
            }
            VerifierProfile::Likelihood { step_separator, .. }
            | VerifierProfile::NextLabel { step_separator, .. }
            | VerifierProfile::Ratio { step_separator, .. } => {
                let messages = Message::question(None, question);
                let prompt = tokenizer.encode(&template.render(tokenizer, &messages, true)?)?;
                self.as_written(tokenizer, prompt, steps, step_separator, complete)
            }
            VerifierProfile::Tag {
                after_question,
                before_tag,
                tag,
                after_tag,
                ..
            } => {
                let mut text = format!("{question}{after_question}");
                let mut ends = Vec::with_capacity(steps.len());
                for step in steps {
                    text.push_str(step.trim());
                    text.push_str(before_tag);
                    text.push_str(tag);
                    ends.push(text.len());
                    text.push_str(after_tag);
                }
                self.tagged(tokenizer, &text, &ends)
            }
            VerifierProfile::Turns {
                placeholder, right, ..
            } => self.turns(tokenizer, template, question, steps, placeholder, right),
            VerifierProfile::Value {
                before_question,
                after_question,
                ..
            } => {
                let bos = tokenizer.special("bos_token").unwrap_or_default();
                let before = before_question.replace("{bos}", bos);
                let prompt = tokenizer.encode(&format!("{before}{question}{after_question}"))?;
                let lines: Vec<String> = steps.iter().map(|step| step.replace('\n', " ")).collect();
                let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
                self.marked(tokenizer, prompt, &lines, self.mark.as_slice())
            }
            VerifierProfile::Separator { separator, .. } => {
                let mut prompt: Vec<u32> = tokenizer.bos().into_iter().collect();
                prompt.extend(tokenizer.encode(question)?);
                let separator = tokenizer.encode(separator)?;
                self.marked(tokenizer, prompt, steps, &separator)
            }
        }
    }

    /// Every step encoded alone, with the same tokens after each; the last of them is read.
    fn marked(
        &self,
        tokenizer: &Tokenizer,
        prompt: Vec<u32>,
        steps: &[&str],
        after: &[u32],
    ) -> Result<Rendered, Error> {
        let mut tokens = prompt;
        let mut places = Vec::with_capacity(steps.len());
        for step in steps {
            tokens.extend(tokenizer.encode(step)?);
            tokens.extend(after);
            places.push(tokens.len() - 1..tokens.len());
        }
        Ok(Rendered {
            tokens,
            steps: places,
        })
    }

    fn as_written(
        &self,
        tokenizer: &Tokenizer,
        prompt: Vec<u32>,
        steps: &[&str],
        separator: &str,
        complete: bool,
    ) -> Result<Rendered, Error> {
        let mut tokens = prompt;
        let mut places = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let start = tokens.len();
            if complete && index + 1 == steps.len() {
                tokens.extend(tokenizer.encode(step)?);
                tokens.extend(self.mark);
            } else {
                tokens.extend(tokenizer.encode(&format!("{step}{separator}"))?);
            }
            places.push(start..tokens.len());
        }
        Ok(Rendered {
            tokens,
            steps: places,
        })
    }

    /// One text, read at the tokens that end where the tags do.
    fn tagged(&self, tokenizer: &Tokenizer, text: &str, ends: &[usize]) -> Result<Rendered, Error> {
        let (ids, offsets) = tokenizer.encode_with_ends(text)?;
        let mut tokens: Vec<u32> = tokenizer.bos().into_iter().collect();
        let shift = tokens.len();
        tokens.extend(&ids);
        let mut places = Vec::with_capacity(ends.len());
        for end in ends {
            let at = offsets.iter().position(|offset| offset == end);
            let at = at
                .filter(|&at| Some(ids[at]) == self.mark)
                .ok_or(Error::TagLost)?;
            places.push(at + shift..at + shift + 1);
        }
        Ok(Rendered {
            tokens,
            steps: places,
        })
    }

    fn turns(
        &self,
        tokenizer: &Tokenizer,
        template: &ChatTemplate,
        question: &str,
        steps: &[&str],
        placeholder: &str,
        right: &str,
    ) -> Result<Rendered, Error> {
        let mut messages = Vec::with_capacity(2 * steps.len());
        for (index, step) in steps.iter().enumerate() {
            // A step may not stand for an answer.
            let step = step.trim().replace(placeholder, " ");
            let content = if index == 0 {
                format!("{} {step}", question.replace(placeholder, " "))
            } else {
                step
            };
            messages.push(Message::new("user", content));
            messages.push(Message::new("assistant", placeholder));
        }
        let mut tokens = tokenizer.encode(&template.render(tokenizer, &messages, false)?)?;
        let answer = tokenizer
            .encode(right)?
            .last()
            .copied()
            .ok_or(Error::TagLost)?;
        let mut places = Vec::with_capacity(steps.len());
        for (at, token) in tokens.iter_mut().enumerate() {
            if Some(*token) == self.mark {
                *token = answer;
                places.push(at.saturating_sub(1)..at);
            }
        }
        if places.len() != steps.len() {
            return Err(Error::TagLost);
        }
        Ok(Rendered {
            tokens,
            steps: places,
        })
    }
}
