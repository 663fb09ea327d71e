//! The server: connections in, connections out, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use outthink_strategy::Strategy;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use crate::auth::{Keys, LiveKeys};
use crate::door::Door;
use crate::error::ApiError;
use crate::handlers;
use crate::live::Live;
use crate::metrics;
use crate::models::Models;
use crate::observe::{identify, observe};
use crate::patience::Patient;
use crate::queue::Queue;
use crate::traces::Traces;

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Searches at once; at least one.
    pub searches: usize,
    /// Searches that may wait for their turn.
    pub waiting: usize,
    /// Largest body.
    pub body_bytes: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send a request's head.
    pub head_seconds: u64,
    /// How long its body may take.
    pub body_seconds: u64,
    /// How long a client may take nothing of what it is sent.
    pub stall_seconds: u64,
    /// How long what is running may take to end at shutdown.
    pub grace_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            searches: 8,
            waiting: 256,
            body_bytes: 4 << 20,
            connections: 8192,
            head_seconds: 10,
            body_seconds: 30,
            stall_seconds: 60,
            grace_seconds: 30,
        }
    }
}

/// The state of a server of searches.
pub struct Gateway {
    models: Live<Models>,
    keys: LiveKeys,
    pub(crate) settings: Settings,
    /// Whose turn it is to use the models here.
    pub(crate) queue: Arc<Queue>,
    /// Whose turn it is to be passed on: as many as a key may have, and no fewer for what is searched here.
    pub(crate) passing: Arc<Queue>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) traces: Option<Traces>,
    /// Seconds since 1970.
    pub(crate) started: u64,
}

impl Gateway {
    /// Serves these models to whoever holds one of the keys, or to this machine if there are none.
    pub fn new(models: Models, keys: Keys, settings: Settings) -> Arc<Self> {
        Self::traced(models, keys, settings, None)
    }

    /// The same, which also tells a collector what it does for each request.
    pub fn traced(
        models: Models,
        keys: Keys,
        settings: Settings,
        traces: Option<Traces>,
    ) -> Arc<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Arc::new(Self {
            models: Live::new(models),
            keys: LiveKeys::new(keys),
            settings,
            queue: Queue::new(settings.searches.max(1), settings.waiting),
            passing: Queue::new(usize::MAX, settings.waiting),
            metrics: metrics::install(),
            traces,
            started: now.map(|now| now.as_secs()).unwrap_or_default(),
        })
    }
}

impl Gateway {
    /// What is served now; a request that began with it ends with it.
    pub(crate) fn models(&self) -> Arc<Models> {
        self.models.get()
    }

    /// Who may ask, to be renewed.
    pub fn keys(&self) -> LiveKeys {
        self.keys.clone()
    }

    /// Gives a policy another strategy, for requests from now on; false where no policy has this name. Whether the strategy fits
    /// the models that are served, the caller knows.
    pub fn renew_strategy(&self, policy: &str, strategy: Arc<Strategy>) -> bool {
        let mut models = Models::clone(&self.models.get());
        let served = models.policies.iter_mut().find(|own| own.name == policy);
        let found = served.is_some();
        if let Some(served) = served {
            served.strategy = Some(strategy);
            self.models.set(models);
        }
        found
    }
}

/// Serves until `shutdown` resolves; then takes no more, lets what runs end, and returns.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (keys, settings) = (gateway.keys.clone(), gateway.settings);
    let gathering = tokio::spawn(metrics::gather(gateway.metrics.clone()));
    let traces = gateway.traces.clone();
    let routes = handlers::routes(gateway);
    let served = host(routes, keys, settings, traces, listener, shutdown).await;
    gathering.abort();
    served
}

/// What a server answers.
pub struct Routes {
    /// To everyone who reaches it.
    pub open: Router,
    /// To whoever has a key, where there are keys.
    pub guarded: Router,
}

/// What is the same for all requests.
pub(crate) struct Host {
    pub(crate) door: Door,
    pub(crate) traces: Option<Traces>,
    pub(crate) closing: AtomicBool,
}

/// Serves any routes as the gateway's are: keys, or requests of this machine only; bounds in time and size; an id and a line in the
/// log for each request, and a trace where there is a collector; an orderly end.
pub async fn host(
    routes: Routes,
    keys: LiveKeys,
    settings: Settings,
    traces: Option<Traces>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (stop, stopped) = oneshot::channel();
    let sending = traces.clone().map(|own| tokio::spawn(own.send(stopped)));
    let served = take(routes, keys, settings, traces, listener, shutdown).await;
    drop(stop);
    if let Some(sending) = sending {
        // It bounds its own time; how it ended is in the log.
        let _ = sending.await;
    }
    served
}

/// Takes requests until `shutdown` resolves.
async fn take(
    routes: Routes,
    keys: LiveKeys,
    settings: Settings,
    traces: Option<Traces>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let host = Arc::new(Host {
        traces,
        door: Door::new(keys, listener.local_addr()?.ip()),
        closing: AtomicBool::new(false),
    });
    let guarded = routes.guarded;
    let guarded = guarded.layer(from_fn_with_state(Arc::clone(&host), identify));
    let router = routes
        .open
        .merge(guarded)
        .fallback(|| async { ApiError::no_route() })
        .method_not_allowed_fallback(|| async { ApiError::no_method() })
        .layer(from_fn_with_state(Arc::clone(&host), observe));
    let service = TowerToHyperService::new(router);
    let room = Arc::new(Semaphore::new(settings.connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(settings.head_seconds))
        .max_buf_size(64 << 10)
        .max_headers(100);
    let stall = Duration::from_secs(settings.stall_seconds);
    let mut shutdown = std::pin::pin!(shutdown);
    let mut refused = Refused::default();
    loop {
        let permit = tokio::select! {
            () = &mut shutdown => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(tries) = refused.again(Instant::now()) {
                        tracing::warn!(%error, tries, "cannot accept a connection");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Answers are small and streams are read as they come: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let stream = TokioIo::new(Patient::new(stream, stall));
        let connection = builder.serve_connection(stream, service.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                closed(peer, &error);
            }
            drop(permit);
        });
    }
    drop(listener);
    host.closing.store(true, Ordering::Relaxed);
    let grace = Duration::from_secs(settings.grace_seconds);
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still running after {} s", grace.as_secs());
    }
    Ok(())
}

/// Connections that could not be accepted, for want of file handles, say: others may close theirs. One line in ten seconds tells it.
#[derive(Default)]
struct Refused {
    told: Option<Instant>,
    since: usize,
}

impl Refused {
    /// How many there were since it was told last, if it is time to tell it again.
    fn again(&mut self, now: Instant) -> Option<usize> {
        const SILENCE: Duration = Duration::from_secs(10);
        self.since += 1;
        if self
            .told
            .is_some_and(|told| now.duration_since(told) < SILENCE)
        {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

/// Clients come and go; only what is wrong with them is worth a line.
fn closed(peer: SocketAddr, error: &hyper::Error) {
    if !error.is_incomplete_message() && !error.is_closed() {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_out_of_file_handles_says_so_now_and_then_and_counts_the_rest() {
        let (mut refused, start) = (Refused::default(), Instant::now());
        let at = |tick: u64| start + Duration::from_millis(50 * tick);
        let told: Vec<(u64, usize)> = (0..1200)
            .filter_map(|tick| Some((tick / 20, refused.again(at(tick))?)))
            .collect();
        // A minute of twenty failures a second.
        assert_eq!(
            told,
            [
                (0, 1),
                (10, 200),
                (20, 200),
                (30, 200),
                (40, 200),
                (50, 200)
            ]
        );
    }
}
