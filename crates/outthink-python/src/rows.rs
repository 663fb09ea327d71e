//! Values between JSON and Python, and problems as rows.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::errors;
use crate::wait::detached;

/// Anything that is written as JSON, as dicts, lists, numbers and strings; fields in the order in which they are declared.
pub(crate) fn to_python<'py>(py: Python<'py>, own: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = serde_json::to_string(own).map_err(|error| errors::run(py, error.to_string()))?;
    LOADS.import(py, "json", "loads")?.call1((text,))
}

/// What Python's own `json` makes of an object.
pub(crate) fn from_python(own: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = own.py();
    let text = py.import("outthink._rows")?.call_method1("dumps", (own,))?;
    let text: String = text.extract()?;
    serde_json::from_str(&text).map_err(|error| errors::input(py, error.to_string()))
}

/// Names with values, of a dict.
pub(crate) fn map_from_python(own: &Bound<'_, PyAny>) -> PyResult<Map<String, Value>> {
    match from_python(own)? {
        Value::Object(map) => Ok(map),
        other => Err(errors::input(own.py(), format!("{other} is no dict"))),
    }
}

#[pyfunction]
#[pyo3(signature = (dataset, count=None))]
pub(crate) fn problems<'py>(
    py: Python<'py>,
    dataset: &str,
    count: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let problems = detached(py, || outthink::embedding::problems(dataset, count))?;
    to_python(py, &problems)
}
