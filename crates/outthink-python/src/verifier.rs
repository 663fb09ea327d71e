//! A verifier that is an object of Python's.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink::core::{Judgement, Prefix};
use outthink::{ModelCost, ModelError, Problem, Step, Usage, Verifier};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::call::call;
use crate::policy::{attribute, kind};
use crate::reading::VerifierReader;

/// Calls `score(prefixes)`.
pub(crate) struct PyVerifier {
    object: Py<PyAny>,
    name: String,
    /// Its size, if its `parameters` says it.
    pub(crate) cost: Option<ModelCost>,
    /// How it is read, where its `reader` knows.
    reader: Option<Py<VerifierReader>>,
}

impl PyVerifier {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = kind(object);
        if !object.hasattr("score")? {
            return Err(PyTypeError::new_err(format!(
                "a verifier is a model's name or an object with score(prefixes), and {name} has none"
            )));
        }
        Ok(Self {
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
        let reader = self.reader.as_ref().map(Py::get);
        reader.map(VerifierReader::profile_name)
    }

    async fn ask(&self, prefixes: Vec<Prefix>) -> PyResult<Vec<Judgement>> {
        let prefixes = prefixes.into_iter().map(PyPrefix::new).collect();
        let returned = call(&self.object, "score", prefixes).await?;
        Python::attach(|py| self.judgements(returned.bind(py)))
    }

    fn judgements(&self, returned: &Bound<'_, PyAny>) -> PyResult<Vec<Judgement>> {
        let shape = |error: PyErr| {
            let told = format!(
                "score() of {} must return a list with a list of rewards for each prefix, one a step and in [0, 1]",
                self.name
            );
            let wrong = PyTypeError::new_err(told);
            wrong.set_cause(returned.py(), Some(error));
            wrong
        };
        let usage = Usage {
            requests: 1,
            estimated: 1,
            ..Usage::default()
        };
        let mut judgements = Vec::new();
        for own in returned.try_iter().map_err(shape)? {
            let rewards = own?.try_iter().map_err(shape)?;
            let rewards = rewards.map(|reward| reward?.extract::<f64>());
            let rewards: Vec<f64> = rewards.collect::<PyResult<_>>().map_err(shape)?;
            judgements.push(Judgement { rewards, usage });
        }
        Ok(judgements)
    }
}

impl Verifier for PyVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move { Ok(self.ask(prefixes).await?) }.boxed()
    }
}

/// What a verifier is asked about: a solution, or the beginning of one.
#[pyclass(frozen, name = "Prefix", module = "outthink")]
pub(crate) struct PyPrefix {
    pub(crate) problem: Arc<Problem>,
    pub(crate) steps: Vec<Arc<Step>>,
    pub(crate) complete: bool,
}

impl PyPrefix {
    fn new(own: Prefix) -> Self {
        let Prefix {
            problem,
            steps,
            complete,
        } = own;
        Self {
            problem,
            steps,
            complete,
        }
    }
}

#[pymethods]
impl PyPrefix {
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

    /// The steps so far: at least one.
    #[getter]
    fn steps(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.text.as_str()).collect()
    }

    /// The steps as one text, a blank line between them.
    #[getter]
    fn text(&self) -> String {
        self.steps().join("\n\n")
    }

    /// Does the last step end the answer?
    #[getter]
    fn complete(&self) -> bool {
        self.complete
    }

    fn __repr__(&self) -> String {
        let end = if self.complete { "complete" } else { "partial" };
        format!("<Prefix: {} steps, {end}>", self.steps.len())
    }
}
