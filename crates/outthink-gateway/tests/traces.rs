//! Spans of requests at a mock collector, and contexts that come in and go out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use outthink_gateway::{Keys, Settings, Traces};
use serde_json::{Value, json};

use server::{Server, asked, with};

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Takes what comes and answers with a status: heads and bodies.
fn collector(status: u16) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap_or(0) == 0 {
                        break;
                    }
                }
                let head = head.to_lowercase();
                let Some(length) = head.split("content-length: ").nth(1) else {
                    break;
                };
                let length = length.lines().next().unwrap().parse().unwrap();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}"
                )
                .unwrap();
                if tell
                    .send((head, serde_json::from_slice(&body).unwrap()))
                    .is_err()
                {
                    return;
                }
            }
        }
    });
    (address, told)
}

fn traced(endpoint: &str) -> Server {
    let variables = HashMap::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=searchers"),
    ]);
    let value = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let traces = Traces::from_variables(value).unwrap();
    Server::traced(Keys::default(), Settings::default(), traces)
}

/// The spans of the next trace that arrives.
fn spans(told: &Receiver<(String, Value)>) -> Vec<Value> {
    let (head, body) = told.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(head.contains("x-team: searchers") && head.contains("application/json"));
    let resource = &body["resourceSpans"][0];
    assert_eq!(attribute(&resource["resource"], "service.name"), "outthink");
    resource["scopeSpans"][0]["spans"]
        .as_array()
        .unwrap()
        .clone()
}

fn attribute(of: &Value, key: &str) -> Value {
    let all = of["attributes"].as_array().unwrap();
    let own = all.iter().find(|own| own["key"] == key);
    let value = own.map(|own| own["value"].as_object().unwrap());
    value.map_or(Value::Null, |value| value.values().next().unwrap().clone())
}

#[test]
fn a_search_is_a_span_with_its_rounds_and_calls_below_it_and_none_of_its_text() {
    let (address, told) = collector(200);
    let server = traced(&address);
    let line = format!("{CHAT}\r\ntraceparent: 00-{TRACE}-{PARENT}-01");
    let (status, _, reply) = server.send(&line, &asked("beam:small", "say 4711").to_string());
    assert_eq!(status, 200, "{reply}");
    let reply: Value = serde_json::from_str(&reply).unwrap();
    let spans = spans(&told);
    let (request, below) = spans.split_first().unwrap();
    assert_eq!(request["traceId"], TRACE);
    assert_eq!(request["parentSpanId"], PARENT);
    assert_eq!(
        (&request["name"], &request["kind"]),
        (&json!("chat beam:small"), &json!(2))
    );
    assert_eq!(attribute(request, "gen_ai.response.model"), "small");
    assert_eq!(attribute(request, "outthink.method"), "beam");
    assert_eq!(attribute(request, "outthink.stopped_by"), "end");
    assert_eq!(attribute(request, "http.response.status_code"), "200");
    assert_eq!(
        attribute(request, "gen_ai.usage.output_tokens"),
        reply["usage"]["completion_tokens"].to_string()
    );
    let named =
        |name: &str| -> Vec<&Value> { below.iter().filter(|span| span["name"] == name).collect() };
    let rounds = named("round");
    let (draws, scores) = (named("text_completion small"), named("score judge"));
    assert!(rounds.len() >= 2 && !scores.is_empty(), "{below:?}");
    assert_eq!(below.len(), rounds.len() + draws.len() + scores.len());
    for round in &rounds {
        assert_eq!(round["parentSpanId"], request["spanId"]);
    }
    let ids: Vec<&Value> = rounds.iter().map(|round| &round["spanId"]).collect();
    let drawn = |span: &&Value| -> u64 {
        assert!(ids.contains(&&span["parentSpanId"]), "{span}");
        assert!(span.get("status").is_none(), "{span}");
        let tokens = attribute(span, "gen_ai.usage.output_tokens");
        tokens.as_str().unwrap().parse().unwrap()
    };
    let total: u64 = draws.iter().chain(&scores).map(drawn).sum();
    assert_eq!(json!(total), reply["usage"]["completion_tokens"]);
    let time = |span: &Value, of: &str| -> u64 { span[of].as_str().unwrap().parse().unwrap() };
    for span in below {
        assert_eq!(span["traceId"], TRACE);
        assert!(time(span, "startTimeUnixNano") >= time(request, "startTimeUnixNano"));
        assert!(time(span, "endTimeUnixNano") <= time(request, "endTimeUnixNano"));
    }
    assert!(!json!(spans).to_string().contains("4711"));
}

#[test]
fn what_is_passed_on_carries_the_context_of_its_own_span() {
    let (address, told) = collector(200);
    let server = traced(&address);
    let (_, reply) = server.chat(&asked("far", "say 7"));
    let sent = reply["traceparent"].as_str().unwrap().to_owned();
    let spans = spans(&told);
    let span = &spans[0];
    let own = [&span["traceId"], &span["spanId"]].map(|id| id.as_str().unwrap());
    assert_eq!(sent, format!("00-{}-{}-01", own[0], own[1]));
    // One without a trace sends none.
    let (_, reply) = Server::open().chat(&asked("far", "say 7"));
    assert_eq!(reply["traceparent"], Value::Null);
}

#[test]
fn failures_are_marked_and_a_client_that_does_not_record_is_not_recorded() {
    let (address, told) = collector(200);
    let server = traced(&address);
    let quiet = format!("{CHAT}\r\ntraceparent: 00-{TRACE}-{PARENT}-00");
    server.send(&quiet, &asked("beam:small", "say 7").to_string());
    let (status, _) = server.chat(&asked("beam:small", "broken"));
    assert_eq!(status, 502);
    let spans = spans(&told);
    assert_ne!(spans[0]["traceId"], TRACE);
    assert_eq!(spans[0]["status"]["code"], 2);
    assert_eq!(attribute(&spans[0], "error.type"), "502");
    let call = spans.iter().find(|span| span["kind"] == 3).unwrap();
    assert_eq!(call["status"]["code"], 2);
}

#[test]
fn a_stream_is_told_when_it_ended() {
    let (address, told) = collector(200);
    let server = traced(&address);
    let streamed = with(asked("beam:small", "say 7"), "stream", json!(true));
    server.chat(&streamed);
    let spans = spans(&told);
    assert_eq!(attribute(&spans[0], "outthink.method"), "beam");
    assert!(spans.len() > 2);
}

#[test]
fn a_collector_that_fails_or_is_not_there_fails_no_request_and_stops_no_shutdown() {
    let (failing, _told) = collector(503);
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    // Takes connections and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", deaf.local_addr().unwrap());
    for address in [failing, format!("http://{nobody}"), silent] {
        let server = traced(&address);
        for number in 0..5 {
            let (status, reply) = server.chat(&asked("beam:small", &format!("say {number}")));
            assert_eq!(status, 200, "{reply}");
        }
        drop(server);
    }
}
