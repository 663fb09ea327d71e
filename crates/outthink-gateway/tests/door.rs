//! Who gets in, how much they may ask for, and what gets out.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::io::{Read, Write};

use outthink_gateway::{Key, Keys, Settings};
use serde_json::{Value, json};

use server::{Server, asked, with};

fn keys(searches: usize, budget: usize) -> Keys {
    let sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"; // of `key`
    Keys {
        keys: vec![Key {
            name: "alice".into(),
            sha256: sha256.into(),
            searches,
            budget,
        }],
    }
}

/// Sends a head as it stands.
fn raw(server: &Server, head: &str, body: &str) -> (u16, String) {
    let mut stream = server.connect();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

#[test]
fn without_keys_only_this_machine_and_its_own_pages_ask() {
    let server = Server::open();
    let body = asked("small", "x").to_string();
    let post = |more: &str| {
        let head = format!("POST /v1/chat/completions HTTP/1.1{more}");
        raw(&server, &head, &body).0
    };
    let port = server.address.port();
    let ours = [
        format!("\r\nhost: localhost:{port}"),
        format!("\r\nhost: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}"),
        "\r\nhost: [::1]:9".into(),
        "\r\nhost: localhost\r\norigin: http://localhost:3000".into(),
    ];
    for head in ours {
        assert_eq!(post(&head), 200, "{head}");
    }
    let strange = [
        "\r\nhost: evil.example",
        "\r\nhost: evil.example\r\norigin: http://evil.example",
        "\r\nhost: localhost\r\norigin: https://evil.example",
        "\r\nhost: localhost\r\norigin: null",
        "\r\nhost: localhost\r\norigin: https://localhost.evil.example",
        "\r\nhost: localhost\r\norigin: http://localhost\r\norigin: http://evil.example",
        "\r\nhost: localhost:8321@evil.example",
        "\r\nhost: ",
    ];
    for head in strange {
        assert_eq!(post(head), 403, "{head}");
    }
    assert_eq!(post(""), 400, "no host");
    assert_eq!(post("\r\nhost: localhost\r\nhost: evil.example"), 400);
    for path in [
        "/",
        "/health",
        "/v1/models",
        "/metrics",
        "http://evil.example/v1/models",
    ] {
        let host = if path.starts_with('/') {
            "evil.example"
        } else {
            "localhost"
        };
        let (status, text) = raw(&server, &format!("GET {path} HTTP/1.1\r\nhost: {host}"), "");
        assert_eq!(status, 403, "{path}");
        assert!(text.contains("permission_error"), "{text}");
    }
    assert_eq!(raw(&server, "GET /v1/models HTTP/1.0", "").0, 200);
    let locked = Server::start(keys(1, 8), Settings::default());
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: api.example\r\norigin: https://app.example";
    assert_eq!(
        raw(
            &locked,
            &format!("{head}\r\nauthorization: Bearer key"),
            &body
        )
        .0,
        200
    );
    assert_eq!(
        raw(&locked, head, &body).0,
        401,
        "whoever has no key is a stranger by any name"
    );
}

#[test]
fn a_key_is_told_by_any_spelling_of_its_scheme() {
    let server = Server::start(keys(1, 8), Settings::default());
    let get = |key: &str| server.send(&format!("GET /v1/models HTTP/1.1{key}"), "");
    for scheme in ["Bearer key", "bearer key", "BEARER  key", " Bearer key "] {
        assert_eq!(
            get(&format!("\r\nauthorization: {scheme}")).0,
            200,
            "{scheme}"
        );
    }
    for wrong in [
        "",
        "\r\nauthorization: key",
        "\r\nauthorization: Basic key",
        "\r\nauthorization: Bearer",
        "\r\nauthorization: Bearer keys",
    ] {
        let (status, head, body) = get(wrong);
        assert_eq!(status, 401, "{wrong}");
        assert!(head.contains("www-authenticate: bearer"), "{head}");
        assert!(body.contains("invalid_api_key"), "{body}");
    }
}

#[test]
fn a_keys_limits_hold_for_what_is_passed_on_too() {
    let server = Server::start(keys(1, 4), Settings::default());
    let ask = |route: &str, body: Value| {
        let head = format!("POST /v1/{route} HTTP/1.1\r\nauthorization: Bearer key");
        server.send(&head, &body.to_string()).0
    };
    // A solution of the policy has at most 64 tokens.
    for (field, value, expected) in [
        ("n", json!(4), 200),
        ("n", json!(5), 400),
        ("n", json!(100_000), 400),
        ("best_of", json!(5), 400),
        ("max_tokens", json!(256), 200),
        ("max_tokens", json!(257), 400),
        ("max_completion_tokens", json!(1_000_000_000), 400),
    ] {
        for model in ["far", "small"] {
            let fits = model == "far" || field == "n";
            let body = with(asked(model, "x"), field, value.clone());
            if fits {
                assert_eq!(
                    ask("chat/completions", body),
                    expected,
                    "{model} {field} {value}"
                );
            }
        }
        let body = with(json!({"model": "far", "prompt": "x"}), field, value.clone());
        assert_eq!(ask("completions", body), expected, "{field} {value}");
    }
    let many = json!({"model": "far", "prompt": ["a", "b"], "n": 3});
    assert_eq!(ask("completions", many), 400);
    let tokens = json!({"model": "far", "prompt": [1, 2, 3, 4, 5, 6, 7]});
    assert_eq!(ask("completions", tokens), 200, "one prompt");
    // One at a time, and one that waits.
    let settings = Settings {
        waiting: 1,
        ..Settings::default()
    };
    let server = Server::start(keys(1, 4), settings);
    let begin = || {
        let mut client = server.connect();
        let body = asked("far", "hold on").to_string();
        write!(client, "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer key\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        client
    };
    let clients: Vec<_> = (0..5).map(|_| begin()).collect();
    let mut statuses: Vec<u16> = clients
        .into_iter()
        .map(|mut client| {
            let mut text = String::new();
            client.read_to_string(&mut text).unwrap();
            text.split(' ').nth(1).unwrap().parse().unwrap()
        })
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
}

#[test]
fn what_a_server_says_of_itself_does_not_get_out() {
    let server = Server::open();
    let ask = |question: &str| {
        let body = asked("far", question).to_string();
        server.send("POST /v1/chat/completions HTTP/1.1", &body)
    };
    for (status, expected) in [
        (400, 400),
        (404, 404),
        (422, 422),
        (401, 502),
        (403, 502),
        (500, 502),
        (429, 429),
        (302, 502),
    ] {
        let (told, head, body) = ask(&format!("status {status}"));
        assert_eq!(told, expected, "{body}");
        assert!(
            !body.contains("10.0.0.7") && !body.contains("gpu7"),
            "{body}"
        );
        assert_eq!(
            body.contains("bad"),
            (400..429).contains(&told),
            "a client hears of its own mistakes: {body}"
        );
        assert_eq!(head.contains("retry-after"), told == 429);
        assert_eq!(
            body.contains("ot-secret"),
            (400..429).contains(&told),
            "{body}"
        );
    }
    let (status, _, body) = ask("unreachable");
    assert!(status == 502 && !body.contains("10.0.0.7"), "{body}");
    let (status, head, _) = ask("html");
    assert!(
        status == 200 && head.contains("x-content-type-options: nosniff"),
        "{head}"
    );
    assert!(
        head.contains("content-security-policy: default-src 'none'; sandbox"),
        "{head}"
    );
    for model in ["majority:small", "majority:far"] {
        let (status, reply) = server.chat(&asked(model, "broken secret-question"));
        let told = reply.to_string();
        assert_eq!(
            (status, &reply["error"]["type"]),
            (502, &json!("upstream_error"))
        );
        assert!(
            !told.contains("fire") && !told.contains("secret-question"),
            "{told}"
        );
    }
}
