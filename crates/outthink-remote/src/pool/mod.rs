//! The servers of one role: which one gets a request, and what happens when one does not answer.

mod first_contact;
mod lease;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use tokio::sync::Notify;

use crate::balance::{Balancer, Placement, RequestCounts};
use crate::breaker::Fault;
use crate::change::Change;
use crate::config::{Role, Servers};
use crate::endpoint::Endpoint;
use crate::http::{BodyPart, Http, TransportError};
use crate::refusal::learns;
use crate::request::{ApiRequest, ResponseReader, take};
use crate::sse::Events;
use crate::{Error, Notice};

pub(crate) use lease::{Grant, Granted, Lease, Waiting};

const SHORTEST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How long is waited for unreachable servers at the first contact.
pub(crate) const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// The user is told of a busy server after this.
const BUSY_NOTICE_AFTER: Duration = Duration::from_secs(5);
/// Answers without a choice after which a request fails.
const MOST_EMPTY_ANSWERS: usize = 3;

/// What happened at one server so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStats {
    /// The server's address.
    pub endpoint: String,
    /// Requests answered.
    pub answered: u64,
    /// Requests that were sent and brought no usable answer. What the server spent on them is unknown, and counted
    /// nowhere else.
    pub wasted: u64,
    /// How often it said that it is overloaded.
    pub busy: u64,
    /// Connections refused.
    pub refused: u64,
    /// The current limit on requests in flight.
    pub limit: usize,
}

pub(crate) struct Pool {
    role: Role,
    http: Http,
    endpoints: Vec<Endpoint>,
    state: Mutex<Balancer>,
    /// Notified when a server comes back or is left alone.
    changed: Notify,
    timeout: Duration,
    patience: Duration,
    attempts: usize,
    /// Has the user been told that a server is busy?
    announced_busy: AtomicBool,
    notice: Box<dyn Fn(Notice) + Send + Sync>,
    jitter: AtomicU64,
}

impl Pool {
    pub(crate) fn new(
        role: Role,
        servers: &Servers,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let key = servers.key(role)?;
        let endpoints: Vec<Endpoint> = servers
            .urls
            .iter()
            .map(|url| Endpoint::new(url, key.as_ref()))
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(Error::Url {
                url: String::new(),
                reason: "there is no server".into(),
            });
        }
        Ok(Self {
            role,
            http: Http::new(endpoints.iter().any(Endpoint::is_https))?,
            state: Mutex::new(Balancer::new(endpoints.len(), servers.concurrency)),
            endpoints,
            changed: Notify::new(),
            timeout: servers.timeout(),
            patience: servers.patience(),
            attempts: servers.attempts.max(1),
            announced_busy: AtomicBool::new(false),
            notice: Box::new(notice),
            jitter: AtomicU64::new(u64::from(std::process::id())),
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    pub(crate) fn stats(&self) -> Vec<EndpointStats> {
        let state = self.state();
        let of = |(index, endpoint): (usize, &Endpoint)| {
            let RequestCounts {
                answered,
                wasted,
                busy,
                refused,
            } = state.counts(index);
            EndpointStats {
                endpoint: endpoint.name().to_owned(),
                answered,
                wasted,
                busy,
                refused,
                limit: state.limit(index),
            }
        };
        self.endpoints.iter().enumerate().map(of).collect()
    }

    /// Limits the requests in flight at a server to what it says it can take.
    pub(crate) fn cap(&self, endpoint: usize, most: usize) {
        self.state().cap(endpoint, most);
    }

    /// The most answers that one request may ask for (`n`) at every server, as far as known.
    pub(crate) fn answers(&self) -> usize {
        let most = self
            .endpoints
            .iter()
            .filter_map(|endpoint| endpoint.changes().answers());
        most.min().unwrap_or(usize::MAX)
    }

    /// Tells the user that a server answers again, if none did.
    pub(crate) fn is_back(&self, endpoint: usize) {
        let back = self.state().comes_back();
        if back {
            (self.notice)(Notice::Up {
                role: self.role,
                endpoint: self.endpoints[endpoint].name().to_owned(),
            });
        }
    }

    /// Sends a request to one of the servers and reads its answer; tries again after failures that this may mend. `key`
    /// is the same for requests that begin alike, which go to the server that has that beginning cached.
    ///
    /// Nothing of a failed attempt is kept, so nothing of it is counted twice.
    ///
    /// # Errors
    ///
    /// Where a server refuses the request, all attempts failed, or no server answered for as long as is waited.
    pub(crate) async fn ask<R: ResponseReader>(
        self: &Arc<Self>,
        key: u64,
        request: &ApiRequest,
        reader: impl Fn() -> R,
    ) -> Result<R::Value, Error> {
        let (mut attempts, mut empty) = (0, 0);
        let mut busy = 0;
        let mut busy_since = None;
        // Changes that this request needs beside those that the server is known to need.
        let mut found: Vec<Change> = Vec::new();
        loop {
            let lease = self.lease(key).await?;
            let endpoint = &self.endpoints[lease.endpoint];
            let name = endpoint.name();
            let mut reading = reader();
            let mut changes = endpoint.changes().clone();
            for change in &found {
                changes.add(*change);
            }
            let body = changes.apply(&request.body);
            let failure = match self
                .send(endpoint, request, body.clone(), &mut reading)
                .await
            {
                Ok(()) => match reading.finish(name) {
                    Ok((value, work)) => {
                        let at = lease.endpoint;
                        lease.answered(work);
                        self.is_back(at);
                        self.announced_busy.store(false, Ordering::Relaxed);
                        self.remember(endpoint, &found);
                        return Ok(value);
                    }
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            let last = failure.to_string();
            let pause = match failure {
                TransportError::Fatal(error) => {
                    lease.answered(0);
                    return Err(error);
                }
                TransportError::Refused(status, refusal) => {
                    lease.answered(0);
                    if learns(&refusal, status, &body, &mut found) {
                        continue;
                    }
                    return Err(self.refused(endpoint, status, &refusal.message));
                }
                TransportError::Failed(status, ref refusal)
                    if learns(refusal, status, &body, &mut found) =>
                {
                    lease.answered(0);
                    continue;
                }
                TransportError::Busy(after, message) => {
                    // The server did no work on it, so it is no attempt; but the waiting has an end.
                    let since = *busy_since.get_or_insert_with(Instant::now);
                    busy += 1;
                    if since.elapsed() >= self.patience {
                        lease.busy(None);
                        return Err(self.gave_up(name, attempts + busy, last));
                    }
                    let long = since.elapsed() >= BUSY_NOTICE_AFTER
                        || after.is_some_and(|after| after >= BUSY_NOTICE_AFTER);
                    if long {
                        self.announce_busy(name, message);
                    }
                    lease.busy(after);
                    let left = self.patience.saturating_sub(since.elapsed());
                    match after {
                        Some(_) => Duration::ZERO,
                        None => self.backoff(busy + 1).min(left),
                    }
                }
                TransportError::NoChoice(sent) => {
                    // The server works; it may have no answer to this request alone.
                    lease.answered(0);
                    empty += 1;
                    if empty >= MOST_EMPTY_ANSWERS.min(self.attempts) {
                        return Err(Error::NoChoices {
                            endpoint: name.to_owned(),
                            attempts: empty,
                            sent,
                        });
                    }
                    self.backoff(empty)
                }
                TransportError::Unreachable(_) => {
                    lease.failed(Fault::Unreachable, &last);
                    Duration::ZERO
                }
                TransportError::Broken(_)
                | TransportError::TimedOut(_)
                | TransportError::Failed(..)
                | TransportError::Malformed(_) => {
                    attempts += 1;
                    lease.failed(Fault::BadAnswer, &last);
                    if attempts >= self.attempts {
                        return Err(self.gave_up(name, attempts, last));
                    }
                    self.backoff(attempts)
                }
            };
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Sends a request once, to a server that is up. Returns the answer's head, and the place in flight that it takes
    /// until the lease is told how the answer ended.
    ///
    /// # Errors
    ///
    /// Where no server is up, or the one that was reached gave no answer.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        key: u64,
        path: &'static str,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Lease), Error> {
        loop {
            let choice = self.state().choose(key, Instant::now());
            let lease = match choice {
                Placement::Room(endpoint) => Lease::new(self, endpoint),
                Placement::Queue(granted) => match granted.await {
                    Ok(Grant(lease)) => lease,
                    // The server that it queued at is left alone now.
                    Err(_) => continue,
                },
                Placement::Down { since, reason, .. } => {
                    return Err(self.down(since.elapsed(), &reason));
                }
            };
            let endpoint = &self.endpoints[lease.endpoint];
            let sent = self.http.open(endpoint, Method::POST, path, body.clone());
            let sent = tokio::time::timeout(self.timeout, sent).await;
            let failure = match sent.unwrap_or(Err(TransportError::TimedOut(self.timeout))) {
                Ok(response) => {
                    lease.heard();
                    return Ok((response, lease));
                }
                Err(failure) => failure,
            };
            let last = failure.to_string();
            if !matches!(failure, TransportError::Unreachable(_)) {
                lease.failed(Fault::BadAnswer, &last);
                return Err(self.gave_up(endpoint.name(), 1, last));
            }
            lease.failed(Fault::Unreachable, &last);
        }
    }

    async fn send<R: ResponseReader>(
        &self,
        endpoint: &Endpoint,
        request: &ApiRequest,
        body: Bytes,
        reader: &mut R,
    ) -> Result<(), TransportError> {
        let mut events = Events::default();
        let mut take = |part: BodyPart| take(reader, endpoint, &mut events, part);
        if request.stream {
            return self
                .http
                .stream(endpoint, request.path, body, self.timeout, &mut take)
                .await;
        }
        let answer = self
            .http
            .exchange(endpoint, Method::POST, request.path, body, self.timeout)
            .await?;
        // Some servers stream unasked.
        match answer.events || answer.body.starts_with(b"data:") {
            true => take(BodyPart::Data(answer.body))
                .and_then(|last| Ok(last || take(BodyPart::End)?))
                .map(|_| ()),
            false => take(BodyPart::Whole(answer.body)).map(|_| ()),
        }
    }

    /// Keeps the changes that made a request succeed, and tells the user of new ones.
    fn remember(&self, endpoint: &Endpoint, found: &[Change]) {
        for change in found {
            let new = endpoint.changes().add(*change);
            if new {
                (self.notice)(Notice::Changed {
                    role: self.role,
                    endpoint: endpoint.name().to_owned(),
                    change: change.to_string(),
                });
            }
        }
    }

    /// Waits for a place at a server.
    async fn lease(self: &Arc<Self>, key: u64) -> Result<Lease, Error> {
        loop {
            // Registered before the state is looked at, so that no change is missed in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let choice = self.state().choose(key, Instant::now());
            match choice {
                Placement::Room(endpoint) => return Ok(Lease::new(self, endpoint)),
                Placement::Queue(granted) => {
                    if let Ok(Grant(lease)) = granted.await {
                        return Ok(lease);
                    }
                    // The server that it queued at is left alone now.
                }
                Placement::Down {
                    since,
                    next,
                    reason,
                } => {
                    let waited = since.elapsed();
                    let Some(left) = self.patience.checked_sub(waited) else {
                        return Err(self.down(waited, &reason));
                    };
                    let pause = match next {
                        Some(next) => next.saturating_duration_since(Instant::now()).min(left),
                        None => left,
                    };
                    let _ = tokio::time::timeout(pause, changed).await;
                }
            }
        }
    }

    fn down(&self, waited: Duration, last: &str) -> Error {
        Error::Down {
            role: self.role,
            waited: Duration::from_secs(waited.as_secs()),
            last: last.to_owned(),
        }
    }

    /// The error of a refused request, with a hint where a key is missing.
    fn refused(&self, endpoint: &Endpoint, status: StatusCode, message: &str) -> Error {
        let needs_key = status == StatusCode::UNAUTHORIZED && endpoint.key().is_none();
        let hint = match (needs_key, self.role) {
            (false, _) => "",
            (true, Role::Policy) => "; it wants a key: OUTTHINK_POLICY_KEY is not set",
            (true, Role::Verifier) => "; it wants a key: OUTTHINK_VERIFIER_KEY is not set",
        };
        Error::Refused {
            endpoint: endpoint.name().to_owned(),
            status: status.as_u16(),
            message: format!("{message}{hint}"),
        }
    }

    /// Tells the user that a server is busy, once until one answers.
    fn announce_busy(&self, endpoint: &str, reason: String) {
        if !self.announced_busy.swap(true, Ordering::Relaxed) {
            (self.notice)(Notice::Busy {
                role: self.role,
                endpoint: endpoint.to_owned(),
                reason,
                patience: self.patience,
            });
        }
    }

    fn gave_up(&self, endpoint: &str, attempts: usize, last: String) -> Error {
        Error::GaveUp {
            endpoint: endpoint.to_owned(),
            attempts,
            last,
        }
    }

    /// The pause after this many attempts: it doubles each time, and is shortened at random by up to half.
    fn backoff(&self, attempts: usize) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(10);
        let full = LONGEST_BACKOFF.min(SHORTEST_BACKOFF * 2u32.pow(doublings));
        full.mul_f64(0.5 + self.jitter() / 2.0)
    }

    /// A random number in [0, 1). It only affects timing, never what is drawn.
    fn jitter(&self) -> f64 {
        let count = self.jitter.fetch_add(1, Ordering::Relaxed);
        // SplitMix64's finalizer.
        let mut x = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x >> 40) as f64 / (1u64 << 24) as f64
    }

    fn state(&self) -> MutexGuard<'_, Balancer> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the free places of a server to requests that wait.
    fn hand_on(self: &Arc<Self>, endpoint: usize) {
        loop {
            let waiting = self.state().next_waiting(endpoint);
            let Some(waiting) = waiting else { return };
            // A receiver that has been dropped gives the place back, which takes the lock: so it is not held here.
            let _ = waiting.send(Grant(Lease::new(self, endpoint)));
        }
    }
}
