//! Real servers' answers, word for word: what vLLM 0.32 and llama.cpp b11434 said of the micro family. The mocks answer a
//! question only if it is the recorded one, so the requests are checked as well as the readings.
//!
//! To record again: serve micro-0.3m and micro-prm, put tests/servers/record.py before each server, and run this file with
//! OUTTHINK_RECORD_VLLM_POLICY, OUTTHINK_RECORD_VLLM_PRM or OUTTHINK_RECORD_LLAMA set to the recorder's address.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;

use std::path::PathBuf;
use std::sync::Arc;

use futures::executor::block_on;
use mock::{Act, Mock};
use outthink_core::{
    Continuation, Extension, Policy, Prefix, Problem, Sampling, Step, Stop, Until, Usage, Verifier,
};
use outthink_prompt::Profile;
use outthink_remote::{RemotePolicy, RemoteVerifier, Servers};
use serde_json::Value;

/// The address of a mock that replays a transcript, or of a recorder.
fn server(transcript: &str, variable: &str) -> (Option<Mock>, String) {
    if let Ok(url) = std::env::var(variable) {
        return (None, url);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(transcript);
    let lines: Vec<Value> = std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mock = Mock::start(move |request| {
        let same = |line: &&Value| {
            line["request"]["path"] == *request.path && line["request"]["body"] == request.body
        };
        let Some(line) = lines.iter().find(same) else {
            return Act::Status(
                418,
                format!("not recorded: {} {}", request.path, request.body).into(),
            );
        };
        Act::Recorded(
            u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            line["response"].as_str().unwrap().to_owned(),
        )
    });
    let url = mock.url();
    (Some(mock), url)
}

fn folder(checkpoint: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/micro")
        .join(checkpoint)
}

fn problem() -> Arc<Problem> {
    Arc::new(Problem {
        id: "p".into(),
        text: "Evaluate $3+4\\cdot (5-2)$.".into(),
    })
}

fn extension(steps: &[Step], until: Until, sampling: Sampling, max_tokens: usize) -> Extension {
    Extension {
        problem: problem(),
        steps: steps.iter().cloned().map(Arc::new).collect(),
        seeds: vec![u64::MAX - 3, 5],
        until,
        sampling,
        max_tokens,
        offset: 0,
    }
}

fn draw(policy: &RemotePolicy, extension: Extension) -> (Vec<Continuation>, Usage) {
    block_on(policy.extend(vec![extension])).unwrap().remove(0)
}

/// What any policy server has to do, whoever has the tokenizer.
fn draws(url: &str, dialect: &str) {
    let mut seen = Vec::new();
    for (tokenizer, stream) in [
        (Some(folder("micro-0.3m")), false),
        (None, false),
        (None, true),
    ] {
        let local = tokenizer.is_some();
        let servers = Servers {
            tokenizer,
            stream,
            ..Servers::parse(url).unwrap()
        };
        let profile = Some(Profile::named("micro").unwrap());
        let policy = RemotePolicy::connect(&servers, profile, |_| {}).unwrap();
        let facts = &policy.facts()[0];
        assert_eq!(
            (facts.dialect.name(), &*facts.model),
            (dialect, "micro-0.3m")
        );
        assert_eq!(
            (facts.context, facts.prefix_caching),
            (Some(512), Some(true))
        );
        assert_eq!(
            policy.prompt(&problem()).unwrap(),
            [1, 11, 26, 33, 27, 8, 37, 28, 34, 25, 38, 40, 41, 2]
        );

        let (whole, usage) = draw(
            &policy,
            extension(&[], Until::Answer, Sampling::GREEDY, 120),
        );
        let tokens = |drawn: &Continuation| -> Vec<u32> {
            drawn
                .steps
                .iter()
                .flat_map(|step| step.tokens.clone())
                .collect()
        };
        assert_eq!(tokens(&whole[0]), tokens(&whole[1]));
        let Continuation { steps, stop } = whole[0].clone();
        assert_eq!(stop, Stop::Answer);
        assert!(
            steps.len() >= 3 && steps.last().unwrap().text.contains("\\boxed{15}"),
            "{steps:?}"
        );
        assert_eq!(steps.last().unwrap().tokens.last(), Some(&mock::token::END));
        assert!(
            steps
                .iter()
                .all(|step| step.logprob < 0.0 && step.logprob > -1.0)
        );
        let drawn: u64 = steps.iter().map(|step| step.tokens.len() as u64).sum();
        assert_eq!(
            (usage.requests, usage.prompt, usage.generated),
            (2, 28, 2 * drawn)
        );

        // Drawn step by step from its own tokens, the answer is the same.
        for end in 0..steps.len() {
            let request = extension(&steps[..end], Until::Step, Sampling::GREEDY, 96);
            let (step, usage) = draw(&policy, request);
            let last = end + 1 == steps.len();
            assert_eq!(step[0].stop, if last { Stop::Answer } else { Stop::Step });
            assert_eq!(step[0].steps.len(), 1);
            assert_eq!(step[0].steps[0].tokens, steps[end].tokens);
            assert_eq!(step[0].steps[0].text.trim(), steps[end].text.trim());
            assert_eq!(usage.estimated, 0);
        }
        let (cut, _) = draw(&policy, extension(&[], Until::Step, Sampling::GREEDY, 3));
        assert_eq!(
            (cut[0].stop, cut[0].steps[0].tokens.len()),
            (Stop::Length, 3)
        );

        let (drawn, _) = draw(&policy, extension(&[], Until::Step, Sampling::at(2.0), 96));
        assert_ne!(
            drawn[0].steps[0].tokens, drawn[1].steps[0].tokens,
            "two seeds"
        );
        if local {
            seen.push((steps, drawn));
        } else {
            // Spelled by the server, everything is the same.
            let texts = |drawn: &[Continuation]| -> Vec<(String, Vec<u32>)> {
                let steps = drawn.iter().flat_map(|c| &c.steps);
                steps
                    .map(|step| (step.text.clone(), step.tokens.clone()))
                    .collect()
            };
            assert_eq!(texts(&drawn), texts(&seen[0].1));
        }
    }
}

#[test]
fn vllm_draws_steps_and_answers() {
    let (_mock, url) = server("vllm-policy.jsonl", "OUTTHINK_RECORD_VLLM_POLICY");
    draws(&url, "vllm");
}

#[test]
fn llama_cpp_draws_steps_and_answers() {
    let (_mock, url) = server("llama.jsonl", "OUTTHINK_RECORD_LLAMA");
    draws(&url, "llama.cpp");
}

/// A right solution, and one whose second step is wrong.
fn solutions() -> Vec<Prefix> {
    let solution = |texts: [&str; 3]| Prefix {
        problem: problem(),
        steps: texts.map(|text| Arc::new(Step::written(text))).to_vec(),
        complete: false,
    };
    vec![
        solution([
            "$5-2=3$, so $3+4\\cdot 3$.",
            "$4\\cdot 3=12$, so $3+12$.",
            "$3+12=15$.",
        ]),
        solution([
            "$5-2=3$, so $3+4\\cdot 3$.",
            "$4\\cdot 3=13$, so $3+13$.",
            "$3+13=16$.",
        ]),
    ]
}

fn verifier(url: &str, checkpoint: &str, profile: Option<&str>) -> RemoteVerifier {
    let servers = Servers {
        tokenizer: Some(folder(checkpoint)),
        ..Servers::parse(url).unwrap()
    };
    let profile = match profile {
        Some("plus-minus") => Some(Profile::parse(PLUS_MINUS).unwrap()),
        Some(name) => Some(Profile::named(name).unwrap()),
        None => None,
    };
    RemoteVerifier::connect(&servers, profile, |_| {}).unwrap()
}

/// The micro family has no ± verifier; any language model says something after a tag, and that is enough to read.
const PLUS_MINUS: &str = r#"
name = "plus-minus"
[detect]
architectures = []
tokens = []
[verifier]
layout = "tag"
after_question = ""
before_tag = ""
tag = "\n\n"
after_tag = ""
words = "+-"
"#;

#[test]
fn vllm_scores_steps_by_pooling() {
    let (_mock, url) = server("vllm-prm.jsonl", "OUTTHINK_RECORD_VLLM_PRM");
    let judged = block_on(verifier(&url, "micro-prm", None).score(solutions())).unwrap();
    assert!(
        judged[0].rewards.iter().all(|reward| *reward > 0.9),
        "{judged:?}"
    );
    assert!(
        judged[1].rewards[0] > 0.9 && judged[1].rewards[1] < 0.1,
        "{judged:?}"
    );
    assert_eq!(
        (judged[0].usage.generated, judged[0].usage.estimated),
        (0, 0)
    );
}

#[test]
fn vllm_scores_steps_by_the_likelihood_of_the_prompt() {
    let (_mock, url) = server("vllm-policy.jsonl", "OUTTHINK_RECORD_VLLM_POLICY");
    let judged = block_on(verifier(&url, "micro-0.3m", Some("micro")).score(solutions())).unwrap();
    assert!(
        judged[0].rewards.iter().all(|reward| *reward > 0.5),
        "{judged:?}"
    );
    assert!(
        judged[1].rewards[0] > 0.5 && judged[1].rewards[1] < 0.1,
        "{judged:?}"
    );
    assert!(
        judged[1].rewards[2] <= judged[1].rewards[1],
        "the smallest so far"
    );
}

#[test]
fn vllm_and_llama_cpp_read_the_same_labels() {
    let (_vllm, vllm) = server("vllm-policy.jsonl", "OUTTHINK_RECORD_VLLM_POLICY");
    let (_llama, llama) = server("llama.jsonl", "OUTTHINK_RECORD_LLAMA");
    let [one, other] = [vllm, llama].map(|url| {
        let verifier = verifier(&url, "micro-0.3m", Some("plus-minus"));
        let judged = block_on(verifier.score(solutions())).unwrap();
        // The first step of both solutions is the same, and asked about once if the answer was there in time.
        let again = block_on(verifier.score(solutions())).unwrap();
        assert_eq!(again[0].rewards, judged[0].rewards);
        assert_eq!(again[0].usage, Usage::default(), "known by now");
        judged
            .into_iter()
            .flat_map(|j| j.rewards)
            .collect::<Vec<f64>>()
    });
    for (one, other) in one.iter().zip(&other) {
        assert!((one - other).abs() < 2e-3, "{one} {other}");
    }
    let (low, high) = (
        one.iter().copied().fold(1.0, f64::min),
        one.iter().copied().fold(0.0, f64::max),
    );
    assert!(high - low > 0.05, "rewards that differ: {one:?}");
}

#[test]
fn a_server_that_cannot_read_a_verifier_says_why() {
    let (_vllm, vllm) = server("vllm-policy.jsonl", "OUTTHINK_RECORD_VLLM_POLICY");
    let (_prm, prm) = server("vllm-prm.jsonl", "OUTTHINK_RECORD_VLLM_PRM");
    let (_llama, llama) = server("llama.jsonl", "OUTTHINK_RECORD_LLAMA");
    for (url, checkpoint, profile, reason) in [
        (&vllm, "micro-prm", None, "start it with --runner pooling"),
        (
            &prm,
            "micro-0.3m",
            Some("micro"),
            "start it without --runner pooling",
        ),
        (
            &llama,
            "micro-0.3m",
            Some("micro"),
            "use vLLM or `outthink prm-serve`",
        ),
    ] {
        let servers = Servers {
            tokenizer: Some(folder(checkpoint)),
            ..Servers::parse(url).unwrap()
        };
        let profile = profile.map(|name| Profile::named(name).unwrap());
        let error = RemoteVerifier::connect(&servers, profile, |_| {})
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
}
