//! Many clients of a chat API at once, each asking again as soon as it is answered: `clients url=http://HOST:PORT [NAME=VALUE…]`.
//!
//! - `clients` (16), `seconds` (10) after `warm` seconds (1) that are not counted
//! - `model` (mock), `stream`: 1 for streams (0), `key`: an API key
//! - `searches`: how many of the clients ask for a search (0), by `search` (majority:mock) with `budget` (4)
//! - `watch`: a process whose memory and CPU time are told
//!
//! Prints one JSON object: requests by second, latencies in milliseconds, how many requests each client got done, and Jain's index of
//! these numbers (1: all the same).
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use wire::{Arguments, header, read, write};

/// What one client saw.
#[derive(Default)]
struct Seen {
    /// Microseconds to the first byte and to the last.
    first: Vec<u32>,
    whole: Vec<u32>,
    errors: HashMap<String, usize>,
}

#[derive(Clone)]
struct Question {
    address: String,
    bytes: Arc<[u8]>,
    stream: bool,
}

struct Client {
    connection: Option<TcpStream>,
    data: Vec<u8>,
}

impl Client {
    /// Time to the first byte; fails on anything but a whole answer of status 200.
    async fn ask(&mut self, question: &Question) -> Result<Duration, String> {
        let io = |error: std::io::Error| error.kind().to_string();
        let stream = match self.connection.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&question.address).await.map_err(io)?;
                stream.set_nodelay(true).map_err(io)?;
                stream
            }
        };
        let start = Instant::now();
        self.data.clear();
        write(&stream, &question.bytes).await.map_err(io)?;
        let cut = || "cut off".to_owned();
        if !read(&stream, &mut self.data).await.map_err(io)? {
            return Err(cut());
        }
        let first = start.elapsed();
        let begin = wire::head(&stream, &mut self.data).await.map_err(io)?;
        let begin = begin.ok_or_else(cut)?;
        let head = String::from_utf8_lossy(&self.data[..begin]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(format!("status {status}"));
        }
        let length = header(&head, "content-length").map(|text| text.parse::<usize>().unwrap());
        let chunked = header(&head, "transfer-encoding") == Some("chunked");
        let mut open = true;
        while open {
            let body = &self.data[begin..];
            let over = match length {
                Some(length) => body.len() >= length,
                None => chunked && (body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n"),
            };
            if over {
                break;
            }
            open = read(&stream, &mut self.data).await.map_err(io)?;
        }
        if !open && (chunked || length.is_some()) {
            return Err(cut());
        }
        let done = b"data: [DONE]";
        let body = &self.data[begin..];
        if question.stream && !body.windows(done.len()).any(|window| window == done) {
            return Err("a stream without its end".into());
        }
        if question.stream && body.windows(9).any(|window| window == b"{\"error\":") {
            return Err("an error on a stream".into());
        }
        let kept = head.starts_with("http/1.1") && header(&head, "connection") != Some("close");
        if open && kept {
            self.connection = Some(stream);
        }
        Ok(first)
    }
}

async fn client(question: Question, from: Instant, until: Instant) -> Seen {
    let mut client = Client {
        connection: None,
        data: Vec::new(),
    };
    let mut seen = Seen::default();
    while Instant::now() < until {
        let start = Instant::now();
        let answer = client.ask(&question).await;
        let counts = start >= from;
        match answer {
            Ok(first) if counts => {
                seen.first.push(first.as_micros() as u32);
                seen.whole.push(start.elapsed().as_micros() as u32);
            }
            Ok(_) => {}
            Err(error) => {
                *seen.errors.entry(error).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    seen
}

/// Resident megabytes and CPU seconds, user and system.
fn process(pid: u64) -> (f64, f64) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = [11, 12]
        .map(|at| fields[at].parse::<f64>().unwrap())
        .iter()
        .sum();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = resident.unwrap().trim().split(' ').next().unwrap();
    (kilobytes.parse::<f64>().unwrap() / 1024.0, ticks / 100.0)
}

fn at(sorted: &[u32], share: f64) -> f64 {
    let index = ((sorted.len().max(1) - 1) as f64 * share).round() as usize;
    sorted
        .get(index)
        .map_or(f64::NAN, |value| f64::from(*value))
}

fn told(seen: &[Seen], seconds: f64) -> Value {
    let milliseconds = |times: fn(&Seen) -> &Vec<u32>| {
        let mut all: Vec<u32> = seen.iter().flat_map(times).copied().collect();
        all.sort_unstable();
        let at = |share| at(&all, share) / 1000.0;
        json!({"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)})
    };
    let mut each: Vec<u32> = seen.iter().map(|seen| seen.whole.len() as u32).collect();
    each.sort_unstable();
    let sum: f64 = each.iter().map(|n| f64::from(*n)).sum();
    let squares: f64 = each.iter().map(|n| f64::from(*n).powi(2)).sum();
    let mut errors: HashMap<&str, usize> = HashMap::new();
    for (error, count) in seen.iter().flat_map(|seen| &seen.errors) {
        *errors.entry(error).or_default() += count;
    }
    json!({"clients": seen.len(), "requests": sum, "per_second": sum / seconds, "errors": errors,
        "first_byte_ms": milliseconds(|seen| &seen.first), "whole_ms": milliseconds(|seen| &seen.whole),
        "requests_of_a_client": {"min": at(&each, 0.0), "p5": at(&each, 0.05), "p50": at(&each, 0.5), "p95": at(&each, 0.95), "max": at(&each, 1.0)},
        "jain": sum * sum / (each.len() as f64 * squares)})
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = Arguments::read();
    let url = arguments.text("url").unwrap();
    let address = url.trim_start_matches("http://");
    let address = address.split('/').next().unwrap().to_owned();
    let clients = arguments.number("clients", 16) as usize;
    let searches = arguments.number("searches", 0) as usize;
    let seconds = arguments.number("seconds", 10);
    let warm = arguments.number("warm", 1);
    let stream = arguments.number("stream", 0) == 1;
    let model = arguments.text("model").unwrap_or("mock".into());
    let search = arguments.text("search").unwrap_or("majority:mock".into());
    let budget = arguments.number("budget", 4);
    let key = arguments.text("key");
    let watched = arguments.text("watch").map(|pid| pid.parse().unwrap());
    arguments.end();

    let messages = json!([{"role": "user", "content": "Evaluate $(4+3)\\cdot 6$."}]);
    let body = json!({"model": model, "messages": messages, "max_tokens": 64, "temperature": 1, "stream": stream});
    let question = |body: Value| Question {
        bytes: wire::chat(&address, key.as_deref(), &body).into(),
        address: address.clone(),
        stream,
    };
    let passed = question(body.clone());
    let mut body = body;
    body["model"] = json!(search);
    body["outthink"] = json!({"budget": budget});
    let searched = question(body);

    let from = Instant::now() + Duration::from_secs(warm);
    let until = from + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..clients)
        .map(|number| {
            let question = if number < searches {
                &searched
            } else {
                &passed
            };
            tokio::spawn(client(question.clone(), from, until))
        })
        .collect();
    tokio::time::sleep_until(from.into()).await;
    let before = watched.map(process);
    let mut resident = Vec::new();
    while let (Some(pid), true) = (watched, Instant::now() < until) {
        resident.push(process(pid).0);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep_until(until.into()).await;
    let after = watched.map(process);
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    let passed = seen.split_off(searches);
    let mut report = told(&passed, seconds as f64);
    if searches > 0 {
        report["searches"] = told(&seen, seconds as f64);
    }
    if let (Some((_, before)), Some((end, after))) = (before, after) {
        let done: usize = passed
            .iter()
            .chain(&seen)
            .map(|seen| seen.whole.len())
            .sum();
        let least = resident.iter().copied().fold(f64::INFINITY, f64::min);
        let most = resident.iter().copied().fold(0.0, f64::max);
        report["watched"] = json!({"cpu_us_per_request": (after - before) * 1e6 / done as f64, "cores": (after - before) / seconds as f64,
            "resident_mb": {"start": resident.first(), "min": least, "max": most, "end": end}});
    }
    println!("{report}");
}
