//! What a client asks for, in OpenAI's words, ours, or a peer's.

use outthink_core::{Finished, Method, Plan, Scoring, Selection, Voting};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::models::{Models, Strategist, Turn};

/// Budgets that OpenAI's `reasoning_effort` stands for.
const EFFORTS: [(&str, usize); 4] = [("minimal", 4), ("low", 4), ("medium", 16), ("high", 64)];

/// The budget where nothing is said.
const USUAL: usize = 16;

/// Largest budget of anyone.
pub(crate) const LARGEST: usize = 4096;

/// Fields of OpenAI's API that change nothing a search does, and are taken without a word.
const IGNORED: [&str; 9] = [
    "user",
    "metadata",
    "store",
    "service_tier",
    "parallel_tool_calls",
    "safety_identifier",
    "prompt_cache_key",
    "modalities",
    "verbosity",
];

/// The body of a chat completion, as far as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest {
    pub model: Option<String>,
    pub messages: Vec<ChatMessage>,
    #[serde(default)]
    pub stream: bool,
    pub stream_options: Option<StreamOptions>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub max_tokens: Option<usize>,
    pub max_completion_tokens: Option<usize>,
    pub seed: Option<u64>,
    pub n: Option<usize>,
    pub reasoning_effort: Option<String>,
    pub outthink: Option<Options>,
    // its_hub's and optillm's words.
    pub budget: Option<usize>,
    pub return_response_only: Option<bool>,
    pub optillm_approach: Option<String>,
    // thinkbooster's.
    pub tts_strategy: Option<String>,
    pub tts_num_trajectories: Option<usize>,
    pub num_paths: Option<usize>,
    pub tts_beam_size: Option<usize>,
    pub tts_candidates_per_step: Option<usize>,
    pub tts_score_aggregation: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    #[serde(default)]
    pub include_usage: bool,
}

/// Ours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    pub method: Option<String>,
    pub budget: Option<usize>,
    pub width: Option<usize>,
    pub verifier: Option<String>,
    pub selection: Option<String>,
    pub max_tokens_total: Option<u64>,
    pub max_seconds: Option<f64>,
    #[serde(default)]
    pub trace: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMessage {
    pub role: String,
    #[serde(default)]
    pub content: Value,
    pub tool_calls: Option<Value>,
    pub tool_call_id: Option<Value>,
}

impl ChatMessage {
    /// Its text; parts that are no text have none.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.content {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            Value::Array(parts) => parts
                .iter()
                .map(|part| match part["type"].as_str() {
                    Some("text") => part["text"].as_str(),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Pass the request on to this policy.
    Converse {
        policy: String,
    },
    Search(Box<SearchAsk>),
}

/// A search.
#[derive(Clone, Debug)]
pub(crate) struct SearchAsk {
    pub policy: String,
    pub how: How,
    pub question: String,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub solution_tokens: Option<usize>,
    pub max_tokens_total: Option<u64>,
    pub max_seconds: Option<f64>,
    pub seed: u64,
    pub trace: bool,
}

/// Who says how to search.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// The client, or what is usual.
    Planned {
        plan: Plan,
        verifier: Option<String>,
        selection: Selection,
        /// Why the method is the one it is, where the client did not say.
        chosen: Option<String>,
    },
    /// The policy's strategist.
    Strategic { budget: usize, most: usize },
}

impl How {
    /// The method, or who will choose it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Planned { plan, .. } => plan.method().name(),
            Self::Strategic { .. } => "auto",
        }
    }
}

/// What stands in the URL or the headers.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// its_hub's `X-ITS-Budget`.
    pub budget: Option<usize>,
    /// thinkbooster's `/v1/{strategy}/{scorer}/chat/completions`.
    pub path: Option<(String, String)>,
}

impl ChatRequest {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        serde_json::from_slice(body).map_err(|error| {
            ApiError::malformed(format!("the body is no chat completion request: {error}"))
        })
    }

    /// The conversation in text.
    pub(crate) fn turns(&self) -> Result<Vec<Turn>, ApiError> {
        self.messages
            .iter()
            .map(|message| {
                let content = message.text().ok_or_else(|| {
                    ApiError::invalid(
                        "messages",
                        "only text is read here, no images, audio or files",
                    )
                })?;
                Ok(Turn {
                    role: message.role.clone(),
                    content,
                })
            })
            .collect()
    }

    /// Decides what is to be done; `largest` is the largest budget of the key.
    pub(crate) fn ask(
        &self,
        aside: &Aside,
        models: &Models,
        largest: usize,
    ) -> Result<Ask, ApiError> {
        let (named, policy) = self.model_parts(aside);
        let Some(served) = models.policy(policy.as_deref()) else {
            return Err(no_policy(policy.as_deref().unwrap_or_default(), models));
        };
        let policy = served.name.clone();
        let options = self.options(aside)?;
        let method = options.method.clone().or(named);
        let spends = options.budget.is_some() || self.reasoning_effort.is_some();
        self.known_roles()?;
        if method.is_none() && !spends {
            return Ok(Ask::Converse { policy });
        }
        let auto = method.as_deref().is_none_or(|method| method == "auto");
        let method: Option<Method> = match method.filter(|_| !auto) {
            None => None,
            Some(name) => Some(name.parse().map_err(|error: String| {
                ApiError::invalid("method", format!("{error}, or auto"))
            })?),
        };
        // What a search cannot answer is answered as it would be without one, unharmed.
        if self.is_conversation() {
            return Ok(Ask::Converse { policy });
        }
        self.reject_unknown()?;
        let how = match &served.strategist {
            Some(strategist) if auto => self.strategic(&options, strategist.as_ref(), largest)?,
            _ => self.planned(&options, models, method, auto, largest)?,
        };
        let temperature = self.temperature;
        if temperature.is_some_and(|t| !(0.0..=10.0).contains(&t)) {
            return Err(ApiError::invalid(
                "temperature",
                "temperature lies between 0 and 10",
            ));
        }
        if self
            .top_p
            .is_some_and(|p| !(0.0..=1.0).contains(&p) || p == 0.0)
        {
            return Err(ApiError::invalid(
                "top_p",
                "top_p is more than 0 and at most 1",
            ));
        }
        if options
            .max_seconds
            .is_some_and(|s| !(s > 0.0 && s <= 86_400.0))
        {
            return Err(ApiError::invalid(
                "max_seconds",
                "max_seconds is more than 0 and at most a day",
            ));
        }
        let solution_tokens = self.max_completion_tokens.or(self.max_tokens);
        if solution_tokens == Some(0) || options.max_tokens_total == Some(0) {
            return Err(ApiError::invalid("max_tokens", "no answer has 0 tokens"));
        }
        Ok(Ask::Search(Box::new(SearchAsk {
            policy,
            how,
            question: self.question()?,
            temperature,
            top_p: self.top_p,
            solution_tokens,
            max_tokens_total: options.max_tokens_total,
            max_seconds: options.max_seconds,
            seed: self
                .seed
                .unwrap_or_else(|| u64::from(rand::random::<u32>())),
            trace: options.trace || self.return_response_only == Some(false),
        })))
    }

    /// As the client says: a method, or for `auto` what is usual.
    fn planned(
        &self,
        options: &Options,
        models: &Models,
        method: Option<Method>,
        auto: bool,
        largest: usize,
    ) -> Result<How, ApiError> {
        let verifier = self.verifier(options, models)?;
        let method = method.unwrap_or(if verifier.is_some() {
            Method::Beam
        } else {
            Method::Majority
        });
        if method.needs_verifier() && verifier.is_none() {
            return Err(ApiError::invalid(
                "verifier",
                format!("{method} needs a verifier, and none is served or named"),
            ));
        }
        let usual = if method == Method::Cot { 1 } else { USUAL };
        let budget = budget(options, usual, largest)?;
        let width = options.width.unwrap_or_else(|| width_for(budget));
        let plan = Plan::new(method, budget, width, Finished::default())
            .map_err(|error| ApiError::invalid("budget", error.to_string()))?;
        let selection = match &options.selection {
            Some(name) => name
                .parse()
                .map_err(|error: String| ApiError::invalid("selection", error))?,
            None if method.needs_verifier() => Selection::Scored(Scoring::Last, Voting::Vote),
            None => Selection::Majority,
        };
        if selection != Selection::Majority && !method.needs_verifier() {
            return Err(ApiError::invalid(
                "selection",
                format!("{method} scores no steps, so its selection is majority"),
            ));
        }
        Ok(How::Planned {
            plan,
            verifier: verifier.filter(|_| method.needs_verifier()),
            selection,
            chosen: auto.then(|| {
                if method.needs_verifier() {
                    "auto: there is a verifier, so its steps are searched"
                } else {
                    "auto: there is no verifier, so answers are voted on"
                }
                .to_owned()
            }),
        })
    }

    /// As the strategist will: it leaves nothing but the budget to the client.
    fn strategic(
        &self,
        options: &Options,
        strategist: &dyn Strategist,
        largest: usize,
    ) -> Result<How, ApiError> {
        let said = [
            ("verifier", options.verifier.is_some()),
            ("width", options.width.is_some()),
            ("selection", options.selection.is_some()),
        ];
        if let Some((field, _)) = said.into_iter().find(|(_, said)| *said) {
            return Err(ApiError::invalid(
                field,
                format!(
                    "auto goes by a strategy here, which chooses the {field}; name a method to say it"
                ),
            ));
        }
        let budget = budget(options, USUAL.min(largest), largest)?;
        let smallest = strategist.smallest();
        if budget < smallest {
            return Err(ApiError::invalid(
                "budget",
                format!(
                    "the strategy has nothing for a budget of {budget}; the smallest is {smallest}"
                ),
            ));
        }
        Ok(How::Strategic {
            budget,
            most: largest,
        })
    }

    /// Method and policy that `model` or the path names.
    fn model_parts(&self, aside: &Aside) -> (Option<String>, Option<String>) {
        let model = self.model.as_deref().filter(|model| !model.is_empty());
        if let Some((strategy, _)) = &aside.path {
            return (Some(known_as(strategy)), model.map(str::to_owned));
        }
        let Some(model) = model else {
            return (None, None);
        };
        if let Some(policy) = model.strip_prefix("auto@") {
            return (Some("auto".into()), Some(policy.to_owned()));
        }
        if let Some((method, policy)) = model.split_once(':')
            && Method::ALL.iter().any(|known| known.name() == method)
        {
            return (Some(method.to_owned()), Some(policy.to_owned()));
        }
        // optillm writes the approach before the model, with a dash.
        for (theirs, ours) in PEERS {
            if let Some(policy) = model
                .strip_prefix(theirs)
                .and_then(|rest| rest.strip_prefix('-'))
            {
                return (Some((*ours).to_owned()), Some(policy.to_owned()));
            }
        }
        (None, Some(model.to_owned()))
    }

    /// Our options, filled in from a peer's words where ours say nothing.
    fn options(&self, aside: &Aside) -> Result<Options, ApiError> {
        let mut options = self.outthink.clone().unwrap_or_default();
        let theirs = self
            .optillm_approach
            .as_ref()
            .or(self.tts_strategy.as_ref());
        options.method = options.method.or_else(|| theirs.map(|name| known_as(name)));
        options.budget = options
            .budget
            .or(aside.budget)
            .or(self.budget)
            .or(self.tts_num_trajectories)
            .or(self.num_paths)
            .or_else(|| Some(self.tts_beam_size? * self.tts_candidates_per_step.unwrap_or(4)));
        options.width = options.width.or(self.tts_candidates_per_step);
        if let (None, Some(aggregation)) = (&options.selection, &self.tts_score_aggregation) {
            let scoring = if aggregation == "avg" {
                "mean"
            } else {
                aggregation.as_str()
            };
            options.selection = Some(format!("{scoring}-vote"));
        }
        if let Some((_, scorer)) = &aside.path {
            options.verifier.get_or_insert_with(|| scorer.clone());
        }
        if let Some(effort) = &self.reasoning_effort
            && options.budget.is_none()
        {
            let known = EFFORTS.iter().find(|(name, _)| name == effort);
            let (_, budget) = known.ok_or_else(|| {
                ApiError::invalid(
                    "reasoning_effort",
                    format!(
                        "unknown reasoning_effort `{effort}` (one of minimal, low, medium, high)"
                    ),
                )
            })?;
            options.budget = Some(*budget);
        }
        Ok(options)
    }

    /// Does it need more than one question answered: earlier turns, tools, a fixed form?
    fn is_conversation(&self) -> bool {
        let users = self
            .messages
            .iter()
            .filter(|message| message.role == "user")
            .count();
        let others = self.messages.iter().any(|message| {
            !matches!(message.role.as_str(), "user" | "system" | "developer")
                || message.tool_calls.is_some()
                || message.tool_call_id.is_some()
        });
        let given = |key: &str| self.rest.get(key).is_some_and(|value| !value.is_null());
        users != 1
            || others
            || ["tools", "functions", "response_format"]
                .into_iter()
                .any(given)
    }

    /// The one question; what the system says of it stands before it.
    fn question(&self) -> Result<String, ApiError> {
        let turns = self.turns()?;
        let parts: Vec<&str> = turns
            .iter()
            .map(|turn| turn.content.trim())
            .filter(|text| !text.is_empty())
            .collect();
        let user = turns.iter().find(|turn| turn.role == "user");
        if user.is_none_or(|turn| turn.content.trim().is_empty()) {
            return Err(ApiError::invalid("messages", "the question is empty"));
        }
        Ok(parts.join("\n\n"))
    }

    fn reject_unknown(&self) -> Result<(), ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::invalid(
                "n",
                "a search gives one answer: n is 1; the budget says how many are drawn",
            ));
        }
        let neutral = |value: &Value| {
            value.is_null() || value.as_f64() == Some(0.0) || *value == Value::Bool(false)
        };
        let unknown = self
            .rest
            .iter()
            .find(|(key, value)| !IGNORED.contains(&key.as_str()) && !neutral(value));
        match unknown {
            Some((key, _)) => Err(ApiError::malformed(format!(
                "a search does not support `{key}`; it takes model, messages, stream, stream_options, temperature, top_p, max_tokens, seed, reasoning_effort and outthink"
            ))),
            None => Ok(()),
        }
    }

    fn verifier(&self, options: &Options, models: &Models) -> Result<Option<String>, ApiError> {
        if options.verifier.as_deref() == Some("none") {
            return Ok(None);
        }
        match (
            models.verifier(options.verifier.as_deref()),
            &options.verifier,
        ) {
            (Some(verifier), _) => Ok(Some(verifier.name.clone())),
            (None, None) => Ok(None),
            (None, Some(name)) => {
                let known: Vec<&str> = models
                    .verifiers
                    .iter()
                    .map(|v| v.name.as_str())
                    .chain(["none"])
                    .collect();
                Err(ApiError::invalid(
                    "verifier",
                    format!("unknown verifier `{name}` (one of {})", known.join(", ")),
                ))
            }
        }
    }

    fn known_roles(&self) -> Result<(), ApiError> {
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
                    message.role,
                    ROLES.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }
}

/// The budget that is asked for, or else the usual one; `largest` is the largest of the key.
fn budget(options: &Options, usual: usize, largest: usize) -> Result<usize, ApiError> {
    let budget = options.budget.unwrap_or(usual);
    if budget == 0 || budget > LARGEST {
        return Err(ApiError::invalid(
            "budget",
            format!("a budget lies between 1 and {LARGEST}, not at {budget}"),
        ));
    }
    if budget > largest {
        return Err(ApiError::invalid(
            "budget",
            format!("a budget of {budget} is more than the {largest} that this key may spend"),
        ));
    }
    Ok(budget)
}

/// The paper's beam width, or the largest divisor of the budget below it.
fn width_for(budget: usize) -> usize {
    (1..=4)
        .rev()
        .find(|width| budget.is_multiple_of(*width))
        .unwrap_or(1)
}

/// Peers' names of what we have.
const PEERS: [(&str, &str); 8] = [
    ("bon", "best-of-n"),
    ("best_of_n", "best-of-n"),
    ("self_consistency", "majority"),
    ("self-consistency", "majority"),
    ("majority_voting", "majority"),
    ("beam_search", "beam"),
    ("beam-search", "beam"),
    ("offline_bon", "best-of-n"),
];

fn known_as(name: &str) -> String {
    let ours = PEERS.iter().find(|(theirs, _)| *theirs == name);
    ours.map_or(name, |(_, ours)| ours).to_owned()
}

pub(crate) fn no_policy(name: &str, models: &Models) -> ApiError {
    let known: Vec<&str> = models
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    ApiError::no_model(format!(
        "unknown model `{name}`: name a policy ({}), auto@policy, or method:policy with a method of {}",
        known.join(", "),
        Method::ALL.map(Method::name).join(", ")
    ))
}
