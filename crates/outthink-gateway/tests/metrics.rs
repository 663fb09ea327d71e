//! OpenTelemetry's metrics of generative models, as Prometheus reads them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use serde_json::json;

use server::{Server, asked, with};

/// The value of the series with this name and all of these labels; each is found once at most.
fn value(metrics: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}=\"{value}\""))
        .collect();
    let series = metrics.lines().filter(|line| {
        line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label))
    });
    let values: Vec<f64> = series
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(values.len() <= 1, "{name} {labels:?}");
    values.first().copied()
}

#[test]
fn every_request_counts_its_tokens_and_its_time_under_names_that_clients_cannot_make_up() {
    let server = Server::open();
    let (_, reply) = server.chat(&asked("beam:small", "say 42"));
    let streamed = with(asked("beam:small", "say 42"), "stream", json!(true));
    server.chat(&streamed);
    server.chat(&asked("small", "one two"));
    server.chat(&asked("far", "say 7"));
    assert_eq!(server.chat(&asked("majority:small", "broken")).0, 502);
    let many = with(asked("small", "say 7"), "n", json!(100_000));
    assert_eq!(server.chat(&many).0, 400);
    assert_eq!(server.chat(&asked("a-name-of-mine", "say 7")).0, 404);
    let old = json!({"model": "small", "prompt": "one two"}).to_string();
    server.send("POST /v1/completions HTTP/1.1", &old);
    let (_, _, metrics) = server.send("GET /metrics HTTP/1.1", "");

    let tokens = |model, kind, of: &str| {
        let labels = [
            ("gen_ai_operation_name", "chat"),
            ("gen_ai_provider_name", "outthink"),
            ("gen_ai_request_model", model),
            ("gen_ai_response_model", "small"),
            ("gen_ai_token_type", kind),
        ];
        value(
            &metrics,
            &format!("gen_ai_client_token_usage_{of}"),
            &labels,
        )
    };
    let usage = |field: &str| 2.0 * reply["usage"][field].as_f64().unwrap();
    assert_eq!(
        tokens("beam:small", "output", "sum"),
        Some(usage("completion_tokens"))
    );
    assert_eq!(
        tokens("beam:small", "input", "sum"),
        Some(usage("prompt_tokens"))
    );
    assert_eq!(tokens("beam:small", "input", "count"), Some(2.0));
    assert_eq!(tokens("small", "output", "count"), Some(1.0));
    assert_eq!(tokens("majority:small", "output", "count"), None);

    let requests = |labels: &[(&str, &str)]| {
        value(
            &metrics,
            "gen_ai_server_request_duration_seconds_count",
            labels,
        )
    };
    assert_eq!(
        requests(&[("gen_ai_request_model", "beam:small")]),
        Some(2.0)
    );
    assert_eq!(requests(&[("gen_ai_response_model", "far")]), Some(1.0));
    assert_eq!(
        requests(&[("gen_ai_operation_name", "text_completion")]),
        Some(1.0)
    );
    let failed = [
        ("gen_ai_request_model", "majority:small"),
        ("error_type", "502"),
    ];
    assert_eq!(requests(&failed), Some(1.0));
    let refused = [("gen_ai_request_model", "small"), ("error_type", "400")];
    assert_eq!(requests(&refused), Some(1.0));
    let last = ("le", "81.92");
    assert_eq!(
        value(
            &metrics,
            "gen_ai_server_request_duration_seconds_bucket",
            &[("gen_ai_request_model", "beam:small"), last]
        ),
        Some(2.0)
    );
    assert!(!metrics.contains("a-name-of-mine"));
}
