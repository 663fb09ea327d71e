//! How long a search goes on after its client has left: `leave url=http://HOST:PORT model=METHOD:POLICY [budget=64] [times=20]`.
//!
//! Asks, waits until the gateway says that it searches, hangs up, and watches `/ready` until it searches no more. Half of the requests are
//! streams. Prints milliseconds between the two; each includes the polling's own round trip.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

mod wire;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use wire::{Arguments, header};

async fn searching(stream: &TcpStream, address: &str) -> u64 {
    let request = format!("GET /ready HTTP/1.1\r\nhost: {address}\r\n\r\n");
    wire::write(stream, request.as_bytes()).await.unwrap();
    let mut data = Vec::new();
    let begin = wire::head(stream, &mut data).await.unwrap().unwrap();
    let head = String::from_utf8_lossy(&data[..begin]).to_ascii_lowercase();
    let length: usize = header(&head, "content-length").unwrap().parse().unwrap();
    while data.len() < begin + length {
        assert!(wire::read(stream, &mut data).await.unwrap());
    }
    let ready: Value = serde_json::from_slice(&data[begin..]).unwrap();
    ready["searching"].as_u64().unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = Arguments::read();
    let url = arguments.text("url").unwrap();
    let address = url.trim_start_matches("http://");
    let address = address.split('/').next().unwrap();
    let model = arguments.text("model").unwrap();
    let budget = arguments.number("budget", 64);
    let times = arguments.number("times", 20);
    arguments.end();
    let watch = TcpStream::connect(address).await.unwrap();
    watch.set_nodelay(true).unwrap();
    let mut took = Vec::new();
    while (took.len() as u64) < times {
        let number = took.len();
        let body = json!({"model": model, "stream": number % 2 == 0, "outthink": {"budget": budget},
            "messages": [{"role": "user", "content": format!("Evaluate $({number}+17)\\cdot (23-{number})-5\\cdot 3$.")}]});
        let client = TcpStream::connect(address).await.unwrap();
        wire::write(&client, &wire::chat(address, None, &body))
            .await
            .unwrap();
        while searching(&watch, address).await == 0 {}
        tokio::time::sleep(Duration::from_millis(20)).await;
        if searching(&watch, address).await == 0 {
            println!("a search was over before its client left: take a larger budget");
            return;
        }
        drop(client);
        let left = Instant::now();
        while searching(&watch, address).await > 0 {}
        took.push(left.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    println!(
        "{}",
        json!({"times": times, "median_ms": took[took.len() / 2], "max_ms": took.last()})
    );
}
