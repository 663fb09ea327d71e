//! The runtime that requests run on, so that callers can poll a policy or verifier on any executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use outthink_core::{traced, traceparent};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::Timeout;

use crate::Error;

/// One thread is enough to keep any fleet of servers busy, and requests never move between cores.
const THREADS: usize = 1;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, Error> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("outthink-remote")
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// Work on the runtime. Dropping it aborts the work and with it the requests in flight.
pub(crate) struct BackgroundTask<T>(JoinHandle<Result<T, Error>>);

/// Starts work on the runtime.
pub(crate) fn start<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<BackgroundTask<T>, Error> {
    // What is asked for on behalf of a trace stays a part of it on the other thread.
    let work = traced(traceparent(), work);
    Ok(BackgroundTask(runtime()?.spawn(work)))
}

/// Starts work on the runtime and waits for it on this thread.
pub(crate) fn wait_for<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    futures::executor::block_on(start(work)?)
}

/// Puts a time limit on a future, on this runtime's timer.
pub(crate) fn timeout<F: Future>(limit: Duration, work: F) -> Result<Timeout<F>, Error> {
    let _inside = runtime()?.enter();
    Ok(tokio::time::timeout(limit, work))
}

impl<T> Future for BackgroundTask<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|done| done.unwrap_or(Err(Error::Stopped)))
    }
}

impl<T> Drop for BackgroundTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
