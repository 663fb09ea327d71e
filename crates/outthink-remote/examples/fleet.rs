//! A fleet of model servers without models, and thousands of searches on it: `fleet [NAME=NUMBER…]`.
//!
//! Each replica does as vLLM does with an 8B model on an H100: it runs up to `batch` (128) requests together, a token of each in 6.4 ms
//! and 0.165 ms more a request; it reads 25,000 new prompt tokens a second; it keeps the keys and values of the last `cache` (32,000)
//! blocks of 16 tokens. The first two numbers fit what vLLM was measured at: 6.5 ms a token alone (vLLM 0.21, InferenceBench's recipe
//! "concurrency sweep") and 48.8 ms at 256 (vllm-project/vllm#18566); the third is 40 % of an H100's 989 TFLOP/s. The rest is real: the
//! searches, the pool, HTTP, the clock.
//!
//! - `replicas` (64), `searches` (10000) of which `together` (600) at once, DVTS with `budget` (16) and width 4, of 6 to 10 steps of
//!   50 to 150 tokens; the verifier answers at once
//! - `seed` (0)
//! - `affinity`: 0 to send each request to any replica (1)
//! - `deaths`: so many replicas lose all they hold, one after another, and are back after 30 seconds (0)
//! - `slow`: so many replicas take eight times as long (0)
//! - `least`, `seconds`: a quorum of each round (0: all of it)
//!
//! Both ends of every connection are here: `ulimit -n` is above twice `together` × `budget`. Prints one JSON object. `ideal` is the time in which all replicas together would draw as many tokens, each with a full batch and
//! everything cached.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

#[path = "../../outthink-gateway/examples/wire/mod.rs"]
mod wire;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::{self, StreamExt};
use outthink_core::method::DVTS;
use outthink_core::{
    Extension, Judgement, Limits, ModelError, Plan, Policy, Prefix, Problem, Quorum, QuorumPolicy,
    Reply, Sampling, Usage, Verifier, search,
};
use outthink_remote::{RemotePolicy, Servers};
use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use wire::{Arguments, header};

/// Of the micro tokenizer: digits from 24 on, the end of a step, and of an answer.
const DIGIT: u64 = 24;
const STEP_END: u32 = 6;
const ANSWER: [u32; 7] = [18, 7, 27, 25, 43, 40, 3];
const BLOCK: usize = 16;

/// Times of an iteration, in milliseconds.
const EMPTY: f64 = 6.4;
const EACH: f64 = 0.165;
const PROMPT_TOKEN: f64 = 1.0 / 25.0;
/// Most prompt tokens that an iteration reads, as vLLM's `max_num_batched_tokens`.
const CHUNK: usize = 8192;

struct Replica {
    batch: usize,
    blocks: usize,
    slowness: f64,
    work: Mutex<Work>,
    more: Notify,
    up: AtomicBool,
    died: Notify,
}

#[derive(Default)]
struct Work {
    waiting: VecDeque<Job>,
    running: Vec<Job>,
    /// When each block of tokens was last used, by the hash of all tokens up to its end.
    cached: HashMap<u64, u64>,
    clock: u64,
    asked: u64,
    computed: u64,
    drawn: u64,
    dropped: u64,
}

struct Job {
    tokens: Vec<u32>,
    /// Of them, those that it draws.
    own: usize,
    /// Prompt tokens that are neither cached nor read yet; none before it runs.
    unread: Option<usize>,
    left: usize,
    done: oneshot::Sender<usize>,
}

impl Replica {
    fn new(batch: usize, blocks: usize, slowness: f64) -> Self {
        Self {
            batch,
            blocks,
            slowness,
            work: Mutex::default(),
            more: Notify::new(),
            up: AtomicBool::new(true),
            died: Notify::new(),
        }
    }

    fn work(&self) -> std::sync::MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs for ever: an iteration is a token of every request whose prompt is read.
    async fn run(&self) {
        let mut now = Instant::now();
        loop {
            let took = self.work().iterate(self.batch, self.blocks);
            match took {
                None => {
                    self.more.notified().await;
                    now = Instant::now();
                }
                Some(millis) => {
                    now += Duration::from_secs_f64(millis * self.slowness / 1e3);
                    tokio::time::sleep_until(now).await;
                    self.work().end();
                }
            }
        }
    }

    /// Loses everything, and is gone for a while.
    async fn die(&self, pause: Duration) {
        self.up.store(false, Ordering::SeqCst);
        {
            let mut work = self.work();
            work.waiting.clear();
            let lost: usize = work.running.drain(..).map(|job| job.own - job.left).sum();
            work.dropped += lost as u64;
            work.cached.clear();
        }
        self.died.notify_waiters();
        tokio::time::sleep(pause).await;
        self.up.store(true, Ordering::SeqCst);
    }
}

impl Work {
    /// Lets requests in and says how long the next iteration takes, in milliseconds; none without requests.
    fn iterate(&mut self, batch: usize, blocks: usize) -> Option<f64> {
        self.running.retain(|job| !job.done.is_closed());
        while self.running.len() < batch
            && let Some(job) = self.waiting.pop_front()
        {
            self.running.push(job);
        }
        if self.running.is_empty() {
            return None;
        }
        let mut room = CHUNK;
        let Self {
            running,
            cached,
            clock,
            computed,
            ..
        } = self;
        for job in running.iter_mut() {
            let prompt = job.tokens.len() - job.own;
            let unread = job.unread.get_or_insert_with(|| {
                *clock += 1;
                let known = hashes(&job.tokens[..prompt])
                    .take_while(|hash| cached.contains_key(hash))
                    .count();
                for hash in hashes(&job.tokens[..prompt]).take(known) {
                    cached.insert(hash, *clock);
                }
                // The last token is computed in any case.
                prompt - (known * BLOCK).min(prompt - 1)
            });
            let now = (*unread).min(room);
            room -= now;
            *unread -= now;
            *computed += now as u64;
        }
        if self.cached.len() > blocks {
            let mut uses: Vec<u64> = self.cached.values().copied().collect();
            let middle = uses.len() / 4;
            let (_, oldest, _) = uses.select_nth_unstable(middle);
            let oldest = *oldest;
            self.cached.retain(|_, used| *used > oldest);
        }
        let read = (CHUNK - room) as f64;
        Some(EMPTY + EACH * self.running.len() as f64 + PROMPT_TOKEN * read)
    }

    fn end(&mut self) {
        self.clock += 1;
        let Self {
            running,
            cached,
            clock,
            drawn,
            ..
        } = self;
        for job in running.iter_mut().filter(|job| job.unread == Some(0)) {
            job.left -= 1;
            *drawn += 1;
        }
        let mut place = 0;
        while place < running.len() {
            if running[place].left > 0 {
                place += 1;
                continue;
            }
            let job = running.swap_remove(place);
            cached.extend(hashes(&job.tokens).map(|hash| (hash, *clock)));
            // Who left needs nothing.
            let _ = job.done.send(job.own);
        }
    }
}

/// Of each whole block, with all tokens before it.
fn hashes(tokens: &[u32]) -> impl Iterator<Item = u64> {
    tokens.chunks_exact(BLOCK).scan(0, |hash, block| {
        *hash = block
            .iter()
            .fold(*hash, |hash, &token| mix(hash ^ u64::from(token)));
        Some(*hash)
    })
}

/// SplitMix64.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What the model says: some digits and the end of a step, or the answer.
fn says(prompt: &[u32], seed: u64) -> Vec<u32> {
    let steps = prompt.iter().filter(|&&token| token == STEP_END).count() as u64;
    let question = prompt
        .iter()
        .take(40)
        .fold(0, |hash, &token| mix(hash ^ u64::from(token)));
    if steps >= 6 + question % 5 {
        return ANSWER.to_vec();
    }
    let length = 50 + mix(seed) % 101;
    let digit = |at: u64| (DIGIT + mix(seed ^ mix(at)) % 10) as u32;
    (1..length).map(digit).chain([STEP_END]).collect()
}

async fn listen(replica: Arc<Replica>, listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // As nobody who is gone.
        if !replica.up.load(Ordering::SeqCst) {
            let _ = stream.set_zero_linger();
            continue;
        }
        stream.set_nodelay(true).unwrap();
        let replica = Arc::clone(&replica);
        tokio::spawn(async move {
            let died = replica.died.notified();
            tokio::select! {
                _ = connection(&stream, &replica) => {}
                () = died => { let _ = stream.set_zero_linger(); }
            }
        });
    }
}

async fn connection(stream: &TcpStream, replica: &Replica) -> std::io::Result<()> {
    let mut data = Vec::new();
    loop {
        let Some(head) = wire::head(stream, &mut data).await? else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&data[..head]).to_ascii_lowercase();
        let length = header(&text, "content-length").map(|length| length.parse().unwrap());
        let end = head + length.unwrap_or(0);
        while data.len() < end {
            if !wire::read(stream, &mut data).await? {
                return Ok(());
            }
        }
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        let body: Vec<u8> = data[head..end].to_vec();
        data.drain(..end);
        let reply = match path.as_str() {
            "/v1/models" => Some(
                json!({"object": "list", "data": [
                {"id": "fleet", "object": "model", "owned_by": "vllm", "max_model_len": 4096}]})
                .to_string(),
            ),
            "/version" => Some(json!({"version": "0.32.0"}).to_string()),
            "/openapi.json" => {
                Some(json!({"paths": {"/v1/completions": {}, "/tokenize": {}}}).to_string())
            }
            "/v1/completions" => {
                // A client that hangs up ends its request.
                let completion = completion(replica, &body);
                tokio::select! {
                    reply = completion => match reply {
                        Some(reply) => Some(reply),
                        None => return Ok(()),
                    },
                    () = hung_up(stream) => return Ok(()),
                }
            }
            _ => None,
        };
        let reply = match reply {
            Some(body) => response("200 OK", &body),
            None => response("404 Not Found", "{}"),
        };
        wire::write(stream, &reply).await?;
    }
}

/// Ends when the client does; it asks for nothing before it has its answer.
async fn hung_up(stream: &TcpStream) {
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// As much of a request as is read.
#[derive(Deserialize)]
struct Asked {
    prompt: Vec<u32>,
    seed: u64,
}

async fn completion(replica: &Replica, body: &[u8]) -> Option<String> {
    let Asked {
        prompt: mut tokens,
        seed,
    } = serde_json::from_slice(body).unwrap();
    let asked = tokens.len();
    let said = says(&tokens, seed);
    tokens.extend(&said);
    let (done, drawn) = oneshot::channel();
    {
        let mut work = replica.work();
        work.asked += asked as u64;
        work.waiting.push_back(Job {
            tokens,
            own: said.len(),
            unread: None,
            left: said.len(),
            done,
        });
    }
    replica.more.notify_one();
    let drawn = drawn.await.ok()?;
    let reason = match said.last() {
        Some(&STEP_END) => r#""\n\n""#,
        _ => "null",
    };
    let each = |text: &str| vec![text; drawn].join(",");
    let ids: Vec<String> = said.iter().map(u32::to_string).collect();
    Some(format!(
        r#"{{"id":"cmpl-1","object":"text_completion","created":1,"model":"fleet","choices":[{{"index":0,"text":"","token_ids":[{}],"finish_reason":"stop","stop_reason":{reason},"logprobs":{{"text_offset":[],"token_logprobs":[{}],"tokens":[{}],"top_logprobs":null}}}}],"usage":{{"prompt_tokens":{asked},"completion_tokens":{drawn},"total_tokens":{}}}}}"#,
        ids.join(","),
        each("-0.5"),
        each("\"\""),
        asked + drawn,
    ))
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// Values a step by its text.
struct Judge;

impl Verifier for Judge {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let reward = |tokens: &[u32]| {
            let hash = tokens
                .iter()
                .fold(0, |hash, &token| mix(hash ^ u64::from(token)));
            (hash >> 11) as f64 / (1u64 << 53) as f64
        };
        let judged = prefixes.iter().map(|prefix| Judgement {
            rewards: prefix
                .steps
                .iter()
                .map(|step| reward(&step.tokens))
                .collect(),
            usage: Usage::default(),
        });
        ready(Ok(judged.collect())).boxed()
    }
}

/// Forgets which problem a request is about, and with it which replica has its prefix.
struct Scattered<P>(P, AtomicU64);

impl<P: Policy> Policy for Scattered<P> {
    fn extend(
        &self,
        mut requests: Vec<Extension>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let (mut whole, mut apart) = (Vec::new(), Vec::new());
            for request in &mut requests {
                whole.push(request.seeds.len());
                for &seed in &request.seeds {
                    let number = self.1.fetch_add(1, Ordering::Relaxed);
                    let problem = Problem {
                        id: format!("{number}"),
                        text: request.problem.text.clone(),
                    };
                    apart.push(Extension {
                        problem: Arc::new(problem),
                        seeds: vec![seed],
                        ..request.clone()
                    });
                }
            }
            let mut replies = self.0.extend(apart).await?.into_iter();
            let gathered = whole.into_iter().map(|count| {
                let mut reply = (Vec::new(), Usage::default());
                for (continuations, usage) in replies.by_ref().take(count) {
                    reply.0.extend(continuations);
                    reply.1 += usage;
                }
                reply
            });
            Ok(gathered.collect())
        }
        .boxed()
    }
}

fn main() {
    let mut arguments = Arguments::read();
    let number = |arguments: &mut Arguments, name: &str, usual| arguments.number(name, usual);
    let count = number(&mut arguments, "replicas", 64);
    let searches = number(&mut arguments, "searches", 10_000);
    let together = number(&mut arguments, "together", 600) as usize;
    let budget = number(&mut arguments, "budget", 16) as usize;
    let batch = number(&mut arguments, "batch", 128) as usize;
    let blocks = number(&mut arguments, "cache", 32_000) as usize;
    let seed = number(&mut arguments, "seed", 0);
    let affinity = number(&mut arguments, "affinity", 1) == 1;
    let deaths = number(&mut arguments, "deaths", 0);
    let slow = number(&mut arguments, "slow", 0);
    let least = number(&mut arguments, "least", 0) as usize;
    let seconds: Option<f64> = arguments.text("seconds").map(|text| text.parse().unwrap());
    arguments.end();

    let replicas: Vec<Arc<Replica>> = (0..count)
        .map(|at| {
            let slowness = if at < slow { 8.0 } else { 1.0 };
            Arc::new(Replica::new(batch, blocks, slowness))
        })
        .collect();
    let (tell, told) = std::sync::mpsc::channel();
    let serving = replicas.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let mut urls = Vec::new();
            for replica in &serving {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                urls.push(format!("http://{}/v1", listener.local_addr().unwrap()));
                tokio::spawn(listen(Arc::clone(replica), listener));
                let replica = Arc::clone(replica);
                tokio::spawn(async move { replica.run().await });
            }
            tell.send(urls).unwrap();
            for at in 0..deaths {
                tokio::time::sleep(Duration::from_secs(20)).await;
                let replica = Arc::clone(&serving[(at * 7 % count) as usize]);
                tokio::spawn(async move { replica.die(Duration::from_secs(30)).await });
            }
            std::future::pending::<()>().await;
        });
    });
    let urls: Vec<String> = told.recv().unwrap();

    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro/micro-0.3m");
    let servers = Servers {
        tokenizer: Some(folder),
        ..Servers::parse(&urls.join(",")).unwrap()
    };
    let remote = RemotePolicy::connect(&servers, None, |notice| eprintln!("{notice}")).unwrap();
    let scattered = Scattered(&remote, AtomicU64::new(0));
    let policy: &dyn Policy = if affinity { &remote } else { &scattered };
    let quorum = QuorumPolicy::new(policy, Quorum { least, seconds });
    let policy: &dyn Policy = match least {
        0 => policy,
        _ => &quorum,
    };
    let plan = Plan::of(DVTS, budget).unwrap();
    let limits = Limits {
        draw_tokens: 256,
        solution_tokens: 2048,
        steps: 14,
    };
    let start = std::time::Instant::now();
    let one = |at: u64| {
        let plan = &plan;
        async move {
            let number = mix(seed ^ mix(at));
            let text: Vec<String> = (0..12)
                .map(|n| ((number >> (5 * n)) % 100).to_string())
                .collect();
            let problem = Arc::new(Problem {
                id: format!("{at}"),
                text: format!("Evaluate ${}$.", text.join("+")),
            });
            let begun = std::time::Instant::now();
            let tree = search(
                problem,
                plan,
                Sampling::at(1.0),
                limits,
                seed,
                policy,
                Some(&Judge),
            );
            let tree = tree.await;
            let took = begun.elapsed().as_secs_f64();
            if let Err(error) = &tree {
                eprintln!("{error}");
            }
            if (at + 1).is_multiple_of(1000) {
                eprintln!(
                    "{} searches after {:.0} s",
                    at + 1,
                    start.elapsed().as_secs_f64()
                );
            }
            (took, tree.map(|tree| tree.kept.len()))
        }
    };
    let ended: Vec<_> = block_on(
        stream::iter(0..searches)
            .map(one)
            .buffer_unordered(together)
            .collect(),
    );
    let took = start.elapsed().as_secs_f64();

    let failed = ended.iter().filter(|(_, tree)| tree.is_err()).count();
    let answers: usize = ended
        .iter()
        .filter_map(|(_, tree)| tree.as_ref().ok())
        .sum();
    let mut seconds: Vec<f64> = ended.iter().map(|(took, _)| *took).collect();
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share) as usize];
    let sum = |of: fn(&Work) -> u64| replicas.iter().map(|own| of(&own.work())).sum::<u64>();
    let (asked, computed, drawn, dropped) = (
        sum(|own| own.asked),
        sum(|own| own.computed),
        sum(|own| own.drawn),
        sum(|own| own.dropped),
    );
    let best = count as f64 * batch as f64 / (EMPTY + EACH * batch as f64) * 1e3;
    let stats = remote.stats();
    let wasted: u64 = stats.iter().map(|own| own.wasted).sum();
    let answered: u64 = stats.iter().map(|own| own.answered).sum();
    let mut limits: Vec<usize> = stats.iter().map(|own| own.limit).collect();
    limits.sort_unstable();
    let report = json!({
        "searches": searches, "failed": failed, "answers": answers, "seconds": took,
        "tokens_per_second": drawn as f64 / took, "ideal": drawn as f64 / best, "of_ideal": drawn as f64 / best / took,
        "search_seconds": {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)},
        "requests": answered, "wasted_requests": wasted, "drawn": drawn, "drawn_for_nothing": dropped,
        "prompt_tokens": asked, "prompt_tokens_computed": computed, "lost_draws": quorum.lost(),
        "limits": {"least": limits[0], "median": limits[limits.len() / 2], "most": limits[limits.len() - 1]},
    });
    println!("{report:#}");
}
