//! The binary, run in a folder that goes when the test ends.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A folder that goes when the test ends.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("outthink-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn outthink(arguments: &[&str], folder: &Folder) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outthink"))
        .args(arguments)
        .current_dir(&folder.0)
        .env("OUTTHINK_DATA", folder.file("data"))
        .output()
        .unwrap()
}

pub(crate) fn ok(arguments: &[&str], folder: &Folder) -> String {
    let output = outthink(arguments, folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn fails(arguments: &[&str], folder: &Folder) -> (Option<i32>, String) {
    let output = outthink(arguments, folder);
    assert!(!output.status.success());
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

pub(crate) const TINY: [&str; 12] = [
    "study",
    "--dataset",
    "micro:3",
    "--problems",
    "4",
    "--policy",
    "micro-24k",
    "--verifier",
    "micro-prm-short",
    "--budgets",
    "4,8",
    "--store",
];

/// A server that only chats: it gives these replies in turn, for ever, and tells nothing of itself but a model.
pub(crate) struct Chat {
    pub(crate) url: String,
    /// Heads of all requests.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Chat {
    pub(crate) fn start(replies: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            let mut given = 0;
            for stream in listener.incoming().flatten() {
                let _ = Self::answer(stream, replies, &mut given, &kept);
            }
        });
        Self { url, heads }
    }

    fn answer(
        stream: TcpStream,
        replies: &[&str],
        given: &mut usize,
        heads: &Mutex<Vec<String>>,
    ) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some(bytes) = line.to_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let reply = if head.starts_with("GET /v1/models ") {
            json!({"object": "list", "data": [{"id": "tiny-chat", "object": "model", "owned_by": "someone"}]})
        } else {
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let choices = (0..asked["n"].as_u64().unwrap_or(1)).map(|index| {
                let text = replies[*given % replies.len()];
                *given += 1;
                json!({"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"})
            });
            json!({"choices": choices.collect::<Vec<Value>>(), "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}})
        };
        heads.lock().unwrap().push(head);
        let reply = reply.to_string();
        write!(
            reader.get_mut(),
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{reply}",
            reply.len()
        )
    }
}
