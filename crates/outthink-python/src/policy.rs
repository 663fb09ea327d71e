//! A policy that is an object of Python's.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};
use outthink::core::{
    Continuation, Extension, Reply, Stop, Thoughts, TokenStats, Until, draw_seed, piece_seed,
};
use outthink::{Limits, ModelCost, ModelError, Policy, Problem, Sampling, Step, Usage};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::call;
use crate::reading::PolicyReader;

/// Calls `extend(requests)`.
pub(crate) struct PyPolicy {
    object: Py<PyAny>,
    name: String,
    /// Can it continue an answer from any step? Its `takes_steps` says no.
    pub(crate) takes_steps: bool,
    /// Its size, if its `parameters` says it.
    pub(crate) cost: Option<ModelCost>,
    /// How it is asked, where its `reader` knows.
    reader: Option<Py<PolicyReader>>,
}

impl PyPolicy {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = kind(object);
        if !object.hasattr("extend")? {
            return Err(PyTypeError::new_err(format!(
                "a policy is a model's name or an object with extend(requests), and {name} has none"
            )));
        }
        Ok(Self {
            takes_steps: attribute(object, "takes_steps")?.unwrap_or(true),
            cost: attribute(object, "parameters")?.map(ModelCost::of_size),
            reader: match object.getattr_opt("reader")? {
                Some(own) => own.cast_into().ok().map(Bound::unbind),
                None => None,
            },
            object: object.clone().unbind(),
            name,
        })
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of its profile, where its reader has one.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        self.reader().map(PolicyReader::profile_name)
    }

    fn reader(&self) -> Option<&PolicyReader> {
        self.reader.as_ref().map(Py::get)
    }

    async fn ask(&self, requests: Vec<Extension>) -> PyResult<Vec<Reply>> {
        let asked: Vec<(Until, usize)> = requests
            .iter()
            .map(|own| (own.until, own.seeds.len()))
            .collect();
        let requests = requests.into_iter().map(PyRequest::new).collect();
        let returned = call(&self.object, "extend", requests).await?;
        Python::attach(|py| self.replies(returned.bind(py), &asked))
    }

    fn replies(
        &self,
        returned: &Bound<'_, PyAny>,
        asked: &[(Until, usize)],
    ) -> PyResult<Vec<Reply>> {
        let shape = |error: PyErr| {
            let told = format!(
                "extend() of {} must return a list with a list of continuations for each request, one a seed",
                self.name
            );
            let wrong = PyTypeError::new_err(told);
            wrong.set_cause(returned.py(), Some(error));
            wrong
        };
        let mut replies = Vec::with_capacity(asked.len());
        for (place, own) in returned.try_iter().map_err(shape)?.enumerate() {
            let own = own?;
            if own.is_instance_of::<PyString>() || own.is_instance_of::<PyContinuation>() {
                return Err(shape(PyTypeError::new_err(
                    "a continuation stands where a list of them is expected",
                )));
            }
            let until = asked.get(place).map_or(Until::Answer, |(until, _)| *until);
            let mut drawn = Vec::with_capacity(asked.get(place).map_or(0, |(_, seeds)| *seeds));
            for one in own.try_iter().map_err(shape)? {
                drawn.push(continuation(&one?, until).map_err(shape)?);
            }
            let counted = |own: &Continuation| own.steps.iter().all(|step| !step.tokens.is_empty());
            let tokens = drawn.iter().flat_map(|own| &own.steps);
            let usage = Usage {
                requests: 1,
                generated: tokens.map(|step| step.tokens.len() as u64).sum(),
                estimated: u64::from(!drawn.iter().all(counted)),
                ..Usage::default()
            };
            replies.push((drawn, usage));
        }
        Ok(replies)
    }
}

impl Policy for PyPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move { Ok(self.ask(requests).await?) }.boxed()
    }

    fn usual_sampling(&self) -> Sampling {
        let own = self.reader().map(PolicyReader::sampling);
        own.unwrap_or(Sampling::at(0.7))
    }

    fn usual_limits(&self) -> Limits {
        self.reader().map(PolicyReader::limits).unwrap_or_default()
    }

    fn written<'a>(
        &'a self,
        _: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        let step = match self.reader() {
            Some(reader) => reader.written(text).map_err(ModelError::from),
            None => Err("this policy cannot go on from written text".into()),
        };
        ready(step).boxed()
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.reader().map(PolicyReader::thoughts)
    }
}

/// What a message calls an object.
pub(crate) fn kind(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name();
    name.map_or_else(|_| "the object".to_owned(), |name| name.to_string())
}

/// An attribute that an object may have.
pub(crate) fn attribute<'py, T>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    match object.getattr_opt(name)? {
        Some(own) if !own.is_none() => own.extract().map(Some),
        _ => Ok(None),
    }
}

/// A continuation as it is, or a text.
fn continuation(own: &Bound<'_, PyAny>, until: Until) -> PyResult<Continuation> {
    if let Ok(own) = own.cast::<PyContinuation>() {
        return Ok(own.get().0.clone());
    }
    let text: String = own.extract().map_err(|_| {
        let told = format!(
            "a continuation is a str or an outthink.Continuation, not {}",
            kind(own)
        );
        PyTypeError::new_err(told)
    })?;
    Ok(match until {
        Until::Answer => Continuation {
            steps: split(&text).collect(),
            stop: Stop::Answer,
        },
        Until::Step => Continuation {
            stop: match outthink::ExactAnswers::find(&text) {
                Some(_) => Stop::Answer,
                None => Stop::Step,
            },
            steps: vec![Step::written(text)],
        },
    })
}

/// The steps of a text, as blank lines part them.
fn split(text: &str) -> impl Iterator<Item = Step> {
    let parts = text.split("\n\n").map(str::trim);
    parts.filter(|own| !own.is_empty()).map(Step::written)
}

/// What a policy is asked for: to continue one prefix, once for each seed.
#[pyclass(frozen, name = "Request", module = "outthink")]
pub(crate) struct PyRequest {
    pub(crate) problem: Arc<Problem>,
    pub(crate) steps: Vec<Arc<Step>>,
    /// The seeds as a policy is told them that draws each request anew.
    seeds: Vec<u64>,
    /// The seeds of the whole draws, of which `offset` tokens are there.
    pub(crate) own_seeds: Vec<u64>,
    pub(crate) offset: usize,
    pub(crate) until: Until,
    sampling: Sampling,
    pub(crate) max_tokens: usize,
}

impl PyRequest {
    fn new(own: Extension) -> Self {
        let Extension {
            problem,
            steps,
            seeds: own_seeds,
            until,
            sampling,
            max_tokens,
            offset,
        } = own;
        let pieces = own_seeds.iter().map(|&seed| piece_seed(seed, offset));
        let mut seeds: Vec<u64> = pieces.collect();
        // Seeds are made of the tokens before; where nobody told them, of the texts.
        if steps.iter().any(|step| step.tokens.is_empty()) {
            let texts = || steps.iter().flat_map(|step| step.text.bytes().chain([0]));
            for (index, seed) in seeds.iter_mut().enumerate() {
                *seed = draw_seed(*seed, texts().map(u32::from), index);
            }
        }
        Self {
            problem,
            steps,
            seeds,
            own_seeds,
            offset,
            until,
            sampling,
            max_tokens,
        }
    }
}

#[pymethods]
impl PyRequest {
    /// What is asked.
    #[getter]
    fn problem(&self) -> &str {
        &self.problem.text
    }

    /// The problem's name.
    #[getter]
    fn id(&self) -> &str {
        &self.problem.id
    }

    /// The steps so far, in order.
    #[getter]
    fn steps(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.text.as_str()).collect()
    }

    /// The token ids of each step, as the policy told them; empty where it did not.
    #[getter]
    fn tokens(&self) -> Vec<&[u32]> {
        self.steps.iter().map(|step| &step.tokens[..]).collect()
    }

    /// The steps as one text, a blank line between them.
    #[getter]
    fn text(&self) -> String {
        self.steps().join("\n\n")
    }

    /// One seed a continuation, below 2**64.
    #[getter]
    fn seeds(&self) -> Vec<u64> {
        self.seeds.clone()
    }

    /// How many continuations are wanted: as many as seeds.
    #[getter]
    fn n(&self) -> usize {
        self.seeds.len()
    }

    /// Where to stop: after one step, or after the answer.
    #[getter]
    fn until(&self) -> &'static str {
        match self.until {
            Until::Step => "step",
            Until::Answer => "answer",
        }
    }

    /// 0 takes the likeliest token.
    #[getter]
    fn temperature(&self) -> f64 {
        self.sampling.temperature
    }

    /// Keep the likeliest tokens that together reach this probability; 1 keeps all.
    #[getter]
    fn top_p(&self) -> f64 {
        self.sampling.top_p
    }

    /// Keep this many of the likeliest tokens; 0 keeps all.
    #[getter]
    fn top_k(&self) -> usize {
        self.sampling.top_k
    }

    /// Keep tokens at least this fraction as likely as the likeliest; 0 keeps all.
    #[getter]
    fn min_p(&self) -> f64 {
        self.sampling.min_p
    }

    /// Most tokens that a continuation may have.
    #[getter]
    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn __repr__(&self) -> String {
        let (until, steps, n) = (self.until(), self.steps.len(), self.seeds.len());
        format!("<Request: {n} continuations until {until} after {steps} steps>")
    }
}

/// What one draw gave.
#[pyclass(frozen, name = "Continuation", module = "outthink")]
pub(crate) struct PyContinuation(pub(crate) Continuation);

/// One list for the only step, or a list a step.
#[derive(FromPyObject)]
enum PerStep<T> {
    One(Vec<T>),
    All(Vec<Vec<T>>),
}

impl<T> PerStep<T> {
    fn of(own: Option<Self>, what: &str, steps: usize) -> PyResult<Vec<Vec<T>>> {
        let all = match own {
            None => return Ok((0..steps).map(|_| Vec::new()).collect()),
            Some(Self::One(one)) => vec![one],
            Some(Self::All(all)) => all,
        };
        match all.len() == steps {
            true => Ok(all),
            false => Err(PyValueError::new_err(format!(
                "{what} of {} steps, where there are {steps}: give one list a step",
                all.len()
            ))),
        }
    }
}

#[derive(FromPyObject)]
enum Texts {
    One(String),
    All(Vec<String>),
}

#[pymethods]
impl PyContinuation {
    #[new]
    #[pyo3(signature = (steps, stop="answer", *, tokens=None, logprobs=None))]
    fn new(
        steps: Texts,
        stop: &str,
        tokens: Option<PerStep<u32>>,
        logprobs: Option<PerStep<f32>>,
    ) -> PyResult<Self> {
        let texts = match steps {
            Texts::One(text) => vec![text],
            Texts::All(texts) => texts,
        };
        let stop = match stop {
            "step" => Stop::Step,
            "answer" => Stop::Answer,
            "length" => Stop::Length,
            other => {
                return Err(PyValueError::new_err(format!(
                    "`{other}` is no reason to stop: it is step, answer or length"
                )));
            }
        };
        let tokens = PerStep::of(tokens, "tokens", texts.len())?;
        let logprobs = PerStep::of(logprobs, "logprobs", texts.len())?;
        let steps = texts.into_iter().zip(tokens).zip(logprobs);
        let steps = steps.map(|((text, tokens), logprobs)| Step {
            logprob: logprobs.iter().map(|own| f64::from(*own)).sum(),
            stats: TokenStats::of(tokens.len(), logprobs, Vec::new()),
            tokens,
            text,
        });
        Ok(Self(Continuation {
            steps: steps.collect(),
            stop,
        }))
    }

    /// Its steps; one at most where a step was asked for.
    #[getter]
    fn steps(&self) -> Vec<&str> {
        self.0.steps.iter().map(|step| step.text.as_str()).collect()
    }

    /// The token ids of each step; empty where they are unknown.
    #[getter]
    fn tokens(&self) -> Vec<&[u32]> {
        self.0.steps.iter().map(|step| &step.tokens[..]).collect()
    }

    /// Why it stopped.
    #[getter]
    fn stop(&self) -> &'static str {
        stopped(self.0.stop)
    }

    fn __repr__(&self) -> String {
        format!("Continuation({:?}, {:?})", self.steps(), self.stop())
    }
}

/// Why it stopped, in a word.
pub(crate) fn stopped(stop: Stop) -> &'static str {
    match stop {
        Stop::Step => "step",
        Stop::Answer => "answer",
        Stop::Length => "length",
    }
}
