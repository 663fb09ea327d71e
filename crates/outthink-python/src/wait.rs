//! Waits for Rust's work on the caller's thread, without Python's lock: signals are looked at, progress is told, and what
//! callbacks raise comes out.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use outthink::Failure;
use pyo3::prelude::*;

use crate::errors;

/// Between two looks at signals: soon enough for a person, seldom enough to cost nothing.
const TICK: Duration = Duration::from_millis(50);

/// Between two words of progress.
const PAUSE: Duration = Duration::from_millis(200);

/// Ends a search from another thread.
#[pyclass(frozen, module = "outthink._native")]
#[derive(Default)]
pub(crate) struct Cancel(AtomicBool);

#[pymethods]
impl Cancel {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The search ends within a twentieth of a second, or when its policy or verifier returns.
    fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How far a search has come.
#[derive(Default)]
pub(crate) struct Counter {
    /// Samples drawn, whole ones or steps.
    pub(crate) samples: AtomicU64,
    /// Tokens drawn, as far as the policy tells.
    pub(crate) tokens: AtomicU64,
}

/// What is to be looked at while somebody waits.
#[derive(Default)]
pub(crate) struct Watch {
    /// May end it.
    pub(crate) cancel: Option<Py<Cancel>>,
    /// Runs what callbacks return to be awaited; otherwise the package's own loop does.
    pub(crate) event_loop: Option<Py<PyAny>>,
    /// Is called with samples, tokens and seconds.
    pub(crate) progress: Option<(Py<PyAny>, Arc<Counter>)>,
}

/// What a thread waits for.
struct Waiting {
    event_loop: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

thread_local! {
    /// A callback may search itself, so there may be several.
    static WAITING: RefCell<Vec<Waiting>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a callback raised that has no way to fail, until the work that called it ends; of a thread where nobody waits, the
/// work that ends next.
pub(crate) fn raise_later(error: PyErr) {
    let left = WAITING.with_borrow_mut(|all| match all.last_mut() {
        Some(own) => {
            own.raised.get_or_insert(error);
            None
        }
        None => Some(error),
    });
    if let Some(error) = left {
        errors::keep(error);
    }
}

/// The event loop of the caller, if it has one.
pub(crate) fn event_loop(py: Python<'_>) -> Option<Py<PyAny>> {
    WAITING.with_borrow(|all| {
        let own = all.last()?.event_loop.as_ref()?;
        Some(own.clone_ref(py))
    })
}

/// Lets go of what a thread waits for, whichever way it ends.
struct Entered;

impl Entered {
    fn with(event_loop: Option<Py<PyAny>>) -> Self {
        let raised = None;
        WAITING.with_borrow_mut(|all| all.push(Waiting { event_loop, raised }));
        Self
    }

    fn raised(&self) -> Option<PyErr> {
        WAITING.with_borrow_mut(|all| all.last_mut().and_then(|own| own.raised.take()))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Dropped outside of the borrow: what is let go may call back.
        let last = WAITING.with_borrow_mut(Vec::pop);
        drop(last);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Does work that waits, without Python's lock.
pub(crate) fn wait<T, F>(
    py: Python<'_>,
    watch: &Watch,
    work: impl FnOnce() -> F + Send,
) -> PyResult<T>
where
    T: Send,
    F: Future<Output = Result<T, Failure>>,
{
    let event_loop = watch.event_loop.as_ref().map(|own| own.clone_ref(py));
    let outcome = py.detach(|| {
        let entered = Entered::with(event_loop);
        let done = poll(watch, work());
        match entered.raised().or_else(errors::kept) {
            Some(error) => Err(error),
            None => done,
        }
    })?;
    outcome.map_err(|failure| errors::raised(py, &failure))
}

/// Does work that does not wait, without Python's lock.
pub(crate) fn detached<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Failure> + Send,
) -> PyResult<T> {
    // Done when it is polled: only then is it known where what callbacks raise goes.
    wait(py, &Watch::default(), || async move { work() })
}

fn poll<F: Future>(watch: &Watch, future: F) -> PyResult<F::Output> {
    let begun = Instant::now();
    let (mut looked, mut told) = (begun, begun);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            watch.tell(begun)?;
            return Ok(output);
        }
        thread::park_timeout(TICK);
        if looked.elapsed() < TICK {
            continue;
        }
        looked = Instant::now();
        Python::attach(|py| match &watch.cancel {
            Some(cancel) if cancel.get().0.load(Ordering::Relaxed) => {
                Err(errors::run(py, "the search was cancelled"))
            }
            _ => py.check_signals(),
        })?;
        if told.elapsed() >= PAUSE {
            told = Instant::now();
            watch.tell(begun)?;
        }
    }
}

impl Watch {
    fn tell(&self, begun: Instant) -> PyResult<()> {
        let Some((listener, counter)) = &self.progress else {
            return Ok(());
        };
        let samples = counter.samples.load(Ordering::Relaxed);
        let tokens = counter.tokens.load(Ordering::Relaxed);
        let told = (samples, tokens, begun.elapsed().as_secs_f64());
        Python::attach(|py| listener.call1(py, told).map(drop))
    }
}
