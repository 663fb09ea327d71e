//! One engine for several readers: hidden states are what the model's own heads read, and a policy and a verifier that are
//! one model compute a shared prefix once.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod families;
mod models;

use std::collections::HashSet;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use futures::executor::block_on;
use outthink_core::{Continuation, Extension, Policy, Prefix, Sampling, Until, Verifier};
use outthink_engine::{
    Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Engine, Reading, Readout, Weights,
};

/// Rows of a checkpoint's tensor in f64.
fn tensors(checkpoint: &Checkpoint, name: &str) -> Vec<Vec<f64>> {
    let Weights::Files(files) = &checkpoint.weights else {
        panic!("safetensors");
    };
    let tensors = candle_core::safetensors::load(&files[0], &Device::Cpu).unwrap();
    let rows: &Tensor = &tensors[name];
    let rows = match rows.rank() {
        1 => rows.unsqueeze(1).unwrap(),
        _ => rows.clone(),
    };
    rows.to_dtype(DType::F64).unwrap().to_vec2().unwrap()
}

fn engine(checkpoint: &Checkpoint, readout: Readout) -> Engine {
    Engine::load(checkpoint, models::tokenizer(checkpoint), readout).unwrap()
}

fn times(matrix: &[Vec<f64>], row: &[f32]) -> Vec<f64> {
    let dot = |weights: &Vec<f64>| {
        weights
            .iter()
            .zip(row)
            .map(|(w, &x)| w * f64::from(x))
            .sum()
    };
    matrix.iter().map(dot).collect()
}

fn sequence() -> Vec<u32> {
    (0..40).map(|at| at * 7 % 30).collect()
}

/// What the engine reads at some places, and the hidden states there, which cost nothing any more.
fn both(engine: &Engine, places: &[usize]) -> (Vec<f32>, Vec<Vec<f32>>) {
    let reading = Reading {
        tokens: sequence(),
        places: places.to_vec(),
    };
    let read = block_on(engine.read(vec![reading])).unwrap().remove(0).0;
    let (rows, usage) = block_on(engine.hidden(sequence(), places.to_vec())).unwrap();
    assert_eq!(usage.computed, 0);
    assert_eq!(engine.counts().computed, 40);
    (read, rows)
}

#[test]
fn hidden_states_times_a_label_head_are_its_rewards() {
    let checkpoint = families::checkpoint("trl-prm");
    let (weight, bias) = (
        tensors(&checkpoint, "score.weight"),
        tensors(&checkpoint, "score.bias"),
    );
    let places = [39, 0, 17, 17];
    let (rewards, rows) = both(&engine(&checkpoint, Readout::Label(1)), &places);
    for (reward, row) in rewards.iter().zip(&rows) {
        let logits = times(&weight, row);
        let gap = logits[0] + bias[0][0] - logits[1] - bias[1][0];
        let expected = 1.0 / (1.0 + gap.exp());
        assert!(
            (f64::from(*reward) - expected).abs() < 1e-5,
            "{reward} {expected}"
        );
    }
    assert_eq!(rows[2], rows[3]);
}

#[test]
fn hidden_states_times_a_value_head_are_its_rewards() {
    let checkpoint = families::checkpoint("skywork-prm");
    let weight = tensors(&checkpoint, "v_head.summary.weight");
    let bias = tensors(&checkpoint, "v_head.summary.bias");
    let (rewards, rows) = both(&engine(&checkpoint, Readout::Value), &[3, 38]);
    for (reward, row) in rewards.iter().zip(&rows) {
        let expected = 1.0 / (1.0 + (-times(&weight, row)[0] - bias[0][0]).exp());
        assert!(
            (f64::from(*reward) - expected).abs() < 1e-5,
            "{reward} {expected}"
        );
    }
}

#[test]
fn hidden_states_times_a_tied_embedding_are_log_probabilities() {
    let checkpoint = families::checkpoint("qwen2.5");
    let embedding = tensors(&checkpoint, "model.embed_tokens.weight");
    let engine = engine(&checkpoint, Readout::Likelihood);
    let places: Vec<usize> = (1..40).collect();
    let (read, _) = both(&engine, &places);
    let before = places.iter().map(|place| place - 1).collect();
    let (rows, _) = block_on(engine.hidden(sequence(), before)).unwrap();
    for ((value, row), &place) in read.iter().zip(&rows).zip(&places) {
        let logits = times(&embedding, row);
        let highest = logits.iter().copied().fold(f64::MIN, f64::max);
        let total: f64 = logits.iter().map(|logit| (logit - highest).exp()).sum();
        let expected = logits[sequence()[place] as usize] - highest - total.ln();
        assert!(
            (f64::from(*value) - expected).abs() < 1e-4,
            "{value} {expected}"
        );
    }
}

#[test]
fn hidden_states_that_are_not_there_are_errors() {
    let engine = models::engine("micro-24k");
    let refusal = |tokens: &[u32], places: &[usize]| {
        let hidden = block_on(engine.hidden(tokens.to_vec(), places.to_vec()));
        hidden.unwrap_err().to_string()
    };
    insta::assert_snapshot!(refusal(&[1, 2], &[0, 2]), @"there is no place 2 in a sequence of 2 tokens");
    insta::assert_snapshot!(refusal(&[], &[0]), @"the prompt is empty: a model goes on from one token at least");
    insta::assert_snapshot!(refusal(&[], &[]), @"the prompt is empty: a model goes on from one token at least");
    insta::assert_snapshot!(refusal(&[1, 5000], &[0]), @"token 5000 is not among the model's 48");
}

#[test]
fn handles_that_read_in_other_ways_do_not_disturb_each_other() {
    let checkpoint = families::checkpoint("rlhflow-prm");
    let likelihood = engine(&checkpoint, Readout::Likelihood);
    let signs = likelihood.reading_as(Readout::Tokens(5, 6)).unwrap();
    let read = |engine: &Engine| {
        let reading = Reading {
            tokens: sequence(),
            places: (1..40).collect(),
        };
        block_on(engine.read(vec![reading])).unwrap().remove(0).0
    };
    let expected = [
        read(&engine(&checkpoint, Readout::Likelihood)),
        read(&engine(&checkpoint, Readout::Tokens(5, 6))),
    ];
    for _ in 0..2 {
        assert_eq!([read(&likelihood), read(&signs)], expected);
    }
    assert_eq!(likelihood.counts().computed, 40, "both read one tree");
    let refusal = likelihood.reading_as(Readout::Value).err().unwrap();
    insta::assert_snapshot!(refusal, @"this checkpoint is a LlamaForCausalLM and cannot be a value model");
}

#[test]
fn a_verifier_on_the_policys_engine_computes_only_what_the_policy_has_not() {
    let checkpoint = models::checkpoint("micro-24k");
    let problem = families::problem("Evaluate $7+8\\cdot 3$.");
    let draw = |policy: &EmbeddedPolicy| {
        let request = Extension {
            problem: Arc::clone(&problem),
            steps: Vec::new(),
            seeds: (0..8).collect(),
            until: Until::Answer,
            sampling: Sampling::at(1.0),
            max_tokens: 80,
            offset: 0,
        };
        let replies = block_on(policy.extend(vec![request])).unwrap();
        let solution = |draw: &Continuation| {
            let steps = draw.steps.iter().map(|step| step.text.trim().to_owned());
            let steps: Vec<String> = steps.collect();
            families::prefix(&problem.text, &steps)
        };
        replies[0].0.iter().map(solution).collect::<Vec<Prefix>>()
    };
    let score = |verifier: &EmbeddedVerifier, solutions: &[Prefix]| -> Vec<Vec<f64>> {
        let judged = block_on(verifier.score(solutions.to_vec())).unwrap();
        judged
            .into_iter()
            .map(|judgement| judgement.rewards)
            .collect()
    };
    let policy = EmbeddedPolicy::load(&checkpoint, None).unwrap();
    let solutions = draw(&policy);
    let drawn = policy.counts().computed;
    let sharing = EmbeddedVerifier::sharing(&policy, None, None).unwrap();
    let alone = EmbeddedVerifier::load(&checkpoint, None, None).unwrap();
    assert_eq!(sharing.profile_name(), alone.profile_name());
    assert_eq!(score(&sharing, &solutions), score(&alone, &solutions));

    // Every distinct prefix of what is read is a token that the verifier alone has to compute.
    let read: Vec<Vec<u32>> = solutions
        .iter()
        .map(|s| alone.render(s).unwrap().tokens)
        .collect();
    let prefixes = |tokens: &[u32]| {
        (1..=tokens.len())
            .map(|end| tokens[..end].to_vec())
            .collect::<Vec<_>>()
    };
    let all: HashSet<Vec<u32>> = read.iter().flat_map(|tokens| prefixes(tokens)).collect();
    assert_eq!(alone.counts().computed, all.len() as u64);
    // The policy computed all of them but each answer's last token, which nothing was drawn after.
    let last: HashSet<&Vec<u32>> = read.iter().collect();
    let together = policy.counts().computed;
    assert_eq!(sharing.counts().computed, together, "one engine");
    assert_eq!(together - drawn, last.len() as u64);
    assert!(drawn > 100 && drawn + alone.counts().computed > 3 * together / 2);

    // And the other way round: what was scored is not computed to be drawn from.
    assert_eq!(draw(&policy).len(), 8);
    assert_eq!(policy.counts().computed, together);
}
