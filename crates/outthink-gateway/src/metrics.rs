//! What is counted, as Prometheus reads it.

use std::time::{Duration, Instant};

use metrics::{Label, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::record::Names;
use crate::search::Report;

/// `gen_ai.provider.name`: who answers, as far as clients know.
pub(crate) const PROVIDER: &str = "outthink";

const TOKENS: &str = "gen_ai_client_token_usage";
const SECONDS: &str = "gen_ai_server_request_duration_seconds";

/// Makes the recorder and installs it, once a process; a second server in one process shares the first one's.
pub(crate) fn install() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    let made = HANDLE.get_or_init(|| {
        let recorder = builder().unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the gateway may have a recorder of their own; then that one counts.
        let _ = metrics::set_global_recorder(recorder);
        handle
    });
    made.clone()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];
    // Those that the conventions name; a search takes longer than one call, so there is one more pair.
    let tokens: Vec<f64> = (0..14).map(|power| 4f64.powi(power)).collect();
    let seconds: Vec<f64> = (0..16).map(|power| 0.01 * 2f64.powi(power)).collect();
    PrometheusBuilder::new()
        .set_buckets(&buckets)?
        .set_buckets_for_metric(Matcher::Full(TOKENS.into()), &tokens)?
        .set_buckets_for_metric(Matcher::Full(SECONDS.into()), &seconds)
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
    if let Some(lost) = report.lost {
        counter!("outthink_samples_lost_total").increment(lost);
    }
    histogram!("outthink_search_seconds", "method" => report.method.clone()).record(report.seconds);
}

/// What a request read and drew, by OpenTelemetry's conventions for generative models.
pub(crate) fn tokens(names: &Names, read: u64, drawn: u64) {
    for (kind, count) in [("input", read), ("output", drawn)] {
        histogram!(
            TOKENS,
            "gen_ai_operation_name" => names.operation,
            "gen_ai_provider_name" => PROVIDER,
            "gen_ai_request_model" => names.asked.clone(),
            "gen_ai_response_model" => names.answers.clone(),
            "gen_ai_token_type" => kind,
        )
        .record(count as f64);
    }
}

/// How long a request took to its last byte, by the same conventions; `error_type` is there where it failed.
pub(crate) fn ended(names: &Names, error: Option<&str>, since: Instant) {
    let mut labels = vec![
        Label::new("gen_ai_operation_name", names.operation),
        Label::new("gen_ai_provider_name", PROVIDER),
        Label::new("gen_ai_request_model", names.asked.clone()),
        Label::new("gen_ai_response_model", names.answers.clone()),
    ];
    labels.extend(error.map(|error| Label::new("error_type", error.to_owned())));
    histogram!(SECONDS, labels).record(since.elapsed().as_secs_f64());
}

/// How many search and how many wait.
pub(crate) fn load((searching, waiting): (usize, usize)) {
    gauge!("outthink_searches_running").set(searching as f64);
    gauge!("outthink_searches_waiting").set(waiting as f64);
}
