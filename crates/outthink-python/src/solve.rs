//! One problem, searched and answered.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::anyhow;
use futures::future::{BoxFuture, FutureExt};
use outthink::core::{
    CountedPolicy, CountedVerifier, Extension, Halt, Pair, Quorum, QuorumPolicy, Reply, Thinking,
    Thoughts,
};
use outthink::{
    AnyDomain, AnyMethod, Failure, Finished, Limits, ModelError, Plan, Policy, Problem, Sampling,
    Selection, Spending, Step, Verifier, mismatch, search,
};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::domain::PyDomain;
use crate::models::{
    Given, SomePolicy, SomeVerifier, given_policy, given_verifier, loaded_policy, loaded_verifier,
};
use crate::outcome::{Answers, PyOutcome};
use crate::wait::{Cancel, Counter, Watch, wait};

/// How a search is to be done; what is not said is as usual.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    id: Option<String>,
    method: Option<String>,
    budget: Option<usize>,
    width: Option<usize>,
    finished: Option<String>,
    selection: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    thinking: Option<String>,
    max_tokens: Option<usize>,
    max_steps: Option<usize>,
    min_samples: Option<usize>,
    round_seconds: Option<f64>,
    seed: u64,
    gold: Option<String>,
}

/// What is read of the names among the options.
struct Named {
    method: Option<AnyMethod>,
    finished: Finished,
    selection: Option<Selection>,
    thinking: Option<Thinking>,
}

impl Options {
    fn named(&self) -> Result<Named, Failure> {
        Ok(Named {
            method: parsed(self.method.as_deref())?,
            finished: parsed(self.finished.as_deref())?.unwrap_or_default(),
            selection: parsed(self.selection.as_deref())?,
            thinking: parsed(self.thinking.as_deref())?,
        })
    }

    /// How long rounds of samples are waited for, if not as long as it takes.
    fn quorum(&self) -> Result<Option<Quorum>, Failure> {
        let (least, seconds) = (self.min_samples, self.round_seconds);
        if least == Some(0) || seconds.is_some_and(|own| own.is_nan() || own <= 0.0) {
            return Err(Failure::Input(anyhow!(
                "min_samples must be at least 1, and round_seconds above 0"
            )));
        }
        let usual = Quorum::default();
        Ok((least.is_some() || seconds.is_some()).then_some(Quorum {
            least: least.unwrap_or(usual.least),
            seconds,
        }))
    }

    fn plan(&self, method: AnyMethod, finished: Finished) -> Result<Plan, Failure> {
        let budget = self.budget.unwrap_or_else(|| method.default_budget());
        let width = self.width.unwrap_or_else(|| Plan::usual_width(budget));
        Plan::new(method, budget, width, finished).map_err(Failure::input)
    }
}

fn parsed<T: FromStr<Err = String>>(text: Option<&str>) -> Result<Option<T>, Failure> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|error: String| Failure::Input(anyhow!(error)))
}

/// How answers are found and compared, as the caller gave it.
pub(crate) fn answers(given: Option<&Bound<'_, PyAny>>) -> PyResult<Result<Answers, Failure>> {
    let Some(given) = given else {
        return Ok(Ok(Answers::Named(AnyDomain::default())));
    };
    if !given.is_instance_of::<PyString>() {
        return Ok(Ok(Answers::Own(Arc::new(PyDomain::of(given)?))));
    }
    let name: String = given.extract()?;
    let domain = name
        .parse()
        .map_err(|error: String| Failure::Input(anyhow!(error)));
    Ok(domain.map(Answers::Named))
}

/// A problem that can be asked.
pub(crate) fn asked(text: &str, id: Option<String>) -> Result<Arc<Problem>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Input(anyhow!("the problem is empty")));
    }
    Ok(Arc::new(Problem {
        id: id.unwrap_or_else(|| text.to_owned()),
        text: text.to_owned(),
    }))
}

/// Tells how many samples were drawn.
struct Watched<'a> {
    policy: &'a dyn Policy,
    counter: &'a Counter,
}

impl Watched<'_> {
    fn count(&self, replies: &[Reply]) {
        for (drawn, usage) in replies {
            let samples = drawn.len() as u64;
            self.counter.samples.fetch_add(samples, Ordering::Relaxed);
            let tokens = usage.generated;
            self.counter.tokens.fetch_add(tokens, Ordering::Relaxed);
        }
    }
}

impl Policy for Watched<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let replies = self.policy.extend(requests).await?;
            self.count(&replies);
            Ok(replies)
        }
        .boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        async move {
            let replies = self.policy.extend_until(requests, halt).await?;
            self.count(&replies);
            Ok(replies)
        }
        .boxed()
    }

    fn usual_sampling(&self) -> Sampling {
        self.policy.usual_sampling()
    }

    fn usual_limits(&self) -> Limits {
        self.policy.usual_limits()
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        self.policy.written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.policy.thoughts()
    }
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python's solve() names them")]
pub(crate) fn solve(
    py: Python<'_>,
    problem: &str,
    policy: Option<&Bound<'_, PyAny>>,
    verifier: Option<&Bound<'_, PyAny>>,
    domain: Option<&Bound<'_, PyAny>>,
    options: Options,
    progress: Option<Py<PyAny>>,
    cancel: Option<Py<Cancel>>,
    event_loop: Option<Py<PyAny>>,
) -> PyResult<PyOutcome> {
    let models = (given_policy(policy)?, given_verifier(verifier)?);
    let answers = answers(domain)?;
    let counter = Arc::new(Counter::default());
    let watch = Watch {
        cancel,
        event_loop,
        progress: progress.map(|own| (own, Arc::clone(&counter))),
    };
    wait(py, &watch, || async move {
        let problem = asked(problem, options.id.clone())?;
        searched(problem, models, answers?, &options, &counter).await
    })
}

async fn searched(
    problem: Arc<Problem>,
    (policy, verifier): (Given<SomePolicy>, Given<SomeVerifier>),
    answers: Answers,
    options: &Options,
    counter: &Counter,
) -> Result<PyOutcome, Failure> {
    let named = options.named()?;
    // What can be refused without a model is refused before one is loaded.
    if let Some(method) = named.method {
        options.plan(method, named.finished)?;
    }
    if options.max_tokens == Some(0) || options.max_steps == Some(0) {
        return Err(Failure::Input(anyhow!(
            "max_tokens and max_steps must be at least 1"
        )));
    }
    let quorum = options.quorum()?;
    // A vote needs none that was not named.
    let votes = named.method.is_some_and(|own| !own.needs_verifier());
    let policy = loaded_policy(policy, named.thinking)?;
    let mut sampling = policy.sampling();
    sampling.temperature = checked(
        options.temperature,
        0.0..=100.0,
        "a temperature is from 0 to 100",
    )?
    .unwrap_or(sampling.temperature);
    sampling.top_p = checked(
        options.top_p,
        f64::MIN_POSITIVE..=1.0,
        "a top_p is above 0 and at most 1",
    )?
    .unwrap_or(sampling.top_p);
    let mut limits = policy.limits();
    limits.solution_tokens = options.max_tokens.unwrap_or(limits.solution_tokens);
    limits.steps = options.max_steps.unwrap_or(limits.steps);
    let verifier = loaded_verifier(verifier, votes, &policy, (sampling, limits))?;
    let both = Pair {
        steps: policy.takes_steps(),
        verifier: verifier.is_some(),
    };
    let method = named.method.unwrap_or_else(|| both.default_method());
    both.check(method).map_err(|error| match error {
        outthink::core::Error::NoVerifier { .. } => Failure::Input(anyhow!(
            "{error}; give one as verifier=, or use method=\"majority\""
        )),
        error => Failure::input(error),
    })?;
    policy.takes(method).map_err(Failure::input)?;
    let selection = method.selection(named.selection).map_err(Failure::input)?;
    let plan = options.plan(method, named.finished)?;
    if let SomePolicy::Named(model, _) = &policy {
        model.check(&problem).map_err(Failure::input)?;
        if let Some(SomeVerifier::Named(verifier, _)) = &verifier
            && let Some(reason) = mismatch(model, verifier)
        {
            warn(&reason)?;
        }
    }
    let counted = match &policy {
        SomePolicy::Named(model, _) => Some(CountedPolicy::new(model.as_ref())),
        SomePolicy::Own(_) => None,
    };
    let drawn_by: &dyn Policy = match (&counted, &policy) {
        (Some(counted), _) => counted,
        (None, SomePolicy::Own(own)) => own.as_ref(),
        (None, SomePolicy::Named(model, _)) => model.as_ref(),
    };
    let watched = Watched {
        policy: drawn_by,
        counter,
    };
    let quorum = quorum.map(|quorum| QuorumPolicy::new(&watched, quorum));
    let judge = verifier.as_ref().map(|own| CountedVerifier::new(own.get()));
    let tree = search(
        Arc::clone(&problem),
        &plan,
        sampling,
        limits,
        options.seed,
        match &quorum {
            Some(quorum) => quorum as &dyn Policy,
            None => &watched,
        },
        judge.as_ref().map(|judge| judge as &dyn Verifier),
    )
    .await?;
    let solutions = tree.solutions();
    let chosen = selection
        .choose(&problem, &solutions, answers.get())
        .await?;
    let correct = match (&options.gold, &chosen) {
        (None, _) => None,
        (Some(_), None) => Some(false),
        (Some(gold), Some(chosen)) => Some(chosen.is_right(&problem, gold, answers.get()).await?),
    };
    let read = verifier.as_ref().map(|own| (own.cost(), tree.verifier));
    Ok(PyOutcome {
        usage: Spending::of((policy.cost(), tree.policy), read),
        chosen,
        correct,
        plan: Some(plan),
        choice: None,
        selection,
        profiles: (
            policy.profile_name().map(str::to_owned),
            verifier
                .as_ref()
                .and_then(SomeVerifier::profile_name)
                .map(str::to_owned),
        ),
        solutions,
        tree: Arc::new(tree),
        answers,
        problem,
    })
}

/// Warns as Python does, where the command line prints a warning.
fn warn(reason: &str) -> Result<(), Failure> {
    Python::attach(|py| {
        let warnings = py.import("warnings")?;
        warnings.call_method1("warn", (reason,)).map(drop)
    })
    .map_err(Failure::from)
}

fn checked(
    value: Option<f64>,
    range: std::ops::RangeInclusive<f64>,
    rule: &str,
) -> Result<Option<f64>, Failure> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(Failure::Input(anyhow!("{rule}, not {value}")))
        }
        value => Ok(value),
    }
}
