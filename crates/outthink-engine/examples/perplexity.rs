//! Perplexity of a language model on a text, counted as llama.cpp's `llama-perplexity` counts it: chunks of 512 tokens, the
//! second half of each. benches/beside_llama_cpp runs both.
//!
//!     cargo run --release -p outthink-engine --example perplexity -- MODEL TEXT [PRECISION]
#![allow(clippy::print_stdout, reason = "an example may print")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::executor::block_on;
use outthink_engine::{Checkpoint, Engine, Reading, Readout};
use outthink_prompt::Tokenizer;

const CHUNK: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, text, precision) = match arguments.as_slice() {
        [model, text] => (model, text, "auto"),
        [model, text, precision] => (model, text, precision.as_str()),
        _ => return Err("usage: perplexity MODEL TEXT [PRECISION]".into()),
    };
    let model = Path::new(model);
    let mut checkpoint = match model.is_file() {
        true => Checkpoint::read_gguf(model)?,
        false => Checkpoint::read(model)?,
    };
    checkpoint.precision = precision.parse()?;
    let tokenizer = Arc::new(Tokenizer::from_bytes(&checkpoint.tokenizer)?);
    let engine = Engine::load(&checkpoint, Arc::clone(&tokenizer), Readout::Likelihood)?;
    let tokens = tokenizer.encode(&std::fs::read_to_string(text)?)?;
    let readings: Vec<Reading> = tokens
        .chunks_exact(CHUNK)
        .map(|chunk| Reading {
            tokens: chunk.to_vec(),
            places: (CHUNK / 2 + 1..CHUNK).collect(),
        })
        .collect();
    let chunks = readings.len();
    let start = Instant::now();
    let replies = block_on(engine.read(readings))?;
    let seconds = start.elapsed().as_secs_f64();
    let values: Vec<f64> = replies
        .into_iter()
        .flat_map(|(values, _)| values)
        .map(f64::from)
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    println!(
        "{}",
        serde_json::json!({"perplexity": (-mean).exp(), "tokens": chunks * CHUNK, "seconds": seconds})
    );
    Ok(())
}
