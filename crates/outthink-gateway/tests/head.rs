//! What stands in the heads of replies, for proxies that read no bodies.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use serde_json::{Value, json};

use server::{Server, asked, with};

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1";

/// The lines of a reply's head that are ours, sorted.
fn own(server: &Server, line: &str, body: &Value) -> Vec<String> {
    let (status, head, body) = server.send(line, &body.to_string());
    assert_eq!(status, 200, "{body}");
    let mut own: Vec<String> = head
        .lines()
        .filter(|line| line.starts_with("x-outthink-") && !line.starts_with("x-outthink-note"))
        .map(str::to_owned)
        .collect();
    own.sort();
    own
}

#[test]
fn a_search_tells_in_its_head_what_stands_in_its_body() {
    let server = Server::open();
    let capped = with(
        asked("best-of-n:small", "say 7"),
        "outthink",
        json!({"budget": 6, "max_tokens_total": 1}),
    );
    for body in [asked("beam:small", "say 42"), capped] {
        let (_, reply) = server.chat(&body);
        let (told, usage) = (&reply["outthink"], &reply["usage"]["outthink"]);
        let expected = [
            format!("x-outthink-method: {}", told["method"].as_str().unwrap()),
            format!("x-outthink-samples: {}", usage["samples"]),
            format!(
                "x-outthink-stopped-by: {}",
                usage["stopped_by"].as_str().unwrap()
            ),
        ];
        assert_eq!(own(&server, CHAT, &body), expected);
    }
}

#[test]
fn a_stream_tells_what_is_known_at_its_start() {
    let server = Server::open();
    let streamed = |model| with(asked(model, "say 7"), "stream", json!(true));
    assert_eq!(
        own(&server, CHAT, &streamed("beam:small")),
        ["x-outthink-method: beam"]
    );
    assert_eq!(
        own(&server, CHAT, &streamed("small")),
        ["x-outthink-method: none"]
    );
}

#[test]
fn a_reply_without_a_search_says_so_on_both_apis() {
    let server = Server::open();
    let two = with(asked("small", "say 7"), "n", json!(2));
    let none = ["x-outthink-method: none", "x-outthink-samples: 2"];
    assert_eq!(own(&server, CHAT, &two), none);
    let old = json!({"model": "small", "prompt": "say 7", "n": 2});
    assert_eq!(own(&server, "POST /v1/completions HTTP/1.1", &old), none);
    // Only the policy's own server knows how many it drew.
    let far = json!({"model": "far", "prompt": "say 7"});
    assert_eq!(
        own(&server, "POST /v1/completions HTTP/1.1", &far),
        none[..1]
    );
    assert_eq!(own(&server, CHAT, &asked("far", "say 7")), none[..1]);
}
