//! The checkpoint's own chat template.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, context};
use serde::{Deserialize, Serialize};

use crate::{Error, Tokenizer};

/// Far more than any real template needs for one conversation; a hostile one stops here.
const FUEL: u64 = 1_000_000;

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

/// A Jinja chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    thinking: Option<bool>,
}

impl ChatTemplate {
    /// Compiles a template as transformers does: blocks trimmed, Python's string methods, `raise_exception`.
    pub fn new(source: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, minijinja::Error> {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        // A prompt that changed with the date would be another prompt tomorrow: templates that ask get the date that
        // Llama's own falls back to.
        environment.add_function("strftime_now", |_: String| "26 Jul 2024");
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template_owned("chat", source)?;
        Ok(Self {
            environment,
            thinking: None,
        })
    }

    /// With `enable_thinking` said to the template, or not said.
    pub fn with_thinking(mut self, thinking: Option<bool>) -> Self {
        self.thinking = thinking;
        self
    }

    /// A conversation as text, up to where the model answers if `asks`.
    pub fn render(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        asks: bool,
    ) -> Result<String, Error> {
        let special = |name: &str| tokenizer.special(name).unwrap_or_default();
        let turn = |Message { role, content }: &Message| {
            context! { role => role.as_str(), content => content.as_str() }
        };
        let messages: Vec<minijinja::Value> = messages.iter().map(turn).collect();
        let mut context = context! {
            messages,
            add_generation_prompt => asks,
            bos_token => special("bos_token"),
            eos_token => special("eos_token"),
            pad_token => special("pad_token"),
        };
        if let Some(thinking) = self.thinking {
            context = context! { enable_thinking => thinking, ..context };
        }
        Ok(self.environment.get_template("chat")?.render(context)?)
    }
}
