//! Work on a thread of its own: what tokenizers, graders and models compute there holds up no other request.

use std::any::Any;
use std::convert::Infallible;
use std::pin::pin;

use futures::channel::oneshot;
use futures::future::{Either, select};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// It panicked.
#[derive(Debug)]
pub(crate) struct Panicked(pub String);

impl Panicked {
    /// What a panic said.
    pub(crate) fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(text.unwrap_or("no message").to_owned())
    }
}

/// Runs to its end what `work` begins. Dropping this drops the work where it next waits for something.
pub(crate) async fn apart<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, Panicked>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (_wanted, unwanted) = oneshot::channel::<Infallible>();
    let runtime = Handle::current();
    let done = spawn_blocking(move || {
        runtime.block_on(async {
            match select(pin!(work()), unwanted).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            }
        })
    });
    match done.await {
        Ok(Some(done)) => Ok(done),
        // Only at the end of the runtime; then nobody is told.
        Ok(None) => Err(Panicked("it was stopped".into())),
        Err(error) => Err(match error.try_into_panic() {
            Ok(payload) => Panicked::of(&*payload),
            Err(_) => Panicked("it was stopped".into()),
        }),
    }
}
