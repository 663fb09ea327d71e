//! A domain that is an object of Python's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use outthink::{AnyDomain, Domain, ModelError, Problem};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::call::awaited;
use crate::errors;
use crate::policy::{attribute, kind};
use crate::slots::{Slot, Slots};

/// Calls `extract(problem, solution)`, and `group(problem, answers)` and `grade(problem, gold, answers)` where they are.
pub(crate) struct PyDomain {
    object: Py<PyAny>,
    name: String,
    identity: String,
    groups: bool,
    grades: bool,
    /// What `extract` raised, by problem: it cannot fail here, so whoever groups or grades the problem's answers next is told.
    raised: Mutex<HashMap<String, PyErr>>,
}

impl PyDomain {
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let name = kind(object);
        if !object.hasattr("extract")? {
            return Err(PyTypeError::new_err(format!(
                "a domain is a name or an object with extract(problem, solution), and {name} has none"
            )));
        }
        let identity = attribute(object, "identity")?;
        Ok(Self {
            identity: identity.unwrap_or_else(|| format!("{name} 1")),
            groups: object.hasattr("group")?,
            grades: object.hasattr("grade")?,
            raised: Mutex::default(),
            object: object.clone().unbind(),
            name,
        })
    }

    fn raised_of(&self) -> std::sync::MutexGuard<'_, HashMap<String, PyErr>> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Were all answers of a problem extracted, since this was asked last?
    fn extracted(&self, problem: &Problem) -> PyResult<()> {
        let raised = self.raised_of().remove(&problem.text);
        raised.map_or(Ok(()), Err)
    }

    fn found(&self, problem: &Problem, solution: &str) -> PyResult<Option<String>> {
        Python::attach(|py| {
            let found = self.object.bind(py);
            let found = found.call_method1("extract", (&problem.text, solution))?;
            let shape = |_| {
                let told = format!(
                    "extract() of {} must return a str or None, not {}",
                    self.name,
                    kind(&found)
                );
                PyTypeError::new_err(told)
            };
            let answer: Option<String> = found.extract().map_err(shape)?;
            Ok(answer.filter(|answer| !answer.is_empty()))
        })
    }

    async fn classes(&self, problem: &Problem, answers: &[&str]) -> PyResult<Vec<Option<usize>>> {
        let returned = Python::attach(|py| {
            let own = self.object.bind(py);
            let arguments = (&problem.text, answers.to_vec());
            own.call_method1("group", arguments).map(Bound::unbind)
        });
        let returned = awaited(returned).await?;
        Python::attach(|py| {
            let shape = |_| {
                PyTypeError::new_err(format!(
                    "group() of {} must return a list with a number or None for each answer, equal numbers for equal answers",
                    self.name
                ))
            };
            returned.extract(py).map_err(shape)
        })
    }

    async fn verdicts(
        &self,
        problem: &Problem,
        gold: &str,
        answers: &[&str],
    ) -> PyResult<Vec<bool>> {
        let returned = Python::attach(|py| {
            let own = self.object.bind(py);
            let arguments = (&problem.text, gold, answers.to_vec());
            own.call_method1("grade", arguments).map(Bound::unbind)
        });
        let returned = awaited(returned).await?;
        Python::attach(|py| {
            let shape = |_| {
                PyTypeError::new_err(format!(
                    "grade() of {} must return a list with True or False for each answer",
                    self.name
                ))
            };
            returned.extract(py).map_err(shape)
        })
    }
}

impl Domain for PyDomain {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        self.found(problem, solution).unwrap_or_else(|error| {
            self.raised_of()
                .entry(problem.text.clone())
                .or_insert(error);
            None
        })
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        async move {
            self.extracted(problem)?;
            if self.groups && !answers.is_empty() {
                return Ok(self.classes(problem, answers).await?);
            }
            let mut classes = HashMap::new();
            let class = |answer: &&'a str| {
                let next = classes.len();
                Some(*classes.entry(answer.trim()).or_insert(next))
            };
            Ok(answers.iter().map(class).collect())
        }
        .boxed()
    }

    fn grade<'a>(
        &'a self,
        problem: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        async move {
            self.extracted(problem)?;
            if self.grades {
                return Ok(self.verdicts(problem, gold, answers).await?);
            }
            let mut right = Vec::with_capacity(answers.len());
            for &answer in answers {
                let classes = self.group(problem, &[gold, answer]).await?;
                right.push(matches!(classes[..], [Some(gold), Some(own)] if gold == own));
            }
            Ok(right)
        }
        .boxed()
    }
}

/// A domain by its name.
struct Registered(Arc<Slot<PyDomain>>);

impl Domain for Registered {
    fn identity(&self) -> String {
        self.0.get().identity()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        self.0.get().extract(problem, solution)
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        let own = self.0.get();
        async move { own.group(problem, answers).await }.boxed()
    }

    fn grade<'a>(
        &'a self,
        problem: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        let own = self.0.get();
        async move { own.grade(problem, gold, answers).await }.boxed()
    }
}

static DOMAINS: Slots<PyDomain> = Slots::new();

#[pyfunction]
pub(crate) fn register_domain(name: &str, domain: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = domain.py();
    let mut own = PyDomain::of(domain)?;
    if attribute::<String>(domain, "identity")?.is_none() {
        own.identity = format!("{name} 1");
    }
    let register = |name, slot| AnyDomain::register(name, Registered(slot)).map(drop);
    let put = py.detach(|| DOMAINS.put(name, own, register));
    put.map_err(|error| errors::input(py, error))
}
