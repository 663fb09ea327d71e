//! The gateway over a scripted policy and verifier.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use outthink_core::{
    Continuation, ExactAnswers, Extension, Judgement, Limits, ModelError, Policy, Prefix, Reply,
    Sampling, Step, Stop, Until, Usage, Verifier,
};
use outthink_gateway::{
    Fault, Finish, Forward, Forwarded, Gateway, Keys, Models, Piece, ServedPolicy, ServedVerifier,
    Settings, Talk, Traces, Utterance, Voice, serve,
};
use serde_json::{Value, json};

/// Answers `n` where the question says `n`; a question that says `slow` takes a minute for three draws of
/// four, `never` for all; `broken` fails, `buggy` fails by a fault of ours, `words` has no box, `flood` writes a megabyte a draw, `drip` a token now and then without end, `burst` panics, and what is
/// `foreign` cannot be read.
#[derive(Default)]
struct Scripted {
    /// Draws that began and did not end.
    running: Arc<AtomicUsize>,
    /// Tokens of `drip`.
    dripped: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Policy for Scripted {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.running));
        async move {
            let _running = running;
            let mut replies = Vec::new();
            for request in requests {
                let text = &request.problem.text;
                let some = text.contains("slow") && request.seeds[0] % 4 != 0;
                if some || text.contains("never") {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                }
                while text.contains("drip") {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    self.dripped.fetch_add(1, Ordering::SeqCst);
                }
                assert!(!text.contains("burst"), "the policy burst");
                if text.contains("foreign") {
                    return Err(Box::new(Foreign) as ModelError);
                }
                if text.contains("buggy") {
                    return Err(Box::new(Bug) as ModelError);
                }
                if text.contains("broken") {
                    return Err("the GPU is on fire".into());
                }
                let number: String = text.chars().filter(char::is_ascii_digit).collect();
                let step = |text: String, tokens: Vec<u32>| Step {
                    text,
                    tokens,
                    logprob: -1.0,
                    ..Step::default()
                };
                let answer = match text.contains("words") {
                    true => "as you like it".to_owned(),
                    false => format!("\\boxed{{{number}}}"),
                };
                let continuation = |seed: &u64| match request.until {
                    _ if text.contains("flood") => Continuation {
                        steps: vec![step("water ".repeat(1 << 18), vec![*seed as u32])],
                        stop: Stop::Answer,
                    },
                    Until::Step if request.steps.is_empty() => Continuation {
                        steps: vec![step(format!("way {}", seed % 3), vec![(seed % 3) as u32])],
                        stop: Stop::Step,
                    },
                    _ => Continuation {
                        steps: vec![step(answer.clone(), vec![7, 8])],
                        stop: Stop::Answer,
                    },
                };
                let continuations: Vec<_> = request.seeds.iter().map(continuation).collect();
                let usage = Usage {
                    requests: 1,
                    prompt: 5,
                    generated: 2 * request.seeds.len() as u64,
                    ..Usage::default()
                };
                replies.push((continuations, usage));
            }
            Ok(replies)
        }
        .boxed()
    }
}

/// Likes `way 1`.
struct Judge;

impl Verifier for Judge {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judge = |prefix: Prefix| {
            let reward = |step: &Arc<Step>| if step.text == "way 0" { 0.1 } else { 0.9 };
            Judgement {
                rewards: prefix.steps.iter().map(reward).collect(),
                usage: Usage {
                    prompt: 3,
                    computed: 3,
                    ..Usage::default()
                },
            }
        };
        futures::future::ready(Ok(prefixes.into_iter().map(judge).collect())).boxed()
    }
}

/// A text that no model here reads.
#[derive(Debug, thiserror::Error)]
#[error("no letters for all of this text")]
struct Foreign;

/// A model of ours that panicked.
#[derive(Debug, thiserror::Error)]
#[error("index out of bounds")]
struct Bug;

fn blame(cause: &(dyn std::error::Error + 'static)) -> Option<Fault> {
    if cause.is::<Bug>() {
        return Some(Fault::internal());
    }
    cause
        .is::<Foreign>()
        .then(|| Fault::too_long("foreign letters"))
}

/// Says the last turn backwards, a word at a time, and its seed where it is asked for that; a temperature of 0 leaves it silent.
struct Parrot;

impl Talk for Parrot {
    fn talk(&self, asked: Utterance) -> BoxStream<'static, Result<Piece, ModelError>> {
        let last = asked.turns.last();
        let last = last.map(|turn| turn.content.replace("seed", &asked.seed.to_string()));
        let last = last.unwrap_or_default();
        assert!(!last.contains("burst"), "the parrot burst");
        if last.contains("foreign") {
            return stream::iter([Err(Box::new(Foreign) as ModelError)]).boxed();
        }
        let words = last.split(' ').rev().map(|word| format!("{word} "));
        let words: Vec<String> = words.chain([String::new()]).collect();
        let count = words.len();
        let piece = move |(said, text): (usize, String)| {
            let usage = Usage {
                prompt: 5,
                generated: said as u64,
                ..Usage::default()
            };
            let finish = (said + 1 == count).then_some(Finish::Stop);
            Ok(Piece {
                text,
                usage,
                finish,
            })
        };
        stream::iter(words.into_iter().enumerate().map(piece)).boxed()
    }
}

/// A server that repeats what it is sent, after a while where that says `hold on`, or refuses it with the `status` that it says.
struct Echo;

impl Forward for Echo {
    fn forward(
        &self,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Forwarded, ModelError>> {
        let text = String::from_utf8_lossy(&body).into_owned();
        async move {
            if let Some(status) = text.split("status ").nth(1) {
                let status = status[..3].parse()?;
                let said = "bad http://10.0.0.7:8000/v1 at 10.0.0.7 or gpu7:8000, key ot-secret";
                let body = json!({"error": {"message": said}}).to_string();
                return Ok(Forwarded {
                    status,
                    content_type: "application/json".into(),
                    body: stream::iter([Ok(Bytes::from(body))]).boxed(),
                });
            }
            if text.contains("hold on") {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            if text.contains("unreachable") {
                return Err("connection refused at http://10.0.0.7:8000".into());
            }
            let body =
                json!({"path": path, "sent": serde_json::from_str::<Value>(&text)?, "traceparent": outthink_core::traceparent().as_deref()}).to_string();
            Ok(Forwarded {
                status: 200,
                content_type: "application/json".into(),
                body: stream::iter([Ok(Bytes::from(body))]).boxed(),
            })
        }
        .boxed()
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) running: Arc<AtomicUsize>,
    pub(crate) dripped: Arc<AtomicUsize>,
    pub(crate) stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(keys: Keys, settings: Settings) -> Self {
        Self::traced(keys, settings, None)
    }

    pub(crate) fn traced(keys: Keys, settings: Settings, traces: Option<Traces>) -> Self {
        let policy = Scripted::default();
        let (running, dripped) = (Arc::clone(&policy.running), Arc::clone(&policy.dripped));
        let policy: Arc<dyn Policy> = Arc::new(policy);
        let served = |name: &str, voice| ServedPolicy {
            name: name.into(),
            model: Arc::clone(&policy),
            // `far` only chats.
            steps: name != "far",
            voice,
            sampling: Sampling::at(1.0),
            limits: Limits {
                draw_tokens: 16,
                solution_tokens: 64,
                steps: 4,
            },
            cost: None,
            profile: (name == "small").then(|| "micro".into()),
            strategy: None,
        };
        let models = Models {
            policies: vec![
                served("small", Voice::Talks(Arc::new(Parrot))),
                served("far", Voice::Forwards(Arc::new(Echo))),
            ],
            verifiers: vec![ServedVerifier {
                name: "judge".into(),
                model: Arc::new(Judge),
                cost: None,
            }],
            answers: Arc::new(ExactAnswers),
            quorum: None,
            blame,
            markup: |text| format!("<i>{text}</i>"),
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let gateway = Gateway::traced(models, keys, settings, traces);
                serve(gateway, listener, async { drop(stopped.await) })
                    .await
                    .unwrap();
            });
        });
        Self {
            address: told.recv().unwrap(),
            running,
            dripped,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn open() -> Self {
        Self::start(Keys::default(), Settings::default())
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// A request under way.
    pub(crate) fn begin(&self, body: &Value) -> TcpStream {
        let (mut client, body) = (self.connect(), body.to_string());
        write!(
            client,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        client
    }

    /// Status, head and body of one request.
    pub(crate) fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        write!(
            stream,
            "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_lowercase();
        let body = if head.contains("transfer-encoding: chunked") {
            whole(body)
        } else {
            body.to_owned()
        };
        (status, head, body)
    }

    pub(crate) fn chat(&self, body: &Value) -> (u16, Value) {
        let (status, _, body) = self.send("POST /v1/chat/completions HTTP/1.1", &body.to_string());
        (
            status,
            serde_json::from_str(&body).unwrap_or(Value::String(body)),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// What was sent in chunks.
pub(crate) fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    body
}

pub(crate) fn asked(model: &str, question: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": question}], "seed": 1})
}

pub(crate) fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}
