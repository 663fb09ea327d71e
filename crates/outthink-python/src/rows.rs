//! Values between JSON and Python, and problems as rows.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::errors;
use crate::wait::detached;

/// Anything that is written as JSON, as dicts, lists, numbers and strings.
pub(crate) fn to_python<'py>(py: Python<'py>, own: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(own).map_err(|error| errors::run(py, error.to_string()))?;
    value_to_python(py, &value)
}

/// A value likewise.
pub(crate) fn value_to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(own) => own.into_pyobject(py)?.to_owned().into_any(),
        Value::Number(own) => match (own.as_i64(), own.as_u64()) {
            (Some(own), _) => own.into_pyobject(py)?.into_any(),
            (None, Some(own)) => own.into_pyobject(py)?.into_any(),
            (None, None) => own
                .as_f64()
                .unwrap_or(f64::NAN)
                .into_pyobject(py)?
                .into_any(),
        },
        Value::String(own) => own.into_pyobject(py)?.into_any(),
        Value::Array(own) => {
            let list = PyList::empty(py);
            for value in own {
                list.append(value_to_python(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(own) => {
            let dict = PyDict::new(py);
            for (name, value) in own {
                dict.set_item(name, value_to_python(py, value)?)?;
            }
            dict.into_any()
        }
    })
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
