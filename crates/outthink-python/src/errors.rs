//! From errors here to exceptions there: what a callback raised comes out as itself, all else as an `outthink.Error`.

use std::sync::{Mutex, PoisonError};

use outthink::{Failure, LoadError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The exception of a failure, with the text that the command line would print.
pub(crate) fn raised(py: Python<'_>, failure: &Failure) -> PyErr {
    let mut causes = failure.error().chain();
    if let Some(own) = causes.find_map(|cause| cause.downcast_ref::<PyErr>()) {
        return own.clone_ref(py);
    }
    let mut causes = failure.error().chain();
    match failure.is_input() {
        true if causes.any(|cause| cause.is::<LoadError>()) => model(py, failure.to_string()),
        true => input(py, failure.to_string()),
        false => run(py, failure.to_string()),
    }
}

/// `outthink.InputError`: what was asked for is wrong.
pub(crate) fn input(py: Python<'_>, text: impl Into<String>) -> PyErr {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    new(py, &TYPE, "InputError", text.into())
}

/// `outthink.RunError`: something failed on the way.
pub(crate) fn run(py: Python<'_>, text: impl Into<String>) -> PyErr {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    new(py, &TYPE, "RunError", text.into())
}

/// `outthink.ModelError`: there is no such model.
fn model(py: Python<'_>, text: String) -> PyErr {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    new(py, &TYPE, "ModelError", text)
}

fn new(
    py: Python<'_>,
    known: &'static PyOnceLock<Py<PyType>>,
    name: &'static str,
    text: String,
) -> PyErr {
    match known.import(py, "outthink._errors", name) {
        Ok(class) => PyErr::from_type(class.clone(), text),
        Err(error) => error,
    }
}

/// What a callback raised that has no way to fail, on a thread where nobody waits: a study's.
static ELSEWHERE: Mutex<Option<PyErr>> = Mutex::new(None);

/// Keeps it until somebody asks; the first counts.
pub(crate) fn keep(error: PyErr) {
    let mut kept = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    kept.get_or_insert(error);
}

/// What was kept, once.
pub(crate) fn kept() -> Option<PyErr> {
    let mut kept = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    kept.take()
}
