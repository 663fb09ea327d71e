//! Scores and votes that are written in Python.

use std::sync::Arc;

use outthink::selection::{Score, ScoredAnswer, Signal, Signals, Vote};
use outthink::{AnyDomain, AnyMethod, Scoring, Selection, Voting};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::errors;
use crate::policy::kind;
use crate::slots::{Slot, Slots};
use crate::wait::raise_later;

struct PyScore {
    name: &'static str,
    /// What it is made of: that does not change with what stands behind the name.
    signal: Signal,
    slot: Arc<Slot<Py<PyAny>>>,
}

impl Score for PyScore {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signal(&self) -> Signal {
        self.signal
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let score = self.slot.get();
        let own = PySignals {
            rewards: signals.rewards.to_vec(),
            logprobs: signals.tokens.logprobs.clone(),
            entropies: signals.tokens.entropies.clone(),
            length: signals.length,
        };
        let score = Python::attach(|py| score.call1(py, (own,))?.extract(py));
        score.unwrap_or_else(|error| {
            raise_later(error);
            None
        })
    }
}

/// What speaks for a solution.
#[pyclass(frozen, name = "Signals", module = "outthink", get_all)]
pub(crate) struct PySignals {
    rewards: Vec<f64>,
    logprobs: Vec<f32>,
    entropies: Vec<f32>,
    length: Option<usize>,
}

#[pymethods]
impl PySignals {
    fn __repr__(&self) -> String {
        format!("<Signals: rewards {:?}>", self.rewards)
    }
}

struct PyVote {
    name: &'static str,
    slot: Arc<Slot<Py<PyAny>>>,
}

impl Vote for PyVote {
    fn name(&self) -> &'static str {
        self.name
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let vote = self.slot.get();
        let solutions = solutions
            .iter()
            .map(|own| (own.class, own.score, own.count));
        let solutions: Vec<(usize, f64, usize)> = solutions.collect();
        let weights = Python::attach(|py| {
            let weights = vote.bind(py).call1((solutions, classes))?;
            let weights = weights.try_iter()?.map(|own| own?.extract());
            let weights: Vec<f64> = weights.collect::<PyResult<_>>()?;
            match weights.len() == classes {
                true => Ok(weights),
                false => Err(PyTypeError::new_err(format!(
                    "the vote {} returned {} weights for {classes} answers",
                    self.name,
                    weights.len()
                ))),
            }
        });
        weights.unwrap_or_else(|error| {
            raise_later(error);
            vec![0.0; classes]
        })
    }
}

static SCORES: Slots<Py<PyAny>> = Slots::new();
static VOTES: Slots<Py<PyAny>> = Slots::new();

fn callable(own: &Bound<'_, PyAny>, what: &str) -> PyResult<Py<PyAny>> {
    match own.is_callable() {
        true => Ok(own.clone().unbind()),
        false => Err(PyTypeError::new_err(format!(
            "a {what} is a function, not {}",
            kind(own)
        ))),
    }
}

#[pyfunction]
pub(crate) fn register_score(name: &str, score: &Bound<'_, PyAny>, signal: &str) -> PyResult<()> {
    let py = score.py();
    let signal = match signal {
        "rewards" => Signal::Rewards,
        "tokens" => Signal::Tokens,
        "length" => Signal::Length,
        other => {
            let told = format!("`{other}` is no signal: it is rewards, tokens or length");
            return Err(errors::input(py, told));
        }
    };
    let own = callable(score, "score")?;
    let put = py.detach(|| {
        SCORES.put(name, own, |name, slot| {
            Scoring::register(PyScore { name, signal, slot }).map(drop)
        })
    });
    put.map_err(|error| errors::input(py, error))
}

#[pyfunction]
pub(crate) fn register_vote(name: &str, vote: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = vote.py();
    let own = callable(vote, "vote")?;
    let put = py.detach(|| {
        VOTES.put(name, own, |name, slot| {
            Voting::register(PyVote { name, slot }).map(drop)
        })
    });
    put.map_err(|error| errors::input(py, error))
}

/// All methods, selections or domains that there are, by name.
#[pyfunction]
pub(crate) fn names(py: Python<'_>, of: &str) -> PyResult<Vec<String>> {
    Ok(match of {
        "methods" => AnyMethod::all().iter().map(|own| own.to_string()).collect(),
        "selections" => Selection::all().map(|own| own.to_string()).collect(),
        "domains" => AnyDomain::all().iter().map(|own| own.to_string()).collect(),
        other => return Err(errors::input(py, format!("no table of {other}"))),
    })
}
