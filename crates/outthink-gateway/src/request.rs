//! What a client asks for, in OpenAI's words or ours.

use outthink_core::Sampling;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::body::{Fields, Whole};
use crate::error::{ApiError, quoted};
use crate::fields::asks_nothing;
use crate::models::Turn;
use crate::peers::Theirs;

/// Budgets that OpenAI's `reasoning_effort` stands for.
const EFFORTS: [(&str, usize); 7] = [
    ("none", 1),
    ("minimal", 4),
    ("low", 4),
    ("medium", 16),
    ("high", 64),
    ("xhigh", 256),
    ("max", 256),
];

/// A request, as far as it is read.
#[derive(Debug, Default)]
pub(crate) struct ChatRequest {
    pub model: Option<String>,
    pub messages: Vec<ChatMessage>,
    pub stream: bool,
    pub include_usage: bool,
    pub drawing: Drawing,
    pub max_tokens: Option<usize>,
    /// None leaves it to chance.
    pub seed: Option<u64>,
    pub n: usize,
    /// A reply ends before any of these.
    pub stop: Vec<String>,
    pub effort: Option<Effort>,
    pub options: Options,
    pub theirs: Theirs,
    /// Names of all other fields that ask for something.
    pub others: Vec<String>,
}

/// How to draw, where the client says it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drawing {
    temperature: Option<f64>,
    top_p: Option<f64>,
    /// −1 and 0 keep all.
    top_k: Option<i64>,
    min_p: Option<f64>,
}

/// How much to think, as a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort(pub usize);

impl Effort {
    /// One sample.
    pub(crate) const NONE: Self = Self(1);
}

/// Ours.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    pub method: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    pub budget: Option<usize>,
    #[serde(default, deserialize_with = "whole")]
    pub width: Option<usize>,
    pub verifier: Option<String>,
    pub selection: Option<String>,
    pub thinking: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    pub max_tokens_total: Option<u64>,
    pub max_seconds: Option<f64>,
    #[serde(default, deserialize_with = "whole")]
    pub min_samples: Option<usize>,
    pub round_seconds: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    pub trace: bool,
}

fn whole<'de, D: Deserializer<'de>, T: TryFrom<i128>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Whole<T>>::deserialize(from)?.map(|Whole(number)| number))
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::<bool>::deserialize(from)?.unwrap_or_default())
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMessage {
    pub role: String,
    #[serde(default)]
    pub content: Value,
    #[serde(default)]
    tool_calls: Value,
    #[serde(default)]
    tool_call_id: Value,
}

impl ChatMessage {
    /// Its text; parts that are no text have none.
    fn text(&self) -> Option<String> {
        match &self.content {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            Value::Array(parts) => parts
                .iter()
                .map(|part| match part["type"].as_str() {
                    Some("text" | "input_text" | "output_text") => part["text"].as_str(),
                    _ => part.as_str(),
                })
                .collect(),
            _ => None,
        }
    }

    /// Has it to do with tools?
    pub(crate) fn uses_tools(&self) -> bool {
        let calls = match &self.tool_calls {
            Value::Array(calls) => !calls.is_empty(),
            other => !other.is_null(),
        };
        calls || !self.tool_call_id.is_null()
    }
}

impl ChatRequest {
    /// Reads a chat completion request.
    pub(crate) fn chat(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        const WHAT: &str = "a list of messages, each with a role and its content";
        let messages = fields.take("messages", WHAT)?;
        let messages = messages.ok_or_else(|| {
            ApiError::invalid("messages", format!("`messages` is missing: {WHAT}"))
        })?;
        Self::read(fields, messages)
    }

    /// Reads a request of the older completions API, whose prompt becomes a question.
    pub(crate) fn completion(body: &[u8]) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Prompt {
            Text(String),
            Only([String; 1]),
        }
        let mut fields = Fields::parse(body)?;
        let prompt = fields.take("prompt", "one text")?;
        let prompt = match prompt {
            Some(Prompt::Text(text) | Prompt::Only([text])) => text,
            None => return Err(ApiError::invalid("prompt", "`prompt` is missing: one text")),
        };
        let question = ChatMessage {
            role: "user".into(),
            content: Value::String(prompt),
            tool_calls: Value::Null,
            tool_call_id: Value::Null,
        };
        let best_of: Option<usize> = fields.whole("best_of", "a number of samples")?;
        let mut request = Self::read(fields, vec![question])?;
        // Of as many as there are, all are the best.
        if best_of.is_some_and(|best_of| best_of != request.n) {
            request.others.push("best_of".into());
        }
        Ok(request)
    }

    fn read(mut fields: Fields<'_>, messages: Vec<ChatMessage>) -> Result<Self, ApiError> {
        const NUMBER: &str = "a number";
        const FLAG: &str = "true or false";
        const TOKENS: &str = "a number of tokens";
        #[derive(Deserialize)]
        struct StreamOptions {
            #[serde(default, deserialize_with = "flag")]
            include_usage: bool,
        }
        let stream_options: Option<StreamOptions> =
            fields.take("stream_options", "an object with `include_usage`")?;
        let completion_tokens = fields.whole("max_completion_tokens", TOKENS)?;
        let max_tokens = fields.whole("max_tokens", TOKENS)?;
        let n = fields.whole("n", "a number of replies")?;
        let mut request = Self {
            model: fields.take("model", "a name")?,
            messages,
            stream: fields.take("stream", FLAG)?.unwrap_or_default(),
            include_usage: stream_options.is_some_and(|options| options.include_usage),
            drawing: Drawing {
                temperature: fields.take("temperature", NUMBER)?,
                top_p: fields.take("top_p", NUMBER)?,
                top_k: fields.whole("top_k", "a number of tokens")?,
                min_p: fields.take("min_p", NUMBER)?,
            },
            max_tokens: completion_tokens.or(max_tokens),
            seed: fields
                .whole("seed", "an integer of 64 bits")?
                .and_then(seed_of),
            n: n.unwrap_or(1),
            stop: stops(&mut fields)?,
            effort: effort(&mut fields)?,
            options: fields.object("outthink")?.unwrap_or_default(),
            theirs: Theirs::take(&mut fields)?,
            others: Vec::new(),
        };
        let asking = fields
            .rest()
            .filter(|(name, value)| !asks_nothing(name, value));
        request.others = asking.map(|(name, _)| quoted(name)).collect();
        Ok(request)
    }

    /// The conversation in text.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, ApiError> {
        let turn = |message: &ChatMessage| {
            let content = message.text().ok_or_else(|| {
                let what = "only text is read here, no images, audio or files";
                ApiError::invalid("messages", what)
            })?;
            if message.content.is_null()
                && matches!(message.role.as_str(), "user" | "system" | "developer")
            {
                let what = format!("a message of the {} has no content", message.role);
                return Err(ApiError::invalid("messages", what));
            }
            // OpenAI's newer name of the same.
            let role = match message.role.as_str() {
                "developer" => "system",
                role => role,
            };
            Ok(Turn {
                role: role.to_owned(),
                content,
            })
        };
        self.messages.iter().map(turn).collect()
    }

    /// Refuses a number of replies that is none.
    pub(crate) fn choices(&self, most: usize) -> Result<usize, ApiError> {
        match (1..=most).contains(&self.n) {
            true => Ok(self.n),
            false => Err(ApiError::invalid(
                "n",
                format!("n lies between 1 and {most} here"),
            )),
        }
    }

    /// Tokens of a reply, if the client says it.
    pub(crate) fn reply_tokens(&self) -> Result<Option<usize>, ApiError> {
        match self.max_tokens {
            Some(0) => Err(ApiError::invalid("max_tokens", "no answer has 0 tokens")),
            tokens => Ok(tokens),
        }
    }

    pub(crate) fn known_roles(&self) -> Result<(), ApiError> {
        const ROLES: [&str; 6] = [
            "system",
            "developer",
            "user",
            "assistant",
            "tool",
            "function",
        ];
        let strange = |message: &&ChatMessage| !ROLES.contains(&message.role.as_str());
        match self.messages.iter().find(strange) {
            Some(message) => Err(ApiError::invalid(
                "messages",
                format!(
                    "unknown role `{}` (one of {})",
                    quoted(&message.role),
                    ROLES.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }
}

impl Drawing {
    /// Does the client say anything?
    pub(crate) fn is_said(&self) -> bool {
        let Self {
            temperature,
            top_p,
            top_k,
            min_p,
        } = self;
        temperature.or(*top_p).or(*min_p).is_some() || top_k.is_some()
    }

    /// The policy's own way, with what the client says.
    pub(crate) fn over(&self, own: Sampling) -> Result<Sampling, ApiError> {
        let within = |param, given: Option<f64>, own: f64, fits: fn(f64) -> bool, what| match given
        {
            Some(value) if !fits(value) => Err(ApiError::invalid(param, what)),
            Some(value) => Ok(value),
            None => Ok(own),
        };
        Ok(Sampling {
            temperature: within(
                "temperature",
                self.temperature,
                own.temperature,
                |t| (0.0..=10.0).contains(&t),
                "temperature lies between 0 and 10",
            )?,
            top_p: within(
                "top_p",
                self.top_p,
                own.top_p,
                |p| p > 0.0 && p <= 1.0,
                "top_p is more than 0 and at most 1",
            )?,
            min_p: within(
                "min_p",
                self.min_p,
                own.min_p,
                |p| (0.0..=1.0).contains(&p),
                "min_p lies between 0 and 1",
            )?,
            top_k: match self.top_k {
                None => own.top_k,
                Some(-1) => 0,
                Some(k) => usize::try_from(k).map_err(|_| {
                    ApiError::invalid("top_k", "top_k is a number of tokens; 0 or -1 keeps all")
                })?,
            },
        })
    }
}

/// −1 is what many clients send for any.
fn seed_of(seed: i128) -> Option<u64> {
    match seed {
        -1 => None,
        seed => Some(seed as u64),
    }
}

/// Texts to stop before: one, or a list; an empty one stops nothing.
fn stops(fields: &mut Fields<'_>) -> Result<Vec<String>, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    let mut stops = match fields.take("stop", "a text or a list of texts")? {
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
        None => Vec::new(),
    };
    stops.retain(|text| !text.is_empty());
    match stops.len() > 16 {
        true => Err(ApiError::invalid("stop", "at most 16 texts to stop at")),
        false => Ok(stops),
    }
}

/// `reasoning_effort`, or the `effort` of `reasoning`.
fn effort(fields: &mut Fields<'_>) -> Result<Option<Effort>, ApiError> {
    #[derive(Deserialize)]
    struct Reasoning {
        effort: Option<String>,
        max_tokens: Option<f64>,
    }
    let said: Option<String> = fields.take("reasoning_effort", "a name")?;
    let reasoning: Option<Reasoning> = fields.take("reasoning", "an object with `effort`")?;
    if reasoning
        .as_ref()
        .is_some_and(|own| own.max_tokens.is_some())
    {
        let what = "`reasoning` is read for its `effort` alone, not for `max_tokens`";
        return Err(ApiError::invalid("reasoning", what));
    }
    let Some(said) = said.or(reasoning.and_then(|own| own.effort)) else {
        return Ok(None);
    };
    match EFFORTS.iter().find(|(name, _)| *name == said) {
        Some((_, budget)) => Ok(Some(Effort(*budget))),
        None => Err(ApiError::invalid(
            "reasoning_effort",
            format!(
                "unknown reasoning_effort `{}` (one of {})",
                quoted(&said),
                EFFORTS.map(|(name, _)| name).join(", ")
            ),
        )),
    }
}
