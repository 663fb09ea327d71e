//! What is to be done for a request: pass it on, or search, and how.

use outthink_core::method::{COT, Traits};
use outthink_core::{
    AnyMethod, Error, Finished, Pair, Plan, Quorum, Sampling, Selection, Thinking,
};
use outthink_strategy::Strategy;

use crate::error::{ApiError, quoted};
use crate::models::{Models, ServedPolicy};
use crate::peers::{self, Aside, known_as};
use crate::request::{ChatRequest, Effort, Options};

/// Largest budget of anyone.
pub(crate) const LARGEST: usize = 4096;

/// What needs an answer of its own kind, which no vote finds.
const FORMS: [&str; 3] = ["tools", "functions", "response_format"];

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Pass the request on to this policy.
    Converse {
        policy: String,
        /// A search was asked for, and this is why there is none.
        note: Option<&'static str>,
    },
    Search(Box<SearchAsk>),
}

/// A search.
#[derive(Clone, Debug)]
pub(crate) struct SearchAsk {
    pub policy: String,
    pub how: How,
    pub question: String,
    pub sampling: Sampling,
    pub solution_tokens: Option<usize>,
    /// How long to think, if the client says it.
    pub thinking: Option<Thinking>,
    /// The client says how to draw, or how far.
    pub unlike: bool,
    pub max_tokens_total: Option<u64>,
    pub max_seconds: Option<f64>,
    /// How many samples of a round are waited for, and how long.
    pub quorum: Option<Quorum>,
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
    /// The policy's strategy.
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

/// Decides what is to be done; `largest` is the largest budget of the key.
pub(crate) fn decide(
    request: &ChatRequest,
    aside: &Aside,
    models: &Models,
    largest: usize,
) -> Result<Ask, ApiError> {
    let (named, policy) = model_parts(request.model.as_deref(), aside, models);
    let Some(served) = models.policy(policy.as_deref()) else {
        return Err(no_policy(policy.as_deref().unwrap_or_default(), models));
    };
    let policy = served.name.clone();
    let mut options = request.theirs.fill(request.options.clone(), aside);
    let method = options.method.clone().or(named);
    let effort = request.effort.filter(|_| options.budget.is_none());
    request.known_roles()?;
    if method.is_none() && options.budget.is_none() && effort.is_none_or(|it| it == Effort::NONE) {
        if options != Options::default() {
            let what = "`outthink` asks for a search, but names neither a method nor a budget";
            return Err(ApiError::invalid("outthink", what));
        }
        return Ok(Ask::Converse { policy, note: None });
    }
    options.budget = options.budget.or(effort.map(|Effort(budget)| budget));
    let auto = method.as_deref().is_none_or(|method| method == "auto");
    let mut method: Option<AnyMethod> = match method.filter(|_| !auto) {
        None => None,
        Some(name) => Some(known_method(&name)?),
    };
    // What a search cannot answer is answered as it would be without one, unharmed.
    if let Some(note) = unsearched(request) {
        let note = Some(note);
        return Ok(Ask::Converse { policy, note });
    }
    refuse_others(request)?;
    let mut strategy = served.strategy.as_deref().filter(|_| auto);
    if auto && effort == Some(Effort::NONE) {
        (method, strategy) = (Some(COT), None);
    }
    let how = match strategy {
        Some(strategy) => strategic(&options, strategy, largest)?,
        None => planned(&options, models, served, method, auto, largest)?,
    };
    if options
        .max_seconds
        .is_some_and(|s| !(s > 0.0 && s <= 86_400.0))
    {
        return Err(ApiError::invalid(
            "max_seconds",
            "max_seconds is more than 0 and at most a day",
        ));
    }
    if options.max_tokens_total == Some(0) {
        return Err(ApiError::invalid(
            "max_tokens_total",
            "no answer has 0 tokens",
        ));
    }
    let thinking = options.thinking.as_deref().map(str::parse).transpose();
    let thinking = thinking.map_err(|reason: String| ApiError::invalid("thinking", reason))?;
    if thinking.is_some() && served.model.thoughts().is_none() {
        let what = format!("the thoughts of {policy} cannot be put under a control");
        return Err(ApiError::invalid("thinking", what));
    }
    let sampling = request.drawing.over(served.sampling)?;
    let solution_tokens = request.reply_tokens()?;
    Ok(Ask::Search(Box::new(SearchAsk {
        policy,
        how,
        question: question(request)?,
        sampling,
        unlike: request.drawing.is_said() || solution_tokens.is_some() || thinking.is_some(),
        thinking,
        solution_tokens,
        max_tokens_total: options.max_tokens_total,
        max_seconds: options.max_seconds,
        quorum: quorum(&options, models)?,
        seed: request.seed.unwrap_or_else(fresh_seed),
        trace: options.trace,
    })))
}

/// The server's quorum, with what the client says instead.
fn quorum(options: &Options, models: &Models) -> Result<Option<Quorum>, ApiError> {
    let Options {
        min_samples,
        round_seconds,
        ..
    } = *options;
    if min_samples == Some(0) {
        return Err(ApiError::invalid(
            "min_samples",
            "a round needs at least 1 sample",
        ));
    }
    if round_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 86_400.0)) {
        return Err(ApiError::invalid(
            "round_seconds",
            "round_seconds is more than 0 and at most a day",
        ));
    }
    let usual = models.quorum;
    if usual.is_none() && min_samples.is_none() && round_seconds.is_none() {
        return Ok(None);
    }
    let usual = usual.unwrap_or_default();
    Ok(Some(Quorum {
        least: min_samples.unwrap_or(usual.least),
        seconds: round_seconds.or(usual.seconds),
    }))
}

/// A seed where the client names none; it is told, so that the search can be made again. Of 32 bits, which every client's
/// numbers hold.
#[expect(clippy::disallowed_methods, reason = "the client left it to chance")]
pub(crate) fn fresh_seed() -> u64 {
    u64::from(rand::random::<u32>())
}

/// As the client says: a method, or for `auto` what is usual.
fn planned(
    options: &Options,
    models: &Models,
    policy: &ServedPolicy,
    method: Option<AnyMethod>,
    auto: bool,
    largest: usize,
) -> Result<How, ApiError> {
    let verifier = verifier(options, models)?;
    let pair = Pair {
        steps: policy.steps,
        verifier: verifier.is_some(),
    };
    let method = method.unwrap_or_else(|| pair.default_method());
    pair.check(method).map_err(|error| match error {
        Error::NoVerifier { .. } => {
            ApiError::invalid("verifier", format!("{error}, and none is served or named"))
        }
        error => ApiError::invalid("method", error.to_string()),
    })?;
    let budget = budget(options, method.default_budget(), largest)?;
    let width = options.width.unwrap_or_else(|| Plan::usual_width(budget));
    let plan = Plan::new(method, budget, width, Finished::default())
        .map_err(|error| ApiError::invalid("budget", error.to_string()))?;
    let named: Option<Selection> = options
        .selection
        .as_deref()
        .map(|name| quoted(name).parse())
        .transpose()
        .map_err(|error: String| ApiError::invalid("selection", error))?;
    let selection = method
        .selection(named)
        .map_err(|error| ApiError::invalid("selection", error.to_string()))?;
    let why = match method.traits() {
        traits if traits.greedy => "auto: no effort is asked for, so there is one sample",
        Traits { rewards: false, .. } => "auto: there is no verifier, so answers are voted on",
        Traits { stepwise: true, .. } => "auto: there is a verifier, so its steps are searched",
        _ => {
            "auto: there is a verifier, and the policy's server writes whole answers, so these are scored"
        }
    };
    Ok(How::Planned {
        plan,
        verifier: verifier.filter(|_| method.needs_verifier()),
        selection,
        chosen: auto.then(|| why.to_owned()),
    })
}

/// As the strategy will: it leaves nothing but the budget to the client.
fn strategic(options: &Options, strategy: &Strategy, largest: usize) -> Result<How, ApiError> {
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
    let budget = budget(options, Plan::USUAL_BUDGET.min(largest), largest)?;
    let smallest = strategy.smallest_in_samples();
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

/// Method and policy that `model` or the path names. A policy's own name means the policy, whatever it looks like.
fn model_parts(
    model: Option<&str>,
    aside: &Aside,
    models: &Models,
) -> (Option<String>, Option<String>) {
    let model = model.filter(|model| !model.is_empty());
    let own = |model: &str| Some(model.to_owned());
    if let Some((strategy, _)) = &aside.path {
        return (own(&known_as(strategy)), model.and_then(own));
    }
    let Some(model) = model else {
        return (None, None);
    };
    if models.policy(Some(model)).is_some() {
        return (None, own(model));
    }
    let method =
        |name: &str| name == "auto" || AnyMethod::all().iter().any(|known| known.name() == name);
    if models.policies.len() == 1 && method(model) {
        return (own(model), None);
    }
    if let Some(policy) = model.strip_prefix("auto@") {
        return (own("auto"), own(policy));
    }
    if let Some((name, policy)) = model.split_once(':')
        && method(name)
    {
        return (own(name), own(policy));
    }
    // optillm writes the approach before the model, with a dash.
    for (theirs, ours) in peers::METHODS {
        if let Some(policy) = model
            .strip_prefix(theirs)
            .and_then(|rest| rest.strip_prefix('-'))
        {
            return (own(ours), own(policy));
        }
    }
    (None, own(model))
}

fn known_method(name: &str) -> Result<AnyMethod, ApiError> {
    quoted(name)
        .parse()
        .map_err(|error: String| ApiError::invalid("method", format!("{error}, or auto")))
}

/// Why a request is no question that can be searched for: earlier turns, tools, a fixed form.
fn unsearched(request: &ChatRequest) -> Option<&'static str> {
    if FORMS
        .iter()
        .any(|form| request.others.iter().any(|other| other == form))
    {
        return Some(
            "tools and fixed formats are not searched: the policy answered without a search",
        );
    }
    let alone = |role: &str| matches!(role, "user" | "system" | "developer");
    let messages = &request.messages;
    let users = messages.iter().filter(|message| message.role == "user");
    let turns = users.count() != 1
        || messages
            .iter()
            .any(|message| !alone(&message.role) || message.uses_tools());
    turns.then_some(
        "a search answers one question: this conversation has other turns, so the policy answered it without a search",
    )
}

/// The one question; what the system says of it stands before it.
fn question(request: &ChatRequest) -> Result<String, ApiError> {
    let turns = request.turns()?;
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

fn refuse_others(request: &ChatRequest) -> Result<(), ApiError> {
    if request.n != 1 {
        return Err(ApiError::invalid(
            "n",
            "a search gives one answer: n is 1; the budget says how many are drawn",
        ));
    }
    let stop = (!request.stop.is_empty()).then_some("stop");
    match stop.or(request.others.first().map(String::as_str)) {
        Some(field) => Err(ApiError::invalid(
            field.to_owned(),
            format!(
                "a search does not support `{field}`; it takes model, messages, stream, stream_options, temperature, top_p, top_k, min_p, max_tokens, seed, reasoning_effort and outthink"
            ),
        )),
        None => Ok(()),
    }
}

fn verifier(options: &Options, models: &Models) -> Result<Option<String>, ApiError> {
    let named = options.verifier.as_deref();
    if named == Some("none") {
        return Ok(None);
    }
    match (models.verifier(named), named) {
        (Some(verifier), _) => Ok(Some(verifier.name.clone())),
        (None, None) => Ok(None),
        (None, Some(name)) => {
            let known = models.verifiers.iter().map(|v| v.name.as_str());
            let known: Vec<&str> = known.chain(["none"]).collect();
            Err(ApiError::invalid(
                "verifier",
                format!(
                    "unknown verifier `{}` (one of {})",
                    quoted(name),
                    known.join(", ")
                ),
            ))
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

pub(crate) fn no_policy(name: &str, models: &Models) -> ApiError {
    let known: Vec<&str> = models
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    ApiError::no_model(format!(
        "unknown model `{}`: name a policy ({}), auto@policy, or method:policy with a method of {}",
        quoted(name),
        known.join(", "),
        AnyMethod::names()
    ))
}
