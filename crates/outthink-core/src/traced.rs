//! Which trace a call to a model belongs to, for servers that are asked on its behalf (W3C Trace Context).
//!
//! Policies and verifiers know nothing of traces. Whoever traces a search polls its calls under a context ([`traced`]), and whoever
//! sends a request to a server on the way puts the context into its head ([`traceparent`]).

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The header `traceparent` of whatever is polled on this thread now, if it is traced.
pub fn traceparent() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Polls `work` under a context; none leaves it untraced. Work that it spawns is under it only if it is wrapped as well.
///
/// ```
/// # use outthink_core::{traced, traceparent};
/// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let inside = traced(Some(parent.into()), async { traceparent() });
/// assert_eq!(futures::executor::block_on(inside).as_deref(), Some(parent));
/// assert_eq!(traceparent(), None);
/// ```
pub fn traced<F: Future>(parent: Option<Arc<str>>, work: F) -> Traced<F> {
    Traced {
        parent,
        work: Box::pin(work),
    }
}

/// A future under a context; made by [`traced`].
pub struct Traced<F> {
    parent: Option<Arc<str>>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Put back also where the work panics.
        let _before = Before(CURRENT.replace(self.parent.clone()));
        self.work.as_mut().poll(context)
    }
}

struct Before(Option<Arc<str>>);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
