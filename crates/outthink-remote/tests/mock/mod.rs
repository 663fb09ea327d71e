//! A server that does what a test says: on raw TCP, because half of what it has to do is not HTTP.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What a client sent.
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) authorization: Option<String>,
    pub(crate) traceparent: Option<String>,
    /// How many questions, as opposed to probes, came before.
    pub(crate) number: usize,
}

/// What the mock does with it.
pub(crate) enum Act {
    Json(Value),
    Status(u16, Value),
    /// With these headers.
    Headers(u16, Vec<(&'static str, String)>, Value),
    /// A body as a real server wrote it.
    Recorded(u16, String),
    /// Events, and whether the stream ends as it should.
    Stream(Vec<String>, bool),
    /// Only the beginning of a body, then the connection is closed.
    Truncated(String),
    /// A whole body that is no JSON.
    Garbage(&'static str),
    /// The connection is closed without a word.
    Reset,
    /// No answer, until the client hangs up.
    Hang,
    /// Something of a content type, as often as the client takes it.
    Endless(&'static str, &'static [u8]),
}

type Acts = dyn Fn(&Request) -> Act + Send + Sync;

pub(crate) struct Mock {
    address: SocketAddr,
    acts: Arc<Acts>,
    up: Option<Up>,
    shared: Arc<Shared>,
}

struct Up {
    stop: Arc<AtomicBool>,
    accepting: thread::JoinHandle<()>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

#[derive(Default)]
struct Shared {
    asked: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    hung_up: AtomicUsize,
    bodies: Mutex<Vec<(String, Value)>>,
}

impl Mock {
    pub(crate) fn start(acts: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let mut mock = Self::absent(acts);
        mock.begin();
        mock
    }

    /// An address where nobody is yet.
    pub(crate) fn absent(acts: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            acts: Arc::new(acts),
            up: None,
            shared: Arc::default(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Questions that came, probes left out.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }

    /// Clients that hung up on a question.
    pub(crate) fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }

    pub(crate) fn bodies(&self) -> Vec<(String, Value)> {
        self.shared.bodies.lock().unwrap().clone()
    }

    /// As after SIGKILL: the port is free and every connection is broken.
    pub(crate) fn kill(&mut self) {
        let Some(up) = self.up.take() else { return };
        up.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        up.accepting.join().unwrap();
        for connection in up.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Starts, or starts again at the same address.
    pub(crate) fn begin(&mut self) {
        let listener = bind(self.address);
        let stop = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (stopping, kept) = (Arc::clone(&stop), Arc::clone(&connections));
        let (acts, shared) = (Arc::clone(&self.acts), Arc::clone(&self.shared));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let (acts, shared) = (Arc::clone(&acts), Arc::clone(&shared));
                thread::spawn(move || {
                    let _ = serve(&stream, &*acts, &shared);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        self.up = Some(Up {
            stop,
            accepting,
            connections,
        });
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.kill();
    }
}

fn bind(address: SocketAddr) -> TcpListener {
    for _ in 0..100 {
        match TcpListener::bind(address) {
            Ok(listener) => return listener,
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("{address} stays taken");
}

fn serve(mut stream: &TcpStream, acts: &Acts, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let question = is_question(&path);
        let request = Request {
            number: match question {
                true => shared.asked.fetch_add(1, Ordering::SeqCst),
                false => 0,
            },
            authorization: headers.remove("authorization"),
            traceparent: headers.remove("traceparent"),
            path,
            body,
        };
        if question {
            let bodies = &mut shared.bodies.lock().unwrap();
            bodies.push((request.path.clone(), request.body.clone()));
            let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            shared.most_in_flight.fetch_max(now, Ordering::SeqCst);
        }
        let act = acts(&request);
        let result = perform(act, &mut stream, shared);
        if question {
            shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        }
        if !result? {
            return Ok(());
        }
    }
}

fn is_question(path: &str) -> bool {
    matches!(
        path,
        "/v1/completions"
            | "/v1/chat/completions"
            | "/chat/completions"
            | "/completion"
            | "/pooling"
            | "/generate"
    )
}

/// True if the connection goes on.
fn perform(act: Act, stream: &mut &TcpStream, shared: &Shared) -> std::io::Result<bool> {
    let mut whole = |status: u16, headers: &[(&str, String)], body: &str| {
        let mut head = format!(
            "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes())
    };
    match act {
        Act::Json(body) => whole(200, &[], &body.to_string()).map(|()| true),
        Act::Status(status, body) => whole(status, &[], &body.to_string()).map(|()| true),
        Act::Headers(status, headers, body) => {
            whole(status, &headers, &body.to_string()).map(|()| true)
        }
        Act::Recorded(status, body) => whole(status, &[], &body).map(|()| true),
        Act::Garbage(body) => whole(200, &[], body).map(|()| true),
        Act::Truncated(body) => {
            let half = &body[..body.len() / 2];
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{half}").as_bytes())?;
            Ok(false)
        }
        Act::Stream(events, ends) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for event in events {
                let data = format!("data: {event}\n\n");
                let sent = stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes());
                // A client that hangs up resets the connection at the next write.
                if sent.is_err() || is_closed(stream) {
                    shared.hung_up.fetch_add(1, Ordering::SeqCst);
                    return Ok(false);
                }
            }
            if ends {
                stream.write_all(b"0\r\n\r\n")?;
            }
            Ok(ends)
        }
        Act::Endless(kind, part) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            let much = part.repeat((1 << 20) / part.len());
            while stream.write_all(&much).is_ok() {}
            shared.hung_up.fetch_add(1, Ordering::SeqCst);
            Ok(false)
        }
        Act::Reset => Ok(false),
        Act::Hang => {
            stream.set_read_timeout(None)?;
            let mut byte = [0];
            let _ = stream.read(&mut byte);
            shared.hung_up.fetch_add(1, Ordering::SeqCst);
            Ok(false)
        }
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    thread::sleep(Duration::from_millis(2));
    stream.set_nonblocking(true).unwrap();
    let closed = matches!(stream.peek(&mut [0]), Ok(0));
    stream.set_nonblocking(false).unwrap();
    closed
}

/// The micro tokenizer's tokens that the mock models write with.
pub(crate) mod token {
    pub(crate) const END: u32 = 3;
    pub(crate) const MARK: u32 = 4;
    pub(crate) const SEPARATOR: u32 = 6;
    pub(crate) const BOX: u32 = 7;
    pub(crate) const ZERO: u32 = 23;
    pub(crate) const CLOSE: u32 = 43;
}

fn spell(token: u32) -> String {
    match token {
        token::SEPARATOR => "\n\n".into(),
        token::BOX => "\\boxed{".into(),
        token::CLOSE => "}".into(),
        digit @ token::ZERO..=32 => (digit - token::ZERO).to_string(),
        _ => String::new(),
    }
}

fn hash(prompt: &[u32], seed: u64) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for token in prompt {
        hash = (hash ^ u64::from(*token)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 29)
}

/// What the mock policy writes after a prefix: a digit a step, and after the third step an answer.
fn written(prompt: &[u32], seed: u64, whole: bool) -> Vec<u32> {
    let mut prefix = prompt.to_vec();
    let start = prefix.len();
    loop {
        let draw = hash(&prefix, seed);
        let steps = prefix.iter().filter(|t| **t == token::SEPARATOR).count();
        let digit = token::ZERO + (draw % 3) as u32;
        if steps >= 3 {
            prefix.extend([token::BOX, digit, token::CLOSE, token::END]);
            break;
        }
        prefix.extend([digit, token::SEPARATOR]);
        if !whole {
            break;
        }
    }
    prefix.split_off(start)
}

pub(crate) fn tokens(value: &Value) -> Vec<u32> {
    let array = value.as_array().unwrap();
    array.iter().map(|t| t.as_u64().unwrap() as u32).collect()
}

/// vLLM's answer to a completion, in the shape of the recorded ones.
pub(crate) fn completion(body: &Value) -> Value {
    let prompt = tokens(&body["prompt"]);
    let whole = body["stop"].is_null();
    let written = written(&prompt, body["seed"].as_u64().unwrap_or(0), whole);
    let ended = written.last() == Some(&token::END);
    let spelled: Vec<String> = written.iter().map(|t| spell(*t)).collect();
    json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"], "choices": [{
        "index": 0, "text": spelled.concat(),
        "logprobs": {"text_offset": [], "token_logprobs": vec![-0.5; written.len()], "tokens": spelled, "top_logprobs": null},
        "finish_reason": "stop", "stop_reason": if ended { Value::Null } else { json!("\n\n") },
        "token_ids": written, "prompt_token_ids": prompt}],
        "usage": {"prompt_tokens": prompt.len(), "completion_tokens": written.len(),
            "prompt_tokens_details": {"cached_tokens": 0}}})
}

/// The same as a stream of one token an event.
pub(crate) fn completion_events(body: &Value) -> Vec<String> {
    let whole = completion(body);
    let choice = &whole["choices"][0];
    let written = tokens(&choice["token_ids"]);
    let mut events: Vec<String> = Vec::new();
    for (at, token) in written.iter().enumerate() {
        let last = at + 1 == written.len();
        events.push(json!({"choices": [{"index": 0, "text": spell(*token), "token_ids": [token],
            "logprobs": {"text_offset": [0], "token_logprobs": [-0.5], "tokens": [spell(*token)], "top_logprobs": null},
            "finish_reason": if last { json!("stop") } else { Value::Null }, "stop_reason": null}]}).to_string());
    }
    events.push(json!({"choices": [], "usage": whole["usage"]}).to_string());
    events.push("[DONE]".into());
    events
}

/// vLLM's answer to a pooling request of a Qwen PRM: a row a mark.
pub(crate) fn pooled(body: &Value) -> Value {
    let input = tokens(&body["input"]);
    let marks = (0..input.len()).filter(|&at| input[at] == token::MARK);
    let rows: Vec<[f64; 2]> = marks
        .map(|at| {
            let good = (hash(&input[..at], 0) % 1000) as f64 / 1000.0;
            [1.0 - good, good]
        })
        .collect();
    json!({"id": "pooling-1", "object": "list", "created": 1, "model": body["model"],
        "data": [{"index": 0, "object": "pooling", "data": rows}],
        "usage": {"prompt_tokens": input.len(), "total_tokens": input.len(), "completion_tokens": 0, "prompt_tokens_details": null}})
}

/// What a vLLM server says of itself.
pub(crate) fn vllm(request: &Request, model: &str, task: &str) -> Act {
    match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"object": "list", "data": [
            {"id": model, "object": "model", "owned_by": "vllm", "root": "somewhere", "max_model_len": 512}]})),
        "/version" => Act::Json(json!({"version": "0.32.0"})),
        "/openapi.json" => Act::Json(json!({"paths": {task: {}, "/tokenize": {}}})),
        "/metrics" => Act::Garbage(
            "vllm:cache_config_info{block_size=\"16\",enable_prefix_caching=\"True\"} 1.0\n",
        ),
        "/v1/completions" if task == request.path => Act::Json(completion(&request.body)),
        "/pooling" if task == request.path => Act::Json(pooled(&request.body)),
        _ => Act::Status(404, json!({"detail": "Not Found"})),
    }
}

pub(crate) fn policy(request: &Request) -> Act {
    vllm(request, "micro", "/v1/completions")
}

pub(crate) fn prm(request: &Request) -> Act {
    vllm(request, "prm", "/pooling")
}
