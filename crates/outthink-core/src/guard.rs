//! A panic of a model, the grader or our own code ends the work that it happened in, and nothing else.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::future::FutureExt;

/// Work that panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked, which is a fault of this program: {0}")]
pub struct Panicked(String);

impl Panicked {
    /// What the panic said.
    pub fn said(&self) -> &str {
        &self.0
    }

    fn new(payload: &(dyn Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().map(ToString::to_string);
        let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
        Self(said.unwrap_or_else(|| "it does not say why".into()))
    }
}

/// The same for work that waits for nothing.
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    done.map_err(|payload| Panicked::new(payload.as_ref()))
}

/// Does the work. What it was in the middle of is dropped with it if it panics, so nobody sees it half done.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|payload| Panicked::new(payload.as_ref()))
}
