//! A JSON body to one of the servers of a role, and its answer as a value.

use std::hash::Hasher;
use std::sync::Arc;

use outthink_prompt::Message;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::Error;
use crate::dialect::Unreadable;
use crate::http::TransportError;
use crate::pool::Pool;
use crate::request::{ApiRequest, ResponseReader};

/// The servers of a role, to be asked about one problem.
#[derive(Clone, Copy)]
pub(crate) struct ServerCall<'a> {
    pub(crate) pool: &'a Arc<Pool>,
    /// The same for requests that begin alike: they go where that beginning is cached.
    pub(crate) key: u64,
}

impl ServerCall<'_> {
    /// Posts a body and reads the answer.
    ///
    /// # Errors
    ///
    /// Where no server answers in time, or the answer is of another shape.
    pub(crate) async fn post<T: for<'a> Deserialize<'a> + Send>(
        self,
        path: &'static str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        let request = ApiRequest::json(path, false, body).map_err(unsendable)?;
        let reader = || JsonReader { value: None };
        self.pool.ask(self.key, &request, reader).await
    }
}

/// A key that is the same for requests that begin alike: those about one problem, by its id or text.
pub(crate) fn prefix_key(problem: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(problem.as_bytes());
    hasher.finish()
}

/// A conversation that a server makes token ids of, as vLLM and llama.cpp take it.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Conversation<'a> {
    model: &'a str,
    messages: &'a [Message],
    add_generation_prompt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template_kwargs: Option<TemplateSettings>,
}

#[derive(Clone, Copy, Serialize)]
struct TemplateSettings {
    enable_thinking: bool,
}

impl<'a> Conversation<'a> {
    /// `thinking`: is the model to think first? None leaves that to its template.
    pub(crate) fn new(model: &'a str, messages: &'a [Message], thinking: Option<bool>) -> Self {
        Self {
            model,
            messages,
            add_generation_prompt: true,
            chat_template_kwargs: thinking
                .map(|enable_thinking| TemplateSettings { enable_thinking }),
        }
    }
}

/// Token ids, as servers answer with them.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<u32>,
}

/// JSON of numbers and strings can always be written; should it ever not, it is no server's fault.
pub(crate) fn unsendable(error: serde_json::Error) -> Error {
    Error::Unsendable(error.to_string())
}

/// Reads a body as one value.
struct JsonReader<T> {
    value: Option<T>,
}

impl<T: for<'a> Deserialize<'a> + Send> ResponseReader for JsonReader<T> {
    type Value = T;

    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError> {
        let value = serde_json::from_slice(data).map_err(|e| Unreadable::from(e).at(endpoint))?;
        self.value = Some(value);
        Ok(true)
    }

    fn finish(self, _: &str) -> Result<(T, u64), TransportError> {
        let no_answer = || TransportError::Malformed("no answer".into());
        Ok((self.value.ok_or_else(no_answer)?, 0))
    }
}
