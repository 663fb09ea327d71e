//! Probes on a policy's engine: what they read, what that costs, and their file.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[allow(dead_code, reason = "each test file uses its part")]
mod families;
#[allow(dead_code, reason = "each test file uses its part")]
mod models;

use std::sync::Arc;

use candle_core::{DType, Device};
use futures::executor::block_on;
use outthink_core::{
    Continuation, Extension, Isotonic, Policy, Prefix, Probe, ProbeHead, ProbeLayout, Sampling,
    Statistic, Step, Stop, Until, Verifier,
};
use outthink_engine::{
    Checkpoint, EmbeddedPolicy, ProbeFile, ProbeFileError, ProbeVerifier, StateReader, Weights,
};

/// A policy and solutions that it has just drawn, with how each ended.
fn drawn() -> (Checkpoint, EmbeddedPolicy, Vec<(Prefix, Stop)>) {
    let checkpoint = models::checkpoint("micro-24k");
    let policy = EmbeddedPolicy::load(&checkpoint, None).unwrap();
    let problem = families::problem("Evaluate $7+8\\cdot 3$.");
    let request = Extension {
        problem: Arc::clone(&problem),
        steps: Vec::new(),
        seeds: (0..8).collect(),
        offset: 0,
        until: Until::Answer,
        sampling: Sampling::at(1.0),
        max_tokens: 80,
    };
    let replies = block_on(policy.extend(vec![request])).unwrap();
    let solution = |draw: &Continuation| {
        let prefix = Prefix {
            problem: Arc::clone(&problem),
            steps: draw.steps.iter().cloned().map(Arc::new).collect(),
            complete: draw.stop == Stop::Answer,
        };
        (prefix, draw.stop)
    };
    let solutions = replies[0].0.iter().map(solution).collect();
    (checkpoint, policy, solutions)
}

fn probe(statistics: Vec<Statistic>, hidden: usize) -> Probe {
    let layout = ProbeLayout { hidden, statistics };
    let width = layout.width();
    Probe {
        mean: vec![0.25; width],
        scale: vec![0.5; width],
        head: ProbeHead {
            inner: (
                (0..3 * width).map(|i| (i as f32).sin()).collect(),
                vec![0.1, -0.1, 0.0],
            ),
            outer: vec![0.5, -0.25, 0.125],
            bias: 0.0625,
        },
        map: Isotonic {
            knots: vec![(0.0, 0.0), (0.3, 0.1), (1.0, 1.0)],
        },
        layout,
    }
}

#[test]
fn a_steps_state_is_that_from_which_the_policy_went_on() {
    let (checkpoint, policy, solutions) = drawn();
    let Weights::Files(files) = &checkpoint.weights else {
        panic!("safetensors");
    };
    let tensors = candle_core::safetensors::load(&files[0], &Device::Cpu).unwrap();
    let embedding = tensors["model.embed_tokens.weight"].to_dtype(DType::F64);
    let embedding: Vec<Vec<f64>> = embedding.unwrap().to_vec2().unwrap();
    let reader = StateReader::new(&policy, Vec::new());
    let mut compared = 0;
    for (prefix, _) in &solutions {
        let (rows, _) = block_on(reader.read(std::slice::from_ref(prefix)))
            .unwrap()
            .remove(0);
        assert_eq!(rows.len(), prefix.steps.len());
        for (row, next) in rows.iter().zip(prefix.steps.iter().skip(1)) {
            // The tied output layer, in f64: what it says of the next step's first token is what was told when that was drawn.
            let dot = |weights: &Vec<f64>| {
                let parts = weights.iter().zip(row).map(|(w, x)| w * f64::from(*x));
                parts.sum::<f64>()
            };
            let logits: Vec<f64> = embedding.iter().map(dot).collect();
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            let said = logits[next.tokens[0] as usize] - total.ln();
            assert!((said - f64::from(next.stats.logprobs[0])).abs() < 2e-3);
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn a_reward_of_what_the_policy_has_drawn_costs_no_token_unless_it_was_cut_off() {
    let (_, policy, solutions) = drawn();
    let hidden = policy.engine().hidden_size();
    let verifier = ProbeVerifier::new(&policy, probe(Vec::new(), hidden)).unwrap();
    let before = policy.counts().computed;
    let mut last_tokens = std::collections::HashSet::new();
    for (prefix, _) in &solutions {
        let read = verifier.reads(prefix).unwrap();
        let drawn: usize = prefix.steps.iter().map(|step| step.tokens.len()).sum();
        let prompt = policy.prompt(&prefix.problem).unwrap().len();
        // An answer's end is not read; else the last token was drawn and never computed.
        let ended = read.len() < prompt + drawn;
        assert_eq!(verifier.at_hand(prefix), read.len() - usize::from(!ended));
        if !ended {
            last_tokens.insert(read);
        }
    }
    let prefixes = solutions.iter().map(|(prefix, _)| prefix.clone());
    let judged = block_on(verifier.score(prefixes.collect())).unwrap();
    let told: u64 = judged.iter().map(|own| own.usage.computed).sum();
    assert_eq!(told, last_tokens.len() as u64);
    assert_eq!(policy.counts().computed - before, told);
    assert!(
        last_tokens.len() < solutions.len(),
        "some ended by themselves"
    );
    // The head adds its numbers to what a token costs.
    let head = verifier.cost().parameters - policy.cost().parameters;
    assert_eq!(head, 3 * hidden as u64 + 3 + 3 + 1);

    // On an engine of its own it says the same.
    let alone = EmbeddedPolicy::load(&models::checkpoint("micro-24k"), None).unwrap();
    let alone = ProbeVerifier::new(&alone, probe(Vec::new(), hidden)).unwrap();
    let prefixes = solutions.iter().map(|(prefix, _)| prefix.clone());
    let again = block_on(alone.score(prefixes.collect())).unwrap();
    for (a, b) in judged.iter().zip(&again) {
        assert_eq!(a.rewards, b.rewards);
        assert!(a.rewards.iter().all(|reward| (0.0..=1.0).contains(reward)));
    }
}

#[test]
fn statistics_are_the_same_whether_the_policy_told_them_or_they_are_read() {
    let (_, policy, solutions) = drawn();
    let statistics = [Statistic::LIKELIHOODS, Statistic::ENTROPIES].concat();
    let reader = StateReader::new(&policy, statistics);
    let untold = |prefix: &Prefix| Prefix {
        steps: prefix
            .steps
            .iter()
            .map(|step| {
                Arc::new(Step {
                    stats: Default::default(),
                    ..step.as_ref().clone()
                })
            })
            .collect(),
        ..prefix.clone()
    };
    let hidden = policy.engine().hidden_size();
    for (prefix, _) in solutions {
        let both = block_on(reader.read(&[prefix.clone(), untold(&prefix)])).unwrap();
        for (told, read) in both[0].0.iter().zip(&both[1].0) {
            assert_eq!(told.len(), hidden + 4);
            let gap = told.iter().zip(read).map(|(a, b)| (a - b).abs());
            assert!(gap.fold(0.0, f32::max) < 2e-3, "{told:?} {read:?}");
            assert!(told[hidden] < 0.0 && told[hidden + 2] > 0.0);
        }
    }
}

#[test]
fn a_file_holds_all_of_a_probe_and_what_is_none_is_refused() {
    let file = ProbeFile {
        probe: probe(Statistic::LIKELIHOODS.to_vec(), 4),
        policy: "mine".into(),
        identity: serde_json::json!({"files": "abc", "dtype": "auto"}),
        load: serde_json::json!({"model": "./mine"}),
        fitted_on: serde_json::json!({"study": "s"}),
        audit: serde_json::json!({"verdict": "…"}),
    };
    let folder = std::env::temp_dir().join(format!("outthink-probes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("p.safetensors");
    file.write(&path).unwrap();
    assert!(ProbeFile::recognises(&path));
    assert_eq!(ProbeFile::read(&path).unwrap(), file);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes, file.bytes().unwrap(), "the same bytes each time");
    std::fs::remove_dir_all(&folder).unwrap();

    for cut in [0, 7, 100, bytes.len() - 1] {
        assert!(ProbeFile::parse(&bytes[..cut]).is_err(), "{cut}");
    }
    let changed = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes
            .windows(from.len())
            .position(|own| own == from.as_bytes());
        let mut bytes = bytes.clone();
        bytes[at.unwrap()..][..to.len()].copy_from_slice(to.as_bytes());
        ProbeFile::parse(&bytes).unwrap_err()
    };
    let later = changed("\\\"version\\\":1", "\\\"version\\\":7");
    assert!(matches!(later, ProbeFileError::Version(7)), "{later}");
    let damaged = changed("\\\"hidden\\\":4", "\\\"hidden\\\":5");
    assert!(
        damaged
            .to_string()
            .contains("its mean has 6 numbers, and 7 are read"),
        "{damaged}"
    );
    let model = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/micro/micro-24k/model.safetensors");
    assert!(!ProbeFile::recognises(&model));
    let none = ProbeFile::read(&model).unwrap_err();
    assert!(matches!(none, ProbeFileError::NoProbe), "{none}");

    let (_, policy, _) = drawn();
    let other = ProbeVerifier::new(&policy, file.probe).err().unwrap();
    assert!(matches!(
        other,
        ProbeFileError::OtherStates { fitted: 4, .. }
    ));
}
