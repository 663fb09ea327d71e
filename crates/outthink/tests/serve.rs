//! `outthink serve` as a process before a server that misbehaves, with clients that expect better.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../../outthink-remote/tests/mock/mod.rs"]
mod mock;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mock::{Act, Mock, Request};
use serde_json::{Value, json};

/// A gateway over one mock.
struct Served {
    process: Child,
    address: String,
    config: PathBuf,
}

impl Served {
    fn before(mock: &Mock, settings: &str) -> Self {
        Self::set(mock, settings, &[])
    }

    /// With variables.
    fn set(mock: &Mock, settings: &str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("outthink-serve-{}-{number}.toml", std::process::id());
        let config = std::env::temp_dir().join(name);
        let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro/micro-0.3m");
        std::fs::write(
            &config,
            format!(
                "[policy]\nurls = [{:?}]\ntokenizer = {tokenizer:?}\n{settings}\n",
                mock.url()
            ),
        )
        .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(["serve", "--listen", "127.0.0.1:0", "--verifier", "none"])
            .arg("--policy")
            .arg(&config)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim_start_matches("http://").split('/').next();
        Self {
            address: address.unwrap().to_owned(),
            process,
            config,
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    /// A request under way.
    fn begin(&self, body: &Value) -> std::io::Result<TcpStream> {
        let (mut stream, body) = (self.connect()?, body.to_string());
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}",
            body.len()
        );
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
        Ok(stream)
    }

    fn ask(&self, body: &Value) -> (u16, Value) {
        let mut stream = self.begin(body).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        // What is passed on comes in one chunk.
        let json = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
        (status, serde_json::from_str(json).unwrap())
    }

    fn searching(&self) -> u64 {
        let mut stream = self.connect().unwrap();
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let ready: Value = serde_json::from_str(&reply[reply.find('{').unwrap()..]).unwrap();
        ready["searching"].as_u64().unwrap()
    }

    fn terminate(&self) {
        let pid = self.process.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.unwrap().success());
    }

    #[cfg(target_os = "linux")]
    fn resident_megabytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.process.id());
        let pages = std::fs::read_to_string(path).unwrap();
        let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        (pages * 4096) >> 20
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

/// Waits for what must come; not a timing, only an end to a test that fails.
fn wait_until(what: &str, mut comes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !comes() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn search(budget: usize) -> Value {
    json!({"model": "majority:micro", "seed": 7, "outthink": {"budget": budget},
        "messages": [{"role": "user", "content": "Evaluate $3+4$."}]})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn chat() -> Value {
    json!({"model": "micro", "messages": [{"role": "user", "content": "hello"}]})
}

/// Draws in 30 ms, and says of a chat what its `act` says.
fn slow(act: impl Fn() -> Act + Send + Sync + 'static) -> Mock {
    Mock::start(move |request: &Request| match request.path.as_str() {
        "/v1/chat/completions" => act(),
        "/v1/completions" => {
            thread::sleep(Duration::from_millis(30));
            mock::policy(request)
        }
        _ => mock::policy(request),
    })
}

fn said() -> Act {
    Act::Json(json!({"choices": [{"message": {"content": "hello"}}]}))
}

#[test]
fn the_models_server_is_told_which_trace_each_of_its_requests_belongs_to() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let mock = Mock::start(move |request: &Request| {
        if request.path.ends_with("/completions") {
            seen.lock().unwrap().push(request.traceparent.clone());
        }
        match request.path.as_str() {
            "/v1/chat/completions" => said(),
            _ => mock::policy(request),
        }
    });
    // Nobody collects there.
    let collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let asked = |variables: &[(&str, &str)]| -> Vec<Vec<Option<String>>> {
        let served = Served::set(&mock, "", variables);
        let heads = |body: &Value| {
            heads.lock().unwrap().clear();
            let (status, reply) = served.ask(body);
            assert_eq!(status, 200, "{reply}");
            heads.lock().unwrap().clone()
        };
        vec![heads(&search(4)), heads(&chat())]
    };
    let traced = asked(&collector);
    let trace =
        |head: &Option<String>| head.as_ref().unwrap().split('-').nth(1).unwrap().to_owned();
    let traces: Vec<Vec<String>> = traced
        .iter()
        .map(|heads| heads.iter().map(trace).collect())
        .collect();
    for own in &traces {
        assert!(
            !own.is_empty() && own.iter().all(|trace| *trace == own[0]),
            "{traces:?}"
        );
    }
    assert_ne!(traces[0][0], traces[1][0]);
    assert!(asked(&[]).iter().flatten().all(Option::is_none));
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_search_and_comes_back_costs_no_sample() {
    let mut mock = slow(said);
    let served = Served::before(&mock, "concurrency = 4");
    let (_, undisturbed) = served.ask(&search(32));
    let before = mock.asked();
    thread::scope(|scope| {
        let searching = scope.spawn(|| served.ask(&search(32)));
        wait_until("the search is under way", || mock.asked() >= before + 8);
        mock.kill();
        thread::sleep(Duration::from_millis(100));
        mock.begin();
        let (status, reply) = searching.join().unwrap();
        assert_eq!(status, 200, "{reply}");
        for told in ["samples", "votes", "answer"] {
            assert_eq!(
                reply["outthink"][told], undisturbed["outthink"][told],
                "{told}"
            );
        }
        assert_eq!(
            reply["usage"]["completion_tokens"],
            undisturbed["usage"]["completion_tokens"]
        );
    });
}

#[test]
fn a_server_that_stays_dead_is_an_error_of_what_was_asked_of_it() {
    let mut mock = slow(said);
    let served = Served::before(&mock, "concurrency = 4\npatience_seconds = 0.5");
    let before = mock.asked();
    thread::scope(|scope| {
        let whole = scope.spawn(|| served.ask(&search(64)));
        let streamed = scope.spawn(|| {
            let body = with(search(64), "stream", json!(true));
            let mut reply = String::new();
            served
                .begin(&body)
                .unwrap()
                .read_to_string(&mut reply)
                .unwrap();
            reply
        });
        wait_until("the searches are under way", || mock.asked() >= before + 12);
        mock.kill();
        let (status, reply) = whole.join().unwrap();
        assert_eq!(
            (status, &reply["error"]["type"]),
            (502, &json!("upstream_error")),
            "{reply}"
        );
        let reply = streamed.join().unwrap();
        assert!(
            reply.contains("upstream_error") && reply.contains("data: [DONE]"),
            "{reply}"
        );
    });
    assert_eq!(served.ask(&chat()).0, 502);
    mock.begin();
    wait_until("the server is asked again", || served.ask(&chat()).0 == 200);
    assert_eq!(served.ask(&search(4)).0, 200);
}

#[test]
fn a_stream_that_breaks_off_upstream_breaks_off_here_too() {
    let event = || json!({"choices": [{"delta": {"content": "word "}}]}).to_string();
    let asked = AtomicUsize::new(0);
    let mock = slow(move || match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Act::Stream(vec![event(), event()], false),
        1 => Act::Truncated(json!({"choices": [{"message": {"content": "hello"}}]}).to_string()),
        _ => Act::Stream(vec![event(), "[DONE]".into()], true),
    });
    let served = Served::before(&mock, "");
    let told = |body: &Value| {
        let mut reply = Vec::new();
        let _ = served.begin(body).unwrap().read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    };
    let stream = with(chat(), "stream", json!(true));
    let broken = told(&stream);
    assert_eq!(broken.matches("word").count(), 2, "{broken}");
    assert!(
        !broken.ends_with("0\r\n\r\n"),
        "it must not look whole: {broken}"
    );
    let broken = told(&chat());
    assert!(
        !broken.ends_with("0\r\n\r\n"),
        "it must not look whole: {broken}"
    );
    let whole = told(&stream);
    assert!(
        whole.contains("data: [DONE]") && whole.ends_with("0\r\n\r\n"),
        "{whole}"
    );
}

#[test]
fn a_client_that_leaves_stops_the_requests_of_its_search() {
    let mock = slow(said);
    let served = Served::before(&mock, "concurrency = 2");
    for stream in [false, true] {
        let before = mock.asked();
        let client = served
            .begin(&with(search(512), "stream", json!(stream)))
            .unwrap();
        wait_until("the search is under way", || mock.asked() >= before + 6);
        drop(client);
        wait_until("the search ends", || served.searching() == 0);
        let asked = mock.asked();
        thread::sleep(Duration::from_millis(300));
        let more = mock.asked() - asked;
        assert!(more <= 2, "{more} requests after the client left");
    }
}

/// One client that reads little, and what the gateway holds for many of them.
#[cfg(target_os = "linux")]
#[test]
fn slow_readers_of_long_streams_neither_fill_memory_nor_hold_up_others() {
    const READERS: usize = 24;
    let event = json!({"choices": [{"delta": {"content": "x".repeat(1 << 20)}}]}).to_string();
    let mock = slow(move || Act::Stream(vec![event.clone(); 20], true));
    let served = Served::before(&mock, "");
    let before = served.resident_megabytes();
    let stream = with(chat(), "stream", json!(true));
    let mut readers: Vec<TcpStream> = (0..READERS)
        .map(|_| served.begin(&stream).unwrap())
        .collect();
    for _ in 0..20 {
        for reader in &mut readers {
            reader.read_exact(&mut [0]).unwrap();
        }
        thread::sleep(Duration::from_millis(25));
    }
    let grown = served.resident_megabytes().saturating_sub(before);
    assert!(
        grown < 120,
        "{grown} MB for {READERS} readers of 20 MB each"
    );
    assert_eq!(served.ask(&search(4)).0, 200);
    let mut whole = Vec::new();
    readers.pop().unwrap().read_to_end(&mut whole).unwrap();
    assert!(whole.len() > 20 << 20 && whole.ends_with(b"0\r\n\r\n"));
}

#[test]
fn sigterm_under_load_ends_everything_that_was_begun_and_begins_nothing_more() {
    let mock = slow(|| {
        thread::sleep(Duration::from_millis(30));
        said()
    });
    let mut served = Served::before(&mock, "");
    let (going, whole) = (AtomicBool::new(true), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..20 {
            let (served, going, whole) = (&served, &going, &whole);
            scope.spawn(move || {
                let body = match client % 4 {
                    0 => search(4),
                    1 => with(search(4), "stream", json!(true)),
                    _ => chat(),
                };
                while going.load(Ordering::SeqCst) {
                    let mut reply = Vec::new();
                    let Ok(mut stream) = served.begin(&body) else {
                        break;
                    };
                    // A connection that was not accepted is reset, which is told before any byte of a reply.
                    let read = stream.read_to_end(&mut reply);
                    if reply.is_empty() {
                        continue;
                    }
                    let reply = String::from_utf8(reply).unwrap();
                    let ok = reply.starts_with("HTTP/1.1 200") || reply.starts_with("HTTP/1.1 503");
                    let end = reply.ends_with("0\r\n\r\n") || reply.ends_with('}');
                    assert!(read.is_ok() && ok && end, "{reply}");
                    whole.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        wait_until("there is load", || whole.load(Ordering::SeqCst) >= 60);
        served.terminate();
        wait_until("it listens no more", || served.connect().is_err());
        going.store(false, Ordering::SeqCst);
    });
    assert!(served.process.wait().unwrap().success());
}
