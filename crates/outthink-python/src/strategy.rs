//! Strategies with their models.

use std::sync::{Arc, Mutex, PoisonError};

use outthink::embedding::ReadyStrategy;
use outthink::{Failure, Solution};
use pyo3::prelude::*;

use crate::outcome::{Choice, PyOutcome};
use crate::solve::{answers, asked};
use crate::wait::{Cancel, Watch, detached, wait};

/// A strategy by its name or file; its models are loaded for the first problem of each budget.
#[pyclass(frozen, name = "Strategy", module = "outthink._native", subclass)]
pub(crate) struct PyStrategy {
    name: String,
    policy: Option<String>,
    verifier: Option<String>,
    /// The last one, with the budget that was asked for.
    ready: Mutex<Option<(Option<f64>, Arc<ReadyStrategy>)>>,
}

impl PyStrategy {
    fn ready(&self, budget: Option<f64>) -> Result<Arc<ReadyStrategy>, Failure> {
        let known = |of: &Option<(Option<f64>, Arc<ReadyStrategy>)>| match of {
            Some((own, ready)) if *own == budget => Some(Arc::clone(ready)),
            _ => None,
        };
        let held = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = known(&held()) {
            return Ok(ready);
        }
        let (policy, verifier) = (self.policy.as_deref(), self.verifier.as_deref());
        let ready = Arc::new(ReadyStrategy::load(&self.name, policy, verifier, budget)?);
        *held() = Some((budget, Arc::clone(&ready)));
        Ok(ready)
    }
}

#[pymethods]
impl PyStrategy {
    #[new]
    #[pyo3(signature = (name, policy=None, verifier=None))]
    fn new(
        py: Python<'_>,
        name: String,
        policy: Option<String>,
        verifier: Option<String>,
    ) -> PyResult<Self> {
        let own = Self {
            name,
            policy,
            verifier,
            ready: Mutex::new(None),
        };
        // What is wrong with the file is told now.
        detached(py, || outthink::embedding::check_strategy(&own.name))?;
        Ok(own)
    }

    /// As it was named.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    #[expect(clippy::too_many_arguments, reason = "Python's solve() names them")]
    #[pyo3(name = "_search")]
    fn search(
        &self,
        py: Python<'_>,
        problem: &str,
        budget: Option<f64>,
        seed: u64,
        domain: Option<&Bound<'_, PyAny>>,
        gold: Option<&str>,
        cancel: Option<Py<Cancel>>,
        event_loop: Option<Py<PyAny>>,
    ) -> PyResult<PyOutcome> {
        let answers = answers(domain)?;
        let watch = Watch {
            cancel,
            event_loop,
            progress: None,
        };
        wait(py, &watch, || async move {
            let (problem, answers) = (asked(problem, None)?, answers?);
            let ready = self.ready(budget)?;
            let solving = ready.solve(Arc::clone(&problem), seed, answers.get());
            let (solved, usage) = solving.await?;
            let chosen = solved.answer.clone();
            let correct = match (gold, &chosen) {
                (None, _) => None,
                (Some(_), None) => Some(false),
                (Some(gold), Some(chosen)) => {
                    Some(chosen.is_right(&problem, gold, answers.get()).await?)
                }
            };
            let tree = Arc::new(solved.answered().clone());
            let solutions: Vec<Solution> = tree.solutions();
            Ok(PyOutcome {
                chosen,
                correct,
                plan: None,
                choice: Some(Choice {
                    choice: solved.chosen.candidate.to_string(),
                    reason: solved.chosen.reason.clone(),
                    budget: ready.budget(),
                    unit: ready.strategy().unit().name(),
                    samples: solved.samples,
                    confidence: solved.confidence,
                    unlike: solved.unlike.clone(),
                }),
                selection: solved.selection,
                profiles: (None, None),
                usage,
                solutions,
                tree,
                answers,
                problem,
            })
        })
    }

    fn __repr__(&self) -> String {
        format!("<Strategy {}>", self.name)
    }
}
