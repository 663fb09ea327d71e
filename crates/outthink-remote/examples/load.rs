//! What the client costs and what it gets out of a server: `load MODE URL[,URL] PROBLEMS N [CONCURRENCY]`.
//!
//! - `majority`, `beam`: a study; rewards are a hash of the steps, so that only the policy's servers work.
//! - `raw-majority`, `raw-beam`: the requests of such a study, sent by hyper alone with as many in flight, without a search.
//!   The study is run first, to know them.
//!
//! A vLLM in its developer mode forgets its prefixes before what is measured. Prints one JSON object. CPU time is this process's, user and system.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]
#![allow(
    clippy::disallowed_types,
    reason = "a mock's hashes last as long as its run"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, try_join_all};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use outthink_core::method::{BEAM, MAJORITY};
use outthink_core::{
    AnyMethod, Extension, Finished, Judgement, Limits, ModelError, Plan, Policy, Prefix, Problem,
    Reply, Sampling, Until, Usage, Verifier, search,
};
use outthink_remote::{RemotePolicy, Servers};
use serde_json::{Value, json};

struct Hashed;

impl Verifier for Hashed {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judge = |prefix: Prefix| {
            let mut hasher = DefaultHasher::new();
            let mut reward = |text: &str| {
                text.hash(&mut hasher);
                (hasher.finish() % 1000) as f64 / 1000.0
            };
            Judgement {
                rewards: prefix.steps.iter().map(|step| reward(&step.text)).collect(),
                usage: Usage::default(),
            }
        };
        async move { Ok(prefixes.into_iter().map(judge).collect()) }.boxed()
    }
}

/// Keeps what was asked.
struct Kept<'a>(&'a RemotePolicy, Mutex<Vec<Extension>>);

impl Policy for Kept<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.1.lock().unwrap().extend(requests.iter().cloned());
        self.0.extend(requests)
    }
}

fn problems(count: usize) -> Vec<Arc<Problem>> {
    let problem = |n: usize| {
        let (a, b, c) = (2 + n % 8, 3 + n / 8 % 7, 1 + n / 56 % 9);
        Arc::new(Problem {
            id: n.to_string(),
            text: format!("Evaluate $({a}+{b})\\cdot ({c}+{b})-{a}$."),
        })
    };
    (0..count).map(problem).collect()
}

fn study(policy: &dyn Policy, method: AnyMethod, count: usize, n: usize) -> Usage {
    let limits = Limits {
        draw_tokens: 96,
        solution_tokens: 320,
        steps: 16,
    };
    let plan = Plan::new(method, n, 4, Finished::Compete).unwrap();
    let searches = problems(count).into_iter().map(|problem| {
        search(
            problem,
            &plan,
            Sampling::at(1.0),
            limits,
            1,
            policy,
            Some(&Hashed),
        )
    });
    let trees = block_on(try_join_all(searches)).unwrap();
    trees.iter().map(|tree| tree.policy).sum()
}

/// User and system seconds of this process, from the kernel's counters of 10 ms.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn body(policy: &RemotePolicy, request: &Extension, seed: u64) -> Bytes {
    let mut prompt = policy.prompt(&request.problem).unwrap();
    prompt.extend(request.steps.iter().flat_map(|step| &step.tokens));
    let room = 512 - prompt.len();
    let stop = (request.until == Until::Step).then_some("\n\n");
    json!({"model": policy.facts()[0].model, "prompt": prompt, "max_tokens": request.max_tokens.min(room), "temperature": 1.0,
        "top_p": 1.0, "top_k": 0, "min_p": 0.0, "seed": seed >> 1, "logprobs": 0, "return_token_ids": true, "stop": stop,
        "include_stop_str_in_output": true, "stop_token_ids": [3], "stream": false})
    .to_string()
    .into()
}

/// Sends bodies as fast as they are answered; returns completion tokens.
fn raw(url: &str, bodies: Vec<Bytes>, in_flight: usize) -> u64 {
    let uri: hyper::Uri = format!("{}/completions", url.trim_end_matches('/'))
        .parse()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(tcp);
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    runtime.block_on(async move {
        let sender = || {
            let (client, uri, bodies, next) = (
                client.clone(),
                uri.clone(),
                Arc::clone(&bodies),
                Arc::clone(&next),
            );
            tokio::spawn(async move {
                let mut tokens = 0;
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = hyper::Request::post(uri.clone())
                        .header("content-type", "application/json")
                        .body(Full::new(body.clone()))
                        .unwrap();
                    let reply = client.request(request).await.unwrap();
                    assert!(reply.status().is_success());
                    let reply = reply.into_body().collect().await.unwrap().to_bytes();
                    let reply: Value = serde_json::from_slice(&reply).unwrap();
                    tokens += reply["usage"]["completion_tokens"].as_u64().unwrap();
                }
                tokens
            })
        };
        let senders: Vec<_> = (0..in_flight).map(|_| sender()).collect();
        let mut tokens = 0;
        for sender in senders {
            tokens += sender.await.unwrap();
        }
        tokens
    })
}

/// Empties the servers' prefix caches, where they let us. The status line says that a server is done; some keep the
/// connection open after it, whatever was asked.
fn forget(urls: &str) {
    for url in urls.split(',') {
        let host = url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .trim_end_matches("/v1");
        let mut server = TcpStream::connect(host).unwrap();
        write!(server, "POST /reset_prefix_cache HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(server).read_line(&mut status).unwrap();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<usize>().unwrap();
    let (mode, url) = (arguments[1].as_str(), arguments[2].as_str());
    let (count, n) = (number(3), number(4));
    let micro = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro/micro-0.3m");
    let servers = Servers {
        tokenizer: Some(micro),
        concurrency: arguments.get(5).map(|_| number(5)),
        ..Servers::parse(url).unwrap()
    };
    let policy = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
    let method = match mode.trim_start_matches("raw-") {
        "beam" => BEAM,
        "majority" => MAJORITY,
        other => panic!("no mode is called {other}"),
    };
    let bodies = mode.starts_with("raw").then(|| {
        let kept = Kept(&policy, Mutex::default());
        study(&kept, method, count, n);
        let asked = kept.1.into_inner().unwrap();
        let draws = asked
            .iter()
            .flat_map(|request| request.seeds.iter().map(move |seed| (request, *seed)));
        draws
            .map(|(request, seed)| body(&policy, request, seed))
            .collect::<Vec<_>>()
    });
    forget(url);
    let (cpu_start, start) = (cpu(), Instant::now());
    let (requests, generated, cached) = match bodies {
        Some(bodies) => {
            let requests = bodies.len() as u64;
            (requests, raw(url, bodies, number(5)), None)
        }
        None => {
            let usage = study(&policy, method, count, n);
            (
                usage.requests,
                usage.generated,
                Some(usage.cached as f64 / usage.prompt as f64),
            )
        }
    };
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu() - cpu_start);
    println!(
        "{}",
        json!({"mode": mode, "requests": requests, "generated": generated, "seconds": seconds,
            "requests_per_second": requests as f64 / seconds, "cpu_us_per_request": cpu * 1e6 / requests as f64,
            "cached": cached, "limits": policy.stats().iter().map(|s| s.limit).collect::<Vec<_>>()})
    );
}
