//! How fast a policy writes: greedy answers to every problem at once, from an empty cache. benches/beside_transformers.py runs
//! it beside transformers.
//!
//!     cargo run --release -p outthink-engine --example throughput -- CHECKPOINT PROBLEMS.jsonl
#![allow(clippy::print_stdout, reason = "an example may print")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::executor::block_on;
use outthink_core::{Extension, Policy, Problem, Sampling, Until};
use outthink_engine::{Checkpoint, EmbeddedPolicy};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, problems] = arguments.as_slice() else {
        return Err("usage: throughput CHECKPOINT PROBLEMS.jsonl".into());
    };
    let policy = EmbeddedPolicy::load(&Checkpoint::read(Path::new(folder))?, None)?;
    let mut requests = Vec::new();
    for line in std::fs::read_to_string(problems)?.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let text = line["problem"].as_str().ok_or("a line without a problem")?;
        requests.push(Extension {
            problem: Arc::new(Problem {
                id: text.into(),
                text: text.into(),
            }),
            steps: Vec::new(),
            seeds: vec![0],
            until: Until::Answer,
            sampling: Sampling::GREEDY,
            max_tokens: policy.profile().solution_tokens,
            offset: 0,
        });
    }
    let start = Instant::now();
    let replies = block_on(policy.extend(requests))?;
    let seconds = start.elapsed().as_secs_f64();
    let tokens: u64 = replies.iter().map(|(_, usage)| usage.generated).sum();
    println!(
        "{}",
        serde_json::json!({"tokens": tokens, "seconds": seconds})
    );
    Ok(())
}
