//! Calls objects of Python's: what they return may be there, or to be awaited.

use std::sync::{Mutex, PoisonError};

use futures::channel::oneshot;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;

use crate::wait;

enum Returned {
    Now(Py<PyAny>),
    Later(Pending),
}

/// Calls a method with one list. A coroutine runs in the caller's event loop, or where there is none in the package's own.
pub(crate) async fn call<T>(
    object: &Py<PyAny>,
    method: &'static str,
    items: Vec<T>,
) -> PyResult<Py<PyAny>>
where
    T: for<'py> IntoPyObject<'py>,
{
    let returned = Python::attach(|py| {
        let items = PyList::new(py, items)?;
        let returned = object.bind(py).call_method1(method, (items,))?;
        later(py, returned)
    })?;
    finish(returned).await
}

/// What a call has returned already, once it is there.
pub(crate) async fn awaited(returned: PyResult<Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let returned = Python::attach(|py| later(py, returned?.into_bound(py)))?;
    finish(returned).await
}

fn later(py: Python<'_>, returned: Bound<'_, PyAny>) -> PyResult<Returned> {
    match returned.hasattr("__await__")? {
        true => Ok(Returned::Later(Pending::submit(py, returned)?)),
        false => Ok(Returned::Now(returned.unbind())),
    }
}

async fn finish(returned: Returned) -> PyResult<Py<PyAny>> {
    match returned {
        Returned::Now(returned) => Ok(returned),
        Returned::Later(pending) => pending.result().await,
    }
}

/// What an event loop works on; letting go of it cancels it.
struct Pending {
    future: Py<PyAny>,
    done: oneshot::Receiver<PyResult<Py<PyAny>>>,
    is_done: bool,
}

impl Pending {
    fn submit(py: Python<'_>, awaitable: Bound<'_, PyAny>) -> PyResult<Self> {
        static SUBMIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let submit = SUBMIT.import(py, "outthink._loop", "submit")?;
        let (sender, done) = oneshot::channel();
        let tell = Done(Mutex::new(Some(sender)));
        let future = submit.call1((awaitable, wait::event_loop(py), tell))?;
        Ok(Self {
            future: future.unbind(),
            done,
            is_done: false,
        })
    }

    async fn result(mut self) -> PyResult<Py<PyAny>> {
        let result = (&mut self.done).await;
        self.is_done = true;
        result.unwrap_or_else(|_| {
            Err(PyRuntimeError::new_err(
                "the event loop ended before a coroutine of the search",
            ))
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.is_done {
            // Nobody hears of it any more, and an interpreter that ends has no use for it.
            let _ = Python::try_attach(|py| self.future.call_method0(py, "cancel").map(drop));
        }
    }
}

/// Hears that it is done.
#[pyclass(frozen, module = "outthink._native")]
struct Done(Mutex<Option<oneshot::Sender<PyResult<Py<PyAny>>>>>);

#[pymethods]
impl Done {
    fn __call__(&self, future: &Bound<'_, PyAny>) {
        let result = future.call_method0("result").map(Bound::unbind);
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The search may have ended meanwhile.
            let _ = sender.send(result);
        }
    }
}
