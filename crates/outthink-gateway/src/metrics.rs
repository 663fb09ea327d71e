//! What is counted, as Prometheus reads it.

use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::search::Report;

/// Makes the recorder and installs it, once a process; a second server in one process shares the first one's.
pub(crate) fn install() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    let made = HANDLE.get_or_init(|| {
        let buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];
        let recorder = PrometheusBuilder::new()
            .set_buckets(&buckets)
            .unwrap_or_default()
            .build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the gateway may have a recorder of their own; then that one counts.
        let _ = metrics::set_global_recorder(recorder);
        handle
    });
    made.clone()
}

/// Gathers what was recorded since the last time: without, it is kept one by one until somebody scrapes.
pub(crate) async fn gather(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        handle.run_upkeep();
    }
}

/// A request that was answered.
pub(crate) fn answered(route: &'static str, status: u16, since: Instant) {
    counter!("outthink_requests_total", "route" => route, "status" => status.to_string())
        .increment(1);
    histogram!("outthink_request_seconds", "route" => route).record(since.elapsed().as_secs_f64());
}

/// A search that ended.
pub(crate) fn searched(report: &Report) {
    counter!("outthink_searches_total", "method" => report.method.clone(), "stopped_by" => report.stopped_by).increment(1);
    counter!("outthink_policy_tokens_total").increment(report.usage.policy.generated);
    counter!("outthink_policy_computed_tokens_total").increment(report.usage.policy.computed);
    counter!("outthink_verifier_tokens_total").increment(report.usage.verifier.computed);
    histogram!("outthink_search_seconds", "method" => report.method.clone()).record(report.seconds);
}

/// How many search and how many wait.
pub(crate) fn load((searching, waiting): (usize, usize)) {
    gauge!("outthink_searches_running").set(searching as f64);
    gauge!("outthink_searches_waiting").set(waiting as f64);
}
