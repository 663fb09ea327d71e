//! A model server without a model, for measuring what stands before it: `mock [NAME=NUMBER…]`.
//!
//! It speaks as vLLM does (chat, completions with token ids, both as streams too), always says the same, takes any number of
//! requests at once and costs about what two system calls cost. Prints its address.
//!
//! - `port` (0: any that is free)
//! - `latency`: milliseconds from a request to the first byte of its answer (0)
//! - `pieces`: events of a stream before its end (16)
//! - `pause`: milliseconds between two of them (0)
//! - `chat`: 1 for a provider that knows the chat API alone and gives one choice, whatever `n` is (0)
//!
//! `GET /count` tells how many questions came.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement's other side"
)]

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use wire::{Arguments, header, write};

/// The micro tokenizer's: three steps of arithmetic and an answer.
const TOKENS: [(u32, &str); 25] = [
    (40, "$"),
    (27, "4"),
    (33, "+"),
    (26, "3"),
    (36, "="),
    (30, "7"),
    (40, "$"),
    (6, "\n\n"),
    (40, "$"),
    (30, "7"),
    (8, "\\cdot "),
    (29, "6"),
    (36, "="),
    (27, "4"),
    (25, "2"),
    (40, "$"),
    (6, "\n\n"),
    (18, "The answer is $"),
    (7, "\\boxed{"),
    (27, "4"),
    (25, "2"),
    (43, "}"),
    (40, "$"),
    (41, "."),
    (3, ""),
];

struct Mock {
    latency: Duration,
    pieces: usize,
    pause: Duration,
    chat: bool,
    asked: AtomicU64,
    replies: Replies,
}

/// Made once: writing them is all that a request costs.
struct Replies {
    chat: Vec<u8>,
    completion: Vec<u8>,
    head: Vec<u8>,
    piece: Vec<u8>,
    end: Vec<u8>,
    token: Vec<u8>,
    last_token: Vec<u8>,
}

fn main() {
    let mut arguments = Arguments::read();
    let port = u16::try_from(arguments.number("port", 0)).unwrap();
    let mock = Arc::new(Mock {
        latency: Duration::from_millis(arguments.number("latency", 0)),
        pieces: arguments.number("pieces", 16) as usize,
        pause: Duration::from_millis(arguments.number("pause", 0)),
        chat: arguments.number("chat", 0) == 1,
        asked: AtomicU64::new(0),
        replies: replies(),
    });
    arguments.end();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        println!("http://{}/v1", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mock = Arc::clone(&mock);
            tokio::spawn(async move { drop(connection(&stream, &mock).await) });
        }
    });
}

async fn connection(stream: &TcpStream, mock: &Mock) -> std::io::Result<()> {
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
        let path = text.split(' ').nth(1).unwrap_or_default();
        answer(stream, mock, path, &data[head..end]).await?;
        data.drain(..end);
    }
}

async fn answer(stream: &TcpStream, mock: &Mock, path: &str, body: &[u8]) -> std::io::Result<()> {
    let replies = &mock.replies;
    let (whole, piece, last) = match path {
        "/v1/chat/completions" => (&replies.chat, &replies.piece, &replies.piece),
        "/v1/completions" if !mock.chat => {
            (&replies.completion, &replies.token, &replies.last_token)
        }
        _ => {
            let reply = match about(mock, path) {
                Some(body) => response("200 OK", &body.to_string()),
                None => response("404 Not Found", r#"{"detail":"Not Found"}"#),
            };
            return write(stream, &reply).await;
        }
    };
    mock.asked.fetch_add(1, Ordering::Relaxed);
    if !mock.latency.is_zero() {
        tokio::time::sleep(mock.latency).await;
    }
    let streams = [&b"\"stream\":true"[..], b"\"stream\": true"];
    let streams = streams
        .into_iter()
        .any(|sign| body.windows(sign.len()).any(|window| window == sign));
    if !streams {
        return write(stream, whole).await;
    }
    write(stream, &replies.head).await?;
    for number in 1..=mock.pieces {
        write(stream, if number == mock.pieces { last } else { piece }).await?;
        if !mock.pause.is_zero() {
            tokio::time::sleep(mock.pause).await;
        }
    }
    write(stream, &replies.end).await
}

/// What is asked of a server before it is used.
fn about(mock: &Mock, path: &str) -> Option<Value> {
    let owner = if mock.chat { "someone" } else { "vllm" };
    match path {
        "/v1/models" => Some(json!({"object": "list", "data": [
            {"id": "mock", "object": "model", "owned_by": owner, "max_model_len": 4096}]})),
        "/version" => Some(json!({"version": "0.32.0"})),
        "/openapi.json" => Some(json!({"paths": {"/v1/completions": {}, "/tokenize": {}}})),
        "/tokenize" => {
            Some(json!({"count": 5, "max_model_len": 4096, "tokens": [2, 24, 25, 26, 27]}))
        }
        "/count" => Some(json!(mock.asked.load(Ordering::Relaxed))),
        _ => None,
    }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

fn replies() -> Replies {
    let (ids, texts): (Vec<u32>, Vec<&str>) = TOKENS.into_iter().unzip();
    let usage = json!({"prompt_tokens": 40, "completion_tokens": TOKENS.len(), "total_tokens": 40 + TOKENS.len(),
        "prompt_tokens_details": {"cached_tokens": 32}});
    let chat = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "mock", "choices": [{
        "index": 0, "message": {"role": "assistant", "content": texts.concat()}, "logprobs": null, "finish_reason": "stop"}],
        "usage": usage});
    let choice = |at: std::ops::Range<usize>, finish: Value| {
        json!({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "mock", "choices": [{
            "index": 0, "text": texts[at.clone()].concat(), "token_ids": ids[at.clone()], "finish_reason": finish, "stop_reason": null,
            "logprobs": {"text_offset": [], "token_logprobs": vec![-0.5; at.len()], "tokens": texts[at].to_vec(), "top_logprobs": null}}],
            "usage": null})
    };
    let mut completion = choice(0..TOKENS.len(), json!("stop"));
    completion["usage"] = usage.clone();
    let delta = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock",
        "choices": [{"index": 0, "delta": {"content": "fortytwo "}, "logprobs": null, "finish_reason": null}]});
    let told = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock", "choices": [], "usage": usage});
    Replies {
        chat: response("200 OK", &chat.to_string()),
        completion: response("200 OK", &completion.to_string()),
        head: b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        piece: chunk(&format!("data: {delta}\n\n")),
        end: [chunk(&format!("data: {told}\n\ndata: [DONE]\n\n")), b"0\r\n\r\n".to_vec()].concat(),
        token: chunk(&format!("data: {}\n\n", choice(0..1, Value::Null))),
        last_token: chunk(&format!("data: {}\n\n", choice(17..TOKENS.len(), json!("stop")))),
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into()
}
