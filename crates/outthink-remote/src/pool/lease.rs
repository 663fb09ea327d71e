//! Places at servers: the right to have a request in flight there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Pool;
use crate::Notice;
use crate::breaker::Fault;
use crate::key::ApiKey;

/// A place, handed to a request that waited.
pub(crate) struct Grant(pub(super) Lease);

/// A request that waits for a place.
pub(crate) type Waiting = oneshot::Sender<Grant>;
/// Resolves when a place is free, and fails if the server is left alone before.
pub(crate) type Granted = oneshot::Receiver<Grant>;

/// The right to have one request in flight at one server. Dropped without a report, it says nothing about the server.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    pub(super) endpoint: usize,
    reported: bool,
}

impl Lease {
    pub(super) fn new(pool: &Arc<Pool>, endpoint: usize) -> Self {
        Self {
            pool: Arc::clone(pool),
            endpoint,
            reported: false,
        }
    }

    /// The API key that the server is sent.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.pool.endpoints[self.endpoint].key()
    }

    /// Reports that the answer has begun, so that requests that wait for the server to come back need not wait for its
    /// end.
    pub(super) fn heard(&self) {
        let closed = self.pool.state().heard(self.endpoint);
        if closed {
            self.pool.changed.notify_waiters();
        }
        self.pool.is_back(self.endpoint);
    }

    pub(crate) fn answered(mut self, work: u64) {
        self.reported = true;
        let closed = self
            .pool
            .state()
            .answered(self.endpoint, work, Instant::now());
        if closed {
            self.pool.changed.notify_waiters();
        }
    }

    pub(crate) fn busy(mut self, after: Option<Duration>) {
        self.reported = true;
        let until = after.map(|after| Instant::now() + after.min(self.pool.patience));
        let stranded = self.pool.state().busy(self.endpoint, until);
        drop(stranded);
        self.pool.changed.notify_waiters();
    }

    pub(crate) fn failed(mut self, fault: Fault, reason: &str) {
        self.reported = true;
        let jitter = self.pool.jitter();
        let (down, stranded) =
            self.pool
                .state()
                .failed(self.endpoint, fault, jitter, reason, Instant::now());
        // The requests in its queue choose another server.
        drop(stranded);
        if down {
            (self.pool.notice)(Notice::Down {
                role: self.pool.role,
                reason: reason.to_owned(),
                patience: self.pool.patience,
            });
        }
        self.pool.changed.notify_waiters();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.reported {
            self.pool.state().given_up(self.endpoint);
            self.pool.changed.notify_waiters();
        }
        let pool = Arc::clone(&self.pool);
        pool.hand_on(self.endpoint);
    }
}
