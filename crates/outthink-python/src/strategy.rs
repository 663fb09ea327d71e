//! Strategies with their models.

use std::sync::{Arc, Mutex, PoisonError};

use outthink::embedding::ReadyStrategy;
use outthink::lab::{PolicyModel, VerifierModel};
use outthink::{AnyPolicy, Failure, Solution};
use pyo3::prelude::*;

use crate::models::{
    Given, SomePolicy, SomeVerifier, given_policy, given_verifier, loaded_policy, loaded_verifier,
};
use crate::outcome::{Choice, PyOutcome};
use crate::solve::{answers, asked};
use crate::wait::{Cancel, Watch, detached, wait};

/// A strategy by its name or file; models that are named are loaded for the first problem of each budget.
#[pyclass(frozen, name = "Strategy", module = "outthink._native", subclass)]
pub(crate) struct PyStrategy {
    name: String,
    policy: Given<SomePolicy>,
    verifier: Given<SomeVerifier>,
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
        let ready = Arc::new(match (&self.policy, &self.verifier) {
            (Given::Model(_), _) | (_, Given::Model(_)) => self.given(budget)?,
            (policy, verifier) => {
                ReadyStrategy::load(&self.name, policy.name(), verifier.name(), budget)?
            }
        });
        *held() = Some((budget, Arc::clone(&ready)));
        Ok(ready)
    }

    /// With objects for a model, or both.
    fn given(&self, budget: Option<f64>) -> Result<ReadyStrategy, Failure> {
        let policy = loaded_policy(self.policy.clone(), None)?;
        let (sampling, limits) = (policy.sampling(), policy.limits());
        let verifier = self.verifier.clone();
        let verifier = loaded_verifier(verifier, false, &policy, (sampling, limits))?;
        let verifier = verifier.map(|own| {
            Ok::<_, Failure>(VerifierModel {
                info: own.info()?,
                model: own.shared(),
            })
        });
        let model = PolicyModel {
            info: policy.info()?,
            model: policy.shared(),
            sampling,
            limits,
            target_in_flight: AnyPolicy::EMBEDDED_IN_FLIGHT,
            imported: None,
        };
        let takes = |method| policy.takes(method);
        ReadyStrategy::with(&self.name, model, verifier.transpose()?, takes, budget)
    }
}

#[pymethods]
impl PyStrategy {
    #[new]
    #[pyo3(signature = (name, policy=None, verifier=None))]
    fn new(
        py: Python<'_>,
        name: String,
        policy: Option<&Bound<'_, PyAny>>,
        verifier: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let own = Self {
            name,
            policy: given_policy(policy)?,
            verifier: given_verifier(verifier)?,
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
