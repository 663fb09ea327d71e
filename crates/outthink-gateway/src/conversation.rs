//! Requests without a search, answered by a model here as it is.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::try_join_all;
use outthink_core::{ModelError, Usage, draw_seed};
use serde_json::{Value, json};

use crate::ask::{LARGEST, fresh_seed};
use crate::error::ApiError;
use crate::models::{Finish, ServedPolicy, Talk, Utterance};
use crate::reply::Envelope;
use crate::request::ChatRequest;
use crate::sse::Frame;
use crate::stop::Cutter;

/// Some replies to one conversation.
pub(crate) struct Conversation {
    model: Arc<dyn Talk>,
    /// One a choice.
    asked: Vec<Utterance>,
    stop: Vec<String>,
}

/// A reply that is complete.
pub(crate) struct Choice {
    pub text: String,
    pub finish: Finish,
    pub usage: Usage,
}

impl Conversation {
    /// What a request asks of a model, or why it cannot; `largest` is the largest number of choices.
    pub(crate) fn new(
        policy: &ServedPolicy,
        model: &Arc<dyn Talk>,
        request: &ChatRequest,
        largest: usize,
    ) -> Result<Self, ApiError> {
        if let Some(field) = request.others.first() {
            return Err(ApiError::invalid(
                field.clone(),
                format!(
                    "{} runs embedded and does not support `{field}`",
                    policy.name
                ),
            ));
        }
        if request.messages.is_empty() {
            return Err(ApiError::invalid("messages", "the conversation is empty"));
        }
        let seed = request.seed.unwrap_or_else(fresh_seed);
        let first = Utterance {
            turns: request.turns()?.into(),
            sampling: request.drawing.over(policy.sampling)?,
            max_tokens: request.reply_tokens()?,
            seed,
        };
        let another = |choice| Utterance {
            seed: draw_seed(seed, [], choice),
            ..first.clone()
        };
        let choices = request.choices(largest.min(LARGEST))?;
        let others = (1..choices).map(another);
        Ok(Self {
            model: Arc::clone(model),
            asked: [first.clone()].into_iter().chain(others).collect(),
            stop: request.stop.clone(),
        })
    }

    /// What is asked of the model, once a choice.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn asked(&self) -> &[Utterance] {
        &self.asked
    }

    /// All replies.
    pub(crate) async fn replies(&self) -> Result<Vec<Choice>, ModelError> {
        try_join_all(self.asked.iter().map(|asked| self.reply(asked, |_| ()))).await
    }

    /// All replies, told as they come; `told` is what the first chunk says beside.
    pub(crate) async fn stream(
        &self,
        envelope: &Envelope,
        told: Option<Value>,
        tell: impl Fn(Frame),
    ) -> Result<Vec<Choice>, ModelError> {
        let reply = async |(index, asked)| {
            let mut opening = envelope.opening(index);
            if let Some(told) = &told {
                opening["outthink"] = told.clone();
            }
            tell(Frame::Data(opening));
            let more = |text: &str| tell(Frame::Data(envelope.more(index, text)));
            let reply = self.reply(asked, more).await?;
            tell(Frame::Data(envelope.closing(index, reply.finish)));
            Ok(reply)
        };
        try_join_all(self.asked.iter().enumerate().map(reply)).await
    }

    async fn reply(&self, asked: &Utterance, tell: impl Fn(&str)) -> Result<Choice, ModelError> {
        let mut pieces = self.model.talk(asked.clone());
        let mut cutter = Cutter::new(&self.stop);
        let mut whole = String::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            let (mut text, stopped) = cutter.push(&piece.text);
            let finish = match stopped {
                true => Some(Finish::Stop),
                false => piece.finish,
            };
            if !stopped && finish.is_some() {
                text.push_str(&std::mem::replace(&mut cutter, Cutter::new(&self.stop)).rest());
            }
            if !text.is_empty() {
                tell(&text);
                whole.push_str(&text);
            }
            if let Some(finish) = finish {
                return Ok(Choice {
                    text: whole,
                    finish,
                    usage: piece.usage,
                });
            }
        }
        Err("the model's reply has no end".into())
    }
}

/// What some replies cost: the prompt is counted once, as OpenAI does.
pub(crate) fn usage(choices: &[Choice]) -> Value {
    let prompt = choices.first().map_or(0, |choice| choice.usage.prompt);
    let cached = choices.first().map_or(0, |choice| choice.usage.cached);
    let generated: u64 = choices.iter().map(|choice| choice.usage.generated).sum();
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    })
}
