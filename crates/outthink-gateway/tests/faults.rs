//! What clients do that they should not, and what the gateway makes of it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use outthink_gateway::{Keys, Settings};
use serde_json::{Value, json};

use server::{Server, asked, with};

/// Waits for what must come; not a timing, only an end to a test that fails.
fn wait_until(what: &str, mut comes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !comes() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_leaves_ends_its_search() {
    let server = Server::open();
    for stream in [false, true] {
        let body = with(asked("majority:small", "drip"), "stream", json!(stream));
        let client = server.begin(&body);
        let dripped = || server.dripped.load(Ordering::SeqCst);
        let before = dripped();
        wait_until("the search begins", || dripped() > before);
        drop(client);
        wait_until("the search ends", || {
            server.running.load(Ordering::SeqCst) == 0
        });
        let at_the_end = dripped();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(dripped(), at_the_end, "tokens are drawn for nobody");
    }
}

#[test]
fn who_does_not_read_holds_up_nobody_and_is_hung_up_on() {
    let settings = Settings {
        searches: 1,
        stall_seconds: 1,
        ..Settings::default()
    };
    let server = Server::start(Keys::default(), settings);
    // More than the sockets between the two hold.
    let flood = with(
        with(asked("majority:small", "flood"), "stream", json!(true)),
        "outthink",
        json!({"budget": 32, "trace": true}),
    );
    let mut deaf = server.begin(&flood);
    let mut first = [0];
    deaf.read_exact(&mut first).unwrap();
    let (status, reply) = server.chat(&asked("majority:small", "say 3"));
    assert_eq!((status, &reply["outthink"]["answer"]), (200, &json!("3")));
    wait_until("a connection that nobody reads from is closed", || {
        deaf.write_all(b"x").is_err()
    });
    // Who takes a little now and then is waited for.
    let mut slow = server.begin(&flood);
    let mut read = Vec::new();
    let mut buffer = vec![0; 4 << 20];
    loop {
        std::thread::sleep(Duration::from_millis(150));
        let count = slow.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..count]);
        if count == 0 {
            break;
        }
    }
    assert!(read.len() > 32 << 20);
    assert!(String::from_utf8_lossy(&read).contains("data: [DONE]"));
}

#[test]
fn a_hundred_clients_at_once_all_get_their_answers() {
    let server = Server::start(
        Keys::default(),
        Settings {
            connections: 64,
            ..Settings::default()
        },
    );
    std::thread::scope(|scope| {
        for client in 0..100 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..5 {
                    let number = (100 * round + client).to_string();
                    let model = ["small", "small", "far", "beam:small", "majority:small"]
                        [(client + round) % 5];
                    let body = asked(model, &format!("say {number}"));
                    let body = with(body, "stream", json!(model != "far"));
                    let mut reply = String::new();
                    server.begin(&body).read_to_string(&mut reply).unwrap();
                    let whole = reply.ends_with("0\r\n\r\n") || model == "far";
                    let streamed = model == "far" || reply.contains("data: [DONE]");
                    assert!(
                        reply.starts_with("HTTP/1.1 200")
                            && whole
                            && streamed
                            && reply.contains(&number),
                        "{model}: {reply}"
                    );
                }
            });
        }
    });
}

#[test]
fn connections_that_are_half_open_do_not_keep_others_out() {
    let settings = Settings {
        connections: 8,
        head_seconds: 1,
        body_seconds: 1,
        ..Settings::default()
    };
    let server = Server::start(Keys::default(), settings);
    let silent: Vec<_> = (0..8).map(|_| server.connect()).collect();
    assert_eq!(server.send("GET /health HTTP/1.1", "").0, 200);
    drop(silent);
    let half_bodies: Vec<_> = (0..8)
        .map(|_| {
            let mut half = server.connect();
            half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{\"model\"")
                .unwrap();
            half
        })
        .collect();
    assert_eq!(server.send("GET /health HTTP/1.1", "").0, 200);
    for mut half in half_bodies {
        let mut answer = String::new();
        let _ = half.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(
            answer.contains("the body did not arrive within 1 s"),
            "{answer}"
        );
    }
}

#[test]
fn too_many_searches_are_told_to_come_again() {
    let settings = Settings {
        searches: 1,
        waiting: 1,
        ..Settings::default()
    };
    let server = Server::start(Keys::default(), settings);
    let body = asked("majority:small", "slow 5").to_string();
    let begin = || {
        let mut client = server.connect();
        write!(
            client,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        client
    };
    let (_running, _waiting) = (begin(), begin());
    let mut load = Value::Null;
    while load["waiting"] != 1 {
        load = serde_json::from_str(&server.send("GET /ready HTTP/1.1", "").2).unwrap();
    }
    for (model, stream) in [
        ("majority:small", false),
        ("majority:small", true),
        ("small", true),
    ] {
        let body = with(asked(model, "say 1"), "stream", json!(stream)).to_string();
        let (status, head, body) = server.send("POST /v1/chat/completions HTTP/1.1", &body);
        assert_eq!(status, 429, "before a stream begins: {body}");
        assert!(head.contains("retry-after: 2"), "{head}");
        assert!(body.contains("rate_limit_exceeded"), "{body}");
    }
}

#[test]
fn a_panic_ends_its_request_and_nothing_else() {
    let settings = Settings {
        searches: 1,
        ..Settings::default()
    };
    let server = Server::start(Keys::default(), settings);
    for model in [
        "small",
        "majority:small",
        "beam:small",
        "small",
        "majority:small",
    ] {
        let body = asked(model, "burst");
        let (status, head, reply) =
            server.send("POST /v1/chat/completions HTTP/1.1", &body.to_string());
        assert_eq!(status, 500, "{reply}");
        assert!(
            head.contains("x-request-id: ") && reply.contains("server_error"),
            "{head}"
        );
        assert!(!reply.contains("burst"), "{reply}");
        let mut stream = String::new();
        let mut client = server.begin(&with(body, "stream", json!(true)));
        // Hung up on, rather than ended.
        let _ = client.read_to_string(&mut stream);
        assert!(stream.starts_with("HTTP/1.1 200"), "{stream}");
        assert!(stream.contains("server_error"), "{stream}");
        assert!(
            !stream.contains("[DONE]") && !stream.ends_with("0\r\n\r\n"),
            "{stream}"
        );
    }
    // A model here that panicked apart from the request.
    let body = asked("majority:small", "buggy").to_string();
    let (status, head, reply) = server.send("POST /v1/chat/completions HTTP/1.1", &body);
    assert_eq!(status, 500, "{reply}");
    assert!(
        head.contains("x-request-id: ") && !reply.contains("bounds"),
        "{head}{reply}"
    );
    let (status, reply) = server.chat(&asked("majority:small", "say 3"));
    assert_eq!((status, &reply["outthink"]["answer"]), (200, &json!("3")));
}

#[test]
fn malformed_and_oversized_requests_do_no_harm() {
    let settings = Settings {
        body_bytes: 1000,
        head_seconds: 1,
        ..Settings::default()
    };
    let server = Server::start(Keys::default(), settings);
    let post = |body: &str| server.send("POST /v1/chat/completions HTTP/1.1", body).0;
    assert_eq!(post("{"), 400);
    assert_eq!(post("[]"), 400);
    assert_eq!(post(&"[".repeat(900)), 400);
    assert_eq!(post("{\"model\": \"small\", \"messages\": {}}"), 400);
    assert_eq!(post(&"x".repeat(2000)), 413);
    // A body in chunks that never ends.
    let mut endless = server.connect();
    endless
        .write_all(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n",
        )
        .unwrap();
    wait_until("an endless body is refused", || {
        endless
            .write_all(b"8\r\nxxxxxxxx\r\n".repeat(100).as_slice())
            .is_err()
    });
    assert_eq!(server.send("GET /nowhere HTTP/1.1", "").0, 404);
    assert_eq!(server.send("GET /v1/chat/completions HTTP/1.1", "").0, 405);
    // A head that never ends, and one that is far too long.
    let mut half = server.connect();
    half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    let floods = [
        "x: y\r\n".repeat(50_000),
        "x: y\r\n".repeat(150) + "\r\n",
        format!("x: {}", "y".repeat(1 << 20)),
    ];
    for flood in floods.iter().cycle().take(60) {
        let mut client = server.connect();
        let _ = client.write_all(format!("GET / HTTP/1.1\r\n{flood}").as_bytes());
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    let mut answer = String::new();
    let _ = half.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert_eq!(server.send("GET /health HTTP/1.1", "").0, 200);
}

#[test]
fn a_shutdown_lets_what_runs_end() {
    let mut server = Server::open();
    let body = with(
        asked("majority:small", "slow 5"),
        "outthink",
        json!({"budget": 8, "max_seconds": 1.0}),
    )
    .to_string();
    let mut client = server.connect();
    write!(client, "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    while server.running.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(server.stop.take());
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("\"max_seconds\""),
        "{text}"
    );
}
