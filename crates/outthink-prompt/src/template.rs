//! The checkpoint's own chat template.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::jinja::{Failure, Template, Value};
use crate::{Error, Tokenizer};

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_owned(),
            content: content.into(),
        }
    }

    /// A conversation that asks one question.
    pub fn question(system: Option<&str>, question: &str) -> Vec<Self> {
        let system = system.map(|system| Self::new("system", system));
        system
            .into_iter()
            .chain([Self::new("user", question)])
            .collect()
    }
}

/// A Jinja chat template, rendered as transformers renders it. Clones share what was parsed.
#[derive(Clone)]
pub struct ChatTemplate {
    /// None where the checkpoint has no template.
    template: Option<Arc<Template>>,
    thinking: Option<bool>,
}

impl ChatTemplate {
    /// Parses a template. An empty one stands for none: rendering it is [`Error::NoTemplate`].
    pub fn new(source: impl AsRef<str>) -> Result<Self, Error> {
        let source = source.as_ref();
        let template = match source.trim().is_empty() {
            true => None,
            false => Some(Arc::new(Template::parse(source)?)),
        };
        Ok(Self {
            template,
            thinking: None,
        })
    }

    /// Is there a template at all? Some verifiers need none.
    pub fn required(self) -> Result<Self, Error> {
        match self.template {
            Some(_) => Ok(self),
            None => Err(Error::NoTemplate),
        }
    }

    /// With `enable_thinking` said to the template, or not said.
    pub fn with_thinking(mut self, thinking: Option<bool>) -> Self {
        self.thinking = thinking;
        self
    }

    /// Does a question's prompt depend on `enable_thinking`, so that thinking can be turned off? Some templates name it and do not.
    pub fn heeds_thinking(&self, tokenizer: &Tokenizer, system: Option<&str>) -> bool {
        let question = Message::question(system, "?");
        let prompt = |thinks| self.chat(Some(thinks), tokenizer, &question, true).ok();
        prompt(true) != prompt(false)
    }

    /// Does a question's prompt end with an opened thought? What cannot be rendered opens none.
    pub fn opens_thought(&self, tokenizer: &Tokenizer, system: Option<&str>) -> bool {
        let prompt = self.render_chat(tokenizer, &Message::question(system, "?"), true);
        prompt.is_ok_and(|prompt| prompt.trim_end().ends_with("<think>"))
    }

    /// A conversation as text, up to where the model answers if `asks`. The template finds what transformers gives it:
    /// `messages`, `tools` and `documents` (none), `add_generation_prompt` and the tokenizer's special tokens.
    pub fn render(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        asks: bool,
    ) -> Result<String, Error> {
        let template = self.template.as_ref().ok_or(Error::NoTemplate)?;
        Ok(self.rendered(template, self.thinking, tokenizer, messages, asks)?)
    }

    /// The same of a conversation that may begin with a system message. A template that refuses it, as Gemma 2's, finds its text
    /// at the end of the first question instead.
    pub fn render_chat(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        asks: bool,
    ) -> Result<String, Error> {
        self.chat(self.thinking, tokenizer, messages, asks)
    }

    fn chat(
        &self,
        thinking: Option<bool>,
        tokenizer: &Tokenizer,
        messages: &[Message],
        asks: bool,
    ) -> Result<String, Error> {
        let template = self.template.as_ref().ok_or(Error::NoTemplate)?;
        let refusal = match self.rendered(template, thinking, tokenizer, messages, asks) {
            Err(failure) if failure.refused => failure,
            other => return Ok(other?),
        };
        if let [system, user, rest @ ..] = messages
            && system.role == "system"
            && user.role == "user"
        {
            let text = format!("{}\n\n{}", user.content, system.content);
            let merged = [&[Message::new("user", text)], rest].concat();
            if let Ok(text) = self.rendered(template, thinking, tokenizer, &merged, asks) {
                return Ok(text);
            }
        }
        Err(refusal.into())
    }

    fn rendered(
        &self,
        template: &Template,
        thinking: Option<bool>,
        tokenizer: &Tokenizer,
        messages: &[Message],
        asks: bool,
    ) -> Result<String, Failure> {
        let given = messages
            .iter()
            .map(|message| message.role.len() + message.content.len())
            .sum();
        template.render(given, |meter| {
            let turn = |Message { role, content }: &Message| {
                let pairs = [("role", role), ("content", content)];
                let pairs =
                    pairs.map(|(name, text)| (Value::text(name), Value::text(text.as_str())));
                Value::dict(pairs, meter)
            };
            let turns: Result<_, Failure> = messages.iter().map(turn).collect();
            let mut variables: Vec<(Arc<str>, Value)> = vec![
                ("messages".into(), Value::list(turns?, meter)?),
                ("tools".into(), Value::None),
                ("documents".into(), Value::None),
                ("add_generation_prompt".into(), Value::Bool(asks)),
            ];
            if let Some(thinking) = thinking {
                variables.push(("enable_thinking".into(), Value::Bool(thinking)));
            }
            let special = tokenizer.specials();
            variables.extend(special.map(|(name, token)| (name.into(), Value::text(token))));
            Ok(variables)
        })
    }
}
