//! The server: connections in, connections out, and an orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::auth::Keys;
use crate::handlers;
use crate::metrics;
use crate::models::Models;
use crate::patience::Patient;
use crate::queue::Queue;

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Searches at once.
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

/// A server's state.
pub struct Gateway {
    pub(crate) models: Models,
    pub(crate) keys: Keys,
    pub(crate) settings: Settings,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) closing: AtomicBool,
    /// Seconds since 1970.
    pub(crate) started: u64,
}

impl Gateway {
    /// Serves these models to whoever holds one of the keys, or to everyone if there are none.
    pub fn new(models: Models, keys: Keys, settings: Settings) -> Arc<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Arc::new(Self {
            models,
            keys,
            settings,
            queue: Queue::new(settings.searches, settings.waiting),
            metrics: metrics::install(),
            closing: AtomicBool::new(false),
            started: now.map(|now| now.as_secs()).unwrap_or_default(),
        })
    }
}

/// Serves until `shutdown` resolves; then takes no more, lets what runs end, and returns.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let service = TowerToHyperService::new(handlers::router(Arc::clone(&gateway)));
    let room = Arc::new(Semaphore::new(gateway.settings.connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(gateway.settings.head_seconds))
        .max_buf_size(64 << 10)
        .max_headers(100);
    let stall = Duration::from_secs(gateway.settings.stall_seconds);
    let gathering = tokio::spawn(metrics::gather(gateway.metrics.clone()));
    let mut shutdown = std::pin::pin!(shutdown);
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
                    // Out of file handles, say: others may close theirs.
                    tracing::warn!(%error, "cannot accept a connection");
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
    gateway.closing.store(true, Ordering::Relaxed);
    let grace = Duration::from_secs(gateway.settings.grace_seconds);
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were still running after {} s", grace.as_secs());
    }
    gathering.abort();
    Ok(())
}

/// Clients come and go; only what is wrong with them is worth a line.
fn closed(peer: SocketAddr, error: &hyper::Error) {
    if !error.is_incomplete_message() && !error.is_closed() {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}
