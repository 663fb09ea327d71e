//! Bytes over TCP at the price of the system calls: what measures must cost less than what is measured.

#![allow(dead_code, reason = "each example uses its part")]

use std::collections::HashMap;
use std::io::ErrorKind;

use tokio::net::TcpStream;

/// `NAME=VALUE` arguments; whatever is not taken is a mistake.
pub(crate) struct Arguments(HashMap<String, String>);

impl Arguments {
    pub(crate) fn read() -> Self {
        let pair = |argument: String| {
            let (name, value) = argument.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        Self(std::env::args().skip(1).map(pair).collect())
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn number(&mut self, name: &str, usual: u64) -> u64 {
        self.text(name).map_or(usual, |text| text.parse().unwrap())
    }

    pub(crate) fn end(self) {
        assert!(self.0.is_empty(), "unknown: {:?}", self.0);
    }
}

/// Reads what is there, or waits for it. False at the end.
pub(crate) async fn read(stream: &TcpStream, data: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.try_read(&mut buffer) {
            Ok(count) => {
                data.extend_from_slice(&buffer[..count]);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.readable().await?,
            Err(error) => return Err(error),
        }
    }
}

pub(crate) async fn write(stream: &TcpStream, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() {
        match stream.try_write(data) {
            Ok(count) => data = &data[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A head with its blank line, read to its end; its length.
pub(crate) async fn head(stream: &TcpStream, data: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(end) = data.windows(4).position(|end| end == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if !read(stream, data).await? {
            return Ok(None);
        }
    }
}

/// A header's value in a head of lower-case text.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found == name).then(|| value.trim())
    })
}

/// A chat request of HTTP/1.1.
pub(crate) fn chat(host: &str, key: Option<&str>, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    let key = key.map_or(String::new(), |key| {
        format!("authorization: Bearer {key}\r\n")
    });
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{key}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}
