//! Every architecture from its own files, beside transformers, an independent implementation: one module an architecture. The
//! values are in each checkpoint's `golden.json`, which families/make.py wrote with the checkpoint.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may print and may fail by panicking"
)]

#[path = "../families/mod.rs"]
mod families;

mod gemma;
mod gpt_oss;
mod llama;
mod lora;
mod mistral;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3_moe;
mod sentence_piece;
mod smollm3;

use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{Extension, Policy, Sampling, Until, Verifier};
use outthink_engine::{
    Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Engine, Precision, Reading, Readout,
};
use outthink_prompt::{Profile, Tokenizer};
use serde::Deserialize;

/// What transformers makes of a question, or of a solution.
#[derive(Deserialize)]
struct Golden {
    problem: String,
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    prompt: Vec<u32>,
    /// Log-probability of every token of the vocabulary after the prompt.
    #[serde(default)]
    last: Vec<f64>,
    #[serde(default)]
    greedy: Vec<u32>,
    #[serde(default)]
    tokens: Vec<u32>,
    #[serde(default)]
    rewards: Vec<f64>,
}

fn golden(file: &Path) -> Vec<Golden> {
    let cases: Vec<Golden> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(!cases.is_empty());
    cases
}

/// The profile of a family's policy is detected; it asks, predicts and draws as transformers does.
fn compare_policy(name: &str, profile: &str) {
    let cases = golden(&families::folder(name).join("golden.json"));
    compare(name, profile, families::checkpoint(name), &cases);
}

/// The same of its GGUF file, which says all that the checkpoint says. What is quantized has golden values of its own.
fn compare_gguf(name: &str, profile: &str) {
    let file = families::folder("gguf").join(name);
    let own = file.with_added_extension("golden.json");
    let cases = golden(&match own.is_file() {
        true => own,
        false => families::folder(name).join("golden.json"),
    });
    let checkpoint = Checkpoint::read_gguf(&file.with_added_extension("gguf")).unwrap();
    compare(name, profile, checkpoint, &cases);
}

/// The largest relative error of the log-probabilities after a prompt.
fn error(engine: &Engine, case: &Golden) -> f64 {
    // One reading a possible next token gives the whole distribution.
    let next = (0..case.last.len() as u32).map(|next| Reading {
        tokens: [case.prompt.as_slice(), &[next]].concat(),
        places: vec![case.prompt.len()],
    });
    let values = block_on(engine.read(next.collect())).unwrap();
    let errors = values
        .iter()
        .zip(&case.last)
        .map(|((ours, _), theirs)| (f64::from(ours[0]) - theirs).abs() / theirs.abs().max(1.0));
    errors.fold(0.0, f64::max)
}

fn compare(name: &str, profile: &str, mut checkpoint: Checkpoint, cases: &[Golden]) {
    let load = |checkpoint: &Checkpoint| {
        let tokenizer = Tokenizer::from_bytes(&checkpoint.tokenizer).unwrap();
        Engine::load(checkpoint, Arc::new(tokenizer), Readout::Likelihood).unwrap()
    };
    // What is stored in blocks is multiplied as such, with inputs that are rounded, too; so are all weights in 8 bits.
    for precision in [Precision::Auto, Precision::Stored, Precision::Q8] {
        checkpoint.precision = precision;
        let engine = load(&checkpoint);
        for case in cases {
            let worst = error(&engine, case);
            // The last of a batch again, alone.
            block_on(engine.forget()).unwrap();
            let last = case.last.len() as u32 - 1;
            let place = vec![case.prompt.len()];
            let read = |tokens: Vec<u32>| {
                let places = place.clone();
                let value = block_on(engine.read(vec![Reading { tokens, places }])).unwrap();
                value[0].0[0].to_bits()
            };
            let alone = read([case.prompt.as_slice(), &[last]].concat());
            block_on(engine.forget()).unwrap();
            let both: Vec<Reading> = [last, 5]
                .map(|next| Reading {
                    tokens: [&case.prompt[..], &[next]].concat(),
                    places: place.clone(),
                })
                .into();
            let other = Reading {
                tokens: case.prompt.iter().rev().copied().collect(),
                places: place.clone(),
            };
            let all = [both, vec![other]].concat();
            let beside = block_on(engine.read(all)).unwrap()[0].0[0].to_bits();
            assert_eq!(alone, beside, "{name}: what is in the batch shows");
            println!("{name}: largest relative error {worst:.1e} in {precision}");
            assert!(worst <= 0.15, "{name}: {worst} in {precision}");
        }
    }
    checkpoint.precision = Precision::F32;
    let policy = EmbeddedPolicy::load(&checkpoint, None).unwrap();
    assert_eq!(policy.profile_name(), profile, "the profile is detected");
    let engine = load(&checkpoint);
    for case in cases {
        let problem = families::problem(&case.problem);
        assert_eq!(policy.prompt(&problem).unwrap(), case.prompt, "{name}");
        let worst = error(&engine, case);
        println!("{name}: largest relative error {worst:.1e}");
        assert!(worst <= 1e-4, "{name}: {worst}");

        let drawn = block_on(policy.extend(vec![Extension {
            problem,
            steps: Vec::new(),
            seeds: vec![1],
            until: Until::Answer,
            sampling: Sampling::GREEDY,
            max_tokens: 24,
            offset: 0,
        }]))
        .unwrap();
        let steps = drawn[0].0[0].steps.iter();
        let tokens: Vec<u32> = steps.flat_map(|step| step.tokens.clone()).collect();
        assert_eq!(tokens, case.greedy, "{name}");
    }
}

/// The profile of a family's verifier is detected, unless one is named; it reads and rewards as its authors' code does.
fn compare_verifier(name: &str, reference: Option<&str>, profile: Option<&str>) {
    let reference = reference.map(families::checkpoint);
    let profile = profile.map(|profile| Profile::named(profile).unwrap());
    let checkpoint = families::checkpoint(name);
    let verifier = EmbeddedVerifier::load(&checkpoint, reference.as_ref(), profile).unwrap();
    assert_eq!(verifier.profile_name(), name, "the profile is detected");
    for case in golden(&families::folder(name).join("golden.json")) {
        let prefix = families::prefix(&case.problem, &case.steps);
        let rendered = verifier.render(&prefix).unwrap();
        // What follows the last mark, as an end-of-turn token, is never read.
        assert!(
            case.tokens.starts_with(&rendered.tokens),
            "{name}: {:?} {:?}",
            rendered.tokens,
            case.tokens
        );
        let judgement = block_on(verifier.score(vec![prefix])).unwrap().remove(0);
        assert_eq!(judgement.rewards.len(), case.rewards.len(), "{name}");
        for (ours, theirs) in judgement.rewards.iter().zip(&case.rewards) {
            assert!((ours - theirs).abs() <= 1e-4, "{name}: {ours} {theirs}");
        }
    }
}
