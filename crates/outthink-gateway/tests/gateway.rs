//! The gateway over a scripted policy and verifier, as a client sees it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use outthink_core::{
    Continuation, ExactAnswers, Extension, Judgement, Limits, ModelError, Policy, Prefix, Reply,
    Sampling, Step, Stop, Until, Usage, Verifier,
};
use outthink_gateway::{
    Forward, Forwarded, Gateway, Key, Keys, Models, Piece, ServedPolicy, ServedVerifier, Settings,
    Talk, Utterance, Voice, serve,
};
use serde_json::{Value, json};

/// Answers `n` where the question says `n`; a question that says `slow` takes a minute for three draws of
/// four, `never` for all; `broken` fails, `words` has no box.
#[derive(Default)]
struct Scripted {
    /// Draws that began and did not end.
    running: Arc<AtomicUsize>,
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
                if text.contains("broken") {
                    return Err("the GPU is on fire".into());
                }
                let number: String = text.chars().filter(char::is_ascii_digit).collect();
                let step = |text: String, tokens: Vec<u32>| Step {
                    text,
                    tokens,
                    logprob: -1.0,
                };
                let answer = match text.contains("words") {
                    true => "as you like it".to_owned(),
                    false => format!("\\boxed{{{number}}}"),
                };
                let continuation = |seed: &u64| match request.until {
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

/// Says the last turn backwards, a word at a time.
struct Parrot;

impl Talk for Parrot {
    fn talk(&self, asked: Utterance) -> BoxStream<'static, Result<Piece, ModelError>> {
        let last = asked
            .turns
            .last()
            .map(|turn| turn.content.clone())
            .unwrap_or_default();
        let words: Vec<_> = last
            .split(' ')
            .rev()
            .map(|word| Ok(Piece::Text(format!("{word} "))))
            .collect();
        let usage = Usage {
            generated: words.len() as u64,
            ..Usage::default()
        };
        let end = Ok(Piece::End {
            cut_off: false,
            usage,
        });
        stream::iter(words.into_iter().chain([end])).boxed()
    }
}

/// A server that repeats what it is sent.
struct Echo;

impl Forward for Echo {
    fn forward(
        &self,
        path: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Forwarded, ModelError>> {
        let text = String::from_utf8_lossy(&body).into_owned();
        async move {
            if text.contains("unreachable") {
                return Err("connection refused".into());
            }
            let body =
                json!({"path": path, "sent": serde_json::from_str::<Value>(&text)?}).to_string();
            Ok(Forwarded {
                status: 200,
                content_type: "application/json".into(),
                body: stream::iter([Ok(Bytes::from(body))]).boxed(),
            })
        }
        .boxed()
    }
}

struct Server {
    address: SocketAddr,
    running: Arc<AtomicUsize>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(keys: Keys, settings: Settings) -> Self {
        let policy = Scripted::default();
        let running = Arc::clone(&policy.running);
        let policy: Arc<dyn Policy> = Arc::new(policy);
        let served = |name: &str, voice| ServedPolicy {
            name: name.into(),
            model: Arc::clone(&policy),
            voice,
            sampling: Sampling::at(1.0),
            limits: Limits {
                draw_tokens: 16,
                solution_tokens: 64,
                steps: 4,
            },
            cost: None,
            strategist: None,
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
                let gateway = Gateway::new(models, keys, settings);
                serve(gateway, listener, async { drop(stopped.await) })
                    .await
                    .unwrap();
            });
        });
        Self {
            address: told.recv().unwrap(),
            running,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn open() -> Self {
        Self::start(Keys::default(), Settings::default())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// Status, head and body of one request.
    fn send(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = self.connect();
        write!(
            stream,
            "{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
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

    fn chat(&self, body: &Value) -> (u16, Value) {
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
fn whole(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    body
}

fn asked(model: &str, question: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": question}], "seed": 1})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

#[test]
fn a_search_answers_with_its_votes_and_the_sum_of_all_calls() {
    let server = Server::open();
    let (status, reply) = server.chat(&asked("beam:small", "say 42"));
    assert_eq!(status, 200, "{reply}");
    assert_eq!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .lines()
            .last(),
        Some("\\boxed{42}")
    );
    assert_eq!(reply["outthink"]["answer"], "42");
    assert_eq!(reply["outthink"]["plan"], "16 = 4 beams × 4");
    let (usage, parts) = (&reply["usage"], &reply["outthink"]["usage"]);
    assert_eq!(usage["completion_tokens"], parts["policy"]["generated"]);
    let prompts =
        parts["policy"]["prompt"].as_u64().unwrap() + parts["verifier"]["prompt"].as_u64().unwrap();
    assert_eq!(usage["prompt_tokens"], prompts);
    assert_eq!(usage["outthink"]["stopped_by"], "end");
}

#[test]
fn every_way_to_ask_for_a_search_means_the_same() {
    let server = Server::open();
    let plan = |body: Value| {
        let (status, reply) = server.chat(&body);
        assert_eq!(status, 200, "{reply}");
        reply["outthink"]["plan"].as_str().unwrap().to_owned()
    };
    let ask = |model: &str| asked(model, "say 7");
    assert_eq!(
        plan(with(ask("auto@small"), "outthink", json!({"budget": 8}))),
        "8 = 2 beams × 4"
    );
    assert_eq!(
        plan(with(ask("small"), "reasoning_effort", json!("high"))),
        "64 = 16 beams × 4"
    );
    assert_eq!(
        plan(with(ask("bon-small"), "budget", json!(6))),
        "6 = 6 solutions"
    );
    assert_eq!(
        plan(with(
            with(ask("small"), "optillm_approach", json!("majority_voting")),
            "num_paths",
            json!(5)
        )),
        "5 = 5 solutions"
    );
    assert_eq!(
        plan(with(
            with(ask("small"), "tts_strategy", json!("beam_search")),
            "tts_num_trajectories",
            json!(8)
        )),
        "8 = 2 beams × 4"
    );
    let (_, _, body) = server.send(
        "POST /v1/self_consistency/judge/chat/completions HTTP/1.1\r\nx-its-budget: 3",
        &ask("small").to_string(),
    );
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["outthink"]["plan"],
        "3 = 3 solutions"
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_what_can() {
    let server = Server::open();
    let refused = |body: Value| {
        let (status, reply) = server.chat(&body);
        format!(
            "{status} {}",
            reply["error"]["message"].as_str().unwrap_or_default()
        )
    };
    let beam = || asked("beam:small", "say 7");
    let cases = [
        refused(asked("tiny", "x")),
        refused(asked("cot:tiny", "x")),
        refused(with(
            asked("small", "x"),
            "outthink",
            json!({"method": "mcts"}),
        )),
        refused(with(beam(), "outthink", json!({"budget": 0}))),
        refused(with(beam(), "outthink", json!({"budget": 10, "width": 4}))),
        refused(with(beam(), "outthink", json!({"verifier": "jury"}))),
        refused(with(beam(), "outthink", json!({"verifier": "none"}))),
        refused(with(beam(), "outthink", json!({"selection": "best"}))),
        refused(with(beam(), "outthink", json!({"beams": 4}))),
        refused(with(beam(), "logprobs", json!(true))),
        refused(with(beam(), "n", json!(2))),
        refused(with(beam(), "temperature", json!(-1))),
        refused(with(
            asked("small", "x"),
            "reasoning_effort",
            json!("extreme"),
        )),
        refused(asked("beam:small", " ")),
        refused(json!({"model": "small"})),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r#"
    404 unknown model `tiny`: name a policy (small, far), auto@policy, or method:policy with a method of cot, majority, best-of-n, beam, dvts
    404 unknown model `tiny`: name a policy (small, far), auto@policy, or method:policy with a method of cot, majority, best-of-n, beam, dvts
    400 unknown method `mcts` (one of cot, majority, best-of-n, beam, dvts), or auto
    400 a budget lies between 1 and 4096, not at 0
    400 beam cannot spend a budget of 10 with a beam width of 4: the width must divide the budget
    400 unknown verifier `jury` (one of judge, none)
    400 beam needs a verifier, and none is served or named
    400 unknown selection `best` (one of majority, min-max, min-vote, last-max, last-vote, mean-max, mean-vote, product-max, product-vote)
    400 the body is no chat completion request: unknown field `beams`, expected one of `method`, `budget`, `width`, `verifier`, `selection`, `max_tokens_total`, `max_seconds`, `trace` at line 1 column 88
    400 a search does not support `logprobs`; it takes model, messages, stream, stream_options, temperature, top_p, max_tokens, seed, reasoning_effort and outthink
    400 a search gives one answer: n is 1; the budget says how many are drawn
    400 temperature lies between 0 and 10
    400 unknown reasoning_effort `extreme` (one of minimal, low, medium, high)
    400 the question is empty
    400 the body is no chat completion request: missing field `messages` at line 1 column 17
    "#);
}

#[test]
fn a_reply_without_an_answer_is_taken_by_its_score_and_says_so() {
    let server = Server::open();
    let (_, reply) = server.chat(&with(
        asked("beam:small", "words"),
        "outthink",
        json!({"trace": true}),
    ));
    assert_eq!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .lines()
            .last(),
        Some("as you like it")
    );
    assert_eq!(
        reply["outthink"]["note"],
        "no answer could be extracted to vote on; taken by the verifier's score"
    );
    assert!(reply["outthink"]["trace"].as_array().unwrap().len() > 2);
}

#[test]
fn conversations_and_tools_are_passed_on_unharmed() {
    let server = Server::open();
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let body = with(
        with(asked("beam:far", "call f"), "tools", tools.clone()),
        "mystery",
        json!([1]),
    );
    let (status, reply) = server.chat(&body);
    assert_eq!(
        (status, &reply["path"]),
        (200, &json!("/v1/chat/completions"))
    );
    assert_eq!(reply["sent"]["tools"], tools);
    assert_eq!(reply["sent"]["mystery"], json!([1]));
    assert_eq!(reply["sent"]["model"], "far");
    let turns = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "one two"}]);
    let (_, reply) = server.chat(&json!({"model": "beam:small", "messages": turns}));
    assert_eq!(reply["choices"][0]["message"]["content"], "two one ");
    let (status, reply) = server.chat(&asked("far", "unreachable"));
    assert_eq!(
        (status, &reply["error"]["type"]),
        (502, &json!("upstream_error"))
    );
}

#[test]
fn streams_tell_the_search_and_then_the_answer() {
    let server = Server::open();
    let body = with(
        with(asked("beam:small", "say 9"), "stream", json!(true)),
        "stream_options",
        json!({"include_usage": true}),
    );
    let (_, head, plain) = server.send("POST /v1/chat/completions HTTP/1.1", &body.to_string());
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(
        plain.contains(": growing") && !plain.contains("event: outthink"),
        "comments only: {plain}"
    );
    assert!(
        plain.contains("boxed{9}")
            && plain.contains("\"finish_reason\":\"stop\"")
            && plain.contains("\"total_tokens\"")
    );
    assert!(plain.contains("data: [DONE]"));
    let (_, _, traced) = server.send(
        "POST /v1/chat/completions HTTP/1.1",
        &with(body, "outthink", json!({"trace": true})).to_string(),
    );
    for kind in ["grow", "step", "reward", "report"] {
        assert!(
            traced.contains(&format!("\"type\":\"{kind}\"")),
            "{kind}: {traced}"
        );
    }
    let broken = with(asked("beam:small", "broken"), "stream", json!(true));
    let (_, _, broken) = server.send("POST /v1/chat/completions HTTP/1.1", &broken.to_string());
    assert!(
        broken.contains("the GPU is on fire") && broken.contains("[DONE]"),
        "{broken}"
    );
}

#[test]
fn a_cap_ends_a_search_and_it_still_answers() {
    let server = Server::open();
    let start = Instant::now();
    let body = with(
        asked("majority:small", "slow 5"),
        "outthink",
        json!({"budget": 32, "max_seconds": 0.3}),
    );
    let (status, reply) = server.chat(&body);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(
        (
            &reply["outthink"]["answer"],
            &reply["outthink"]["stopped_by"]
        ),
        (&json!("5"), &json!("max_seconds"))
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    let body = with(
        asked("majority:small", "say 5"),
        "outthink",
        json!({"budget": 32, "max_tokens_total": 6}),
    );
    assert_eq!(
        server.chat(&body).1["outthink"]["stopped_by"],
        "max_tokens_total"
    );
}

#[test]
fn a_client_that_leaves_ends_its_search() {
    let server = Server::open();
    for stream in [false, true] {
        let body = with(asked("majority:small", "slow 5"), "stream", json!(stream)).to_string();
        let mut client = server.connect();
        write!(
            client,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        while server.running.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(client);
        // Not a timing: it would be a minute otherwise.
        let start = Instant::now();
        while server.running.load(Ordering::SeqCst) > 0 {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "stream: {stream}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn keys_open_the_door_and_bound_what_is_asked() {
    let sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"; // of `key`
    let key = Key {
        name: "alice".into(),
        sha256: sha256.into(),
        searches: 1,
        budget: 8,
    };
    let server = Server::start(Keys { keys: vec![key] }, Settings::default());
    let ask = |head: &str, budget: u64| {
        let body = with(
            asked("beam:small", "say 1"),
            "outthink",
            json!({"budget": budget}),
        );
        server
            .send(
                &format!("POST /v1/chat/completions HTTP/1.1{head}"),
                &body.to_string(),
            )
            .0
    };
    assert_eq!(ask("", 8), 401);
    assert_eq!(ask("\r\nauthorization: Bearer other", 8), 401);
    assert_eq!(ask("\r\nauthorization: Bearer key", 8), 200);
    assert_eq!(ask("\r\nauthorization: Bearer key", 16), 400);
    assert_eq!(server.send("GET /health HTTP/1.1", "").0, 200);
    assert_eq!(server.send("GET /v1/models HTTP/1.1", "").0, 401);
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
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
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
    let (status, head, _) = server.send("POST /v1/chat/completions HTTP/1.1", &body);
    assert_eq!(status, 429);
    assert!(head.contains("retry-after: 2"), "{head}");
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
    assert_eq!(post(&"x".repeat(2000)), 413);
    assert_eq!(server.send("GET /nowhere HTTP/1.1", "").0, 404);
    assert_eq!(server.send("GET /v1/chat/completions HTTP/1.1", "").0, 405);
    // A head that never ends, and one that is far too long.
    let mut half = server.connect();
    half.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n")
        .unwrap();
    let mut flood = server.connect();
    let _ = flood.write_all(format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(50_000)).as_bytes());
    let mut answer = String::new();
    let _ = flood.read_to_string(&mut answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
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
    write!(client, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
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

#[test]
fn a_cap_before_the_first_draw_gives_an_empty_reply_that_is_cut_off() {
    let server = Server::open();
    let caps = json!({"budget": 4, "max_seconds": 0.2});
    for model in ["beam:small", "majority:small"] {
        let (status, reply) = server.chat(&with(asked(model, "never"), "outthink", caps.clone()));
        assert_eq!(status, 200, "{reply}");
        let choice = &reply["choices"][0];
        assert_eq!(choice["message"]["content"], "");
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(reply["outthink"]["stopped_by"], "max_seconds");
        assert_eq!(reply["outthink"]["samples"], 0);
        assert_eq!(reply["outthink"]["answer"], Value::Null);
    }
}
