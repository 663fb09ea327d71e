//! The token ids that ask a question: by the checkpoint's own files, or as the server makes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use outthink_core::Problem;
use outthink_prompt::{ChatTemplate, Message, PolicyProfile, Tokenizer};
use serde::{Deserialize, Serialize};

use crate::dialect::{Dialect, Unreadable};
use crate::http::TransportError;
use crate::pool::{ApiRequest, Pool, ResponseReader};
use crate::{Error, dialect};

/// Prompts kept; a search asks for the same one at every step.
const KEPT: usize = 4096;

pub(crate) struct Prompter {
    profile: PolicyProfile,
    local: Option<(Arc<Tokenizer>, ChatTemplate)>,
    kept: Mutex<HashMap<String, Arc<[u32]>>>,
}

impl Prompter {
    pub(crate) fn new(
        profile: PolicyProfile,
        local: Option<(Arc<Tokenizer>, ChatTemplate)>,
    ) -> Self {
        Self {
            profile,
            local,
            kept: Mutex::default(),
        }
    }

    pub(crate) fn profile(&self) -> &PolicyProfile {
        &self.profile
    }

    pub(crate) fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.local.as_ref().map(|(tokenizer, _)| tokenizer)
    }

    /// The conversation that asks a question.
    pub(crate) fn messages(&self, problem: &Problem) -> Vec<Message> {
        let question = format!("{}{}", problem.text, self.profile.after_question);
        Message::question(self.profile.system.as_deref(), &question)
    }

    /// Token ids of the question, each beginning-of-text token once.
    pub(crate) async fn ids(
        &self,
        pool: &Arc<Pool>,
        server: Dialect,
        model: &str,
        key: u64,
        problem: &Problem,
    ) -> Result<Arc<[u32]>, Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = kept().get(&problem.text) {
            return Ok(Arc::clone(ids));
        }
        let messages = self.messages(problem);
        let ids: Arc<[u32]> = match &self.local {
            Some((tokenizer, _)) => {
                tokenizer.check(&problem.text)?;
                self.chat(&messages)?.into()
            }
            None => self
                .served(pool, server, model, key, &messages)
                .await?
                .into(),
        };
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(problem.text.clone(), Arc::clone(&ids));
        Ok(ids)
    }

    /// Token ids of a conversation, by the local files.
    pub(crate) fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        let (tokenizer, template) = self.local.as_ref().ok_or(Error::NoTokenizer(
            "the conversation becomes tokens at the server",
        ))?;
        let text = template.render(tokenizer, messages, true)?;
        Ok(tokenizer.encode(&text)?)
    }

    pub(crate) async fn served(
        &self,
        pool: &Arc<Pool>,
        server: Dialect,
        model: &str,
        key: u64,
        messages: &[Message],
    ) -> Result<Vec<u32>, Error> {
        #[derive(Serialize)]
        struct Conversation<'a> {
            model: &'a str,
            messages: &'a [Message],
            add_generation_prompt: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            chat_template_kwargs: Option<Thinking>,
        }
        #[derive(Serialize)]
        struct Thinking {
            enable_thinking: bool,
        }
        #[derive(Serialize)]
        struct Text<'a> {
            content: &'a str,
            /// llama.cpp takes the beginning-of-text token off the template's output and puts it on here, once.
            add_special: bool,
            parse_special: bool,
        }
        let conversation = Conversation {
            model,
            messages,
            add_generation_prompt: true,
            chat_template_kwargs: self
                .profile
                .thinking
                .map(|enable_thinking| Thinking { enable_thinking }),
        };
        match server {
            Dialect::Vllm => {
                let question = question("/tokenize", &conversation)?;
                let Tokens { tokens } = pool.ask(key, &question, JsonReader::new).await?;
                Ok(tokens)
            }
            Dialect::LlamaCpp => {
                let templated = question("/apply-template", &conversation)?;
                let Prompt { prompt } = pool.ask(key, &templated, JsonReader::new).await?;
                let text = Text {
                    content: &prompt,
                    add_special: true,
                    parse_special: true,
                };
                let Tokens { tokens } = pool
                    .ask(key, &question("/tokenize", &text)?, JsonReader::new)
                    .await?;
                Ok(tokens)
            }
            Dialect::Sglang | Dialect::Chat | Dialect::Gateway | Dialect::Outthink => {
                Err(Error::NoTokenizer(
                    "SGLang takes a conversation as token ids only from who has its tokenizer",
                ))
            }
        }
    }
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

fn question(path: &'static str, body: &impl Serialize) -> Result<ApiRequest, Error> {
    dialect::post(path, false, body).map_err(unsendable)
}

/// JSON of numbers and strings can always be written; should it ever not, it is no server's fault.
pub(crate) fn unsendable(error: serde_json::Error) -> Error {
    Error::Unsendable(error.to_string())
}

/// Reads a body as one value.
struct JsonReader<T>(Option<T>);

impl<T> JsonReader<T> {
    fn new() -> Self {
        Self(None)
    }
}

impl<T: for<'a> Deserialize<'a> + Send> ResponseReader for JsonReader<T> {
    type Value = T;

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let value = serde_json::from_slice(data).map_err(|e| Unreadable::from(e).at(endpoint))?;
        self.0 = Some(value);
        Ok(true)
    }

    fn finish(self, _: &str) -> Result<(T, u64), TransportError> {
        let value = self
            .0
            .ok_or_else(|| TransportError::Garbled("no answer".into()))?;
        Ok((value, 0))
    }
}
