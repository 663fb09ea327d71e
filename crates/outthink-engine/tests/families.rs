//! Every family of policies and process reward models from its own files, beside transformers: families/golden.json, which
//! families/make.py wrote with the checkpoints (tiny, random, in the layout of the real ones).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test may print and may fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{Extension, Policy, Prefix, Problem, Sampling, Step, Until, Verifier};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Engine, Reading, Readout};
use outthink_prompt::{Profile, Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    problem: String,
    #[serde(default)]
    steps: Vec<String>,
    #[serde(default)]
    prompt: Vec<u32>,
    #[serde(default)]
    last: Vec<f64>,
    #[serde(default)]
    greedy: Vec<u32>,
    #[serde(default)]
    tokens: Vec<u32>,
    #[serde(default)]
    rewards: Vec<f64>,
}

fn golden(verifiers: bool) -> BTreeMap<String, Vec<Case>> {
    let mut all: BTreeMap<String, Vec<Case>> =
        serde_json::from_str(include_str!("families/golden.json")).unwrap();
    all.retain(|_, cases| cases[0].rewards.is_empty() != verifiers);
    all
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/families")
        .join(name)
}

fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint::read(&folder(name)).unwrap()
}

fn problem(text: &str) -> Arc<Problem> {
    Arc::new(Problem {
        id: text.into(),
        text: text.into(),
    })
}

fn prefix(question: &str, steps: &[String]) -> Prefix {
    let step = |text: &String| Arc::new(Step::written(text.clone()));
    Prefix {
        problem: problem(question),
        steps: steps.iter().map(step).collect(),
        complete: true,
    }
}

/// Asks, predicts and draws as transformers does.
fn compare(name: &str, checkpoint: &Checkpoint, cases: &[Case]) {
    let policy = EmbeddedPolicy::load(checkpoint, None).unwrap();
    assert_eq!(policy.profile_name(), name, "the profile is detected");
    let tokenizer = Tokenizer::from_bytes(&checkpoint.tokenizer).unwrap();
    let engine = Engine::load(checkpoint, Arc::new(tokenizer), Readout::Likelihood).unwrap();
    for case in cases {
        let problem = problem(&case.problem);
        assert_eq!(policy.prompt(&problem).unwrap(), case.prompt, "{name}");
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
        let worst = errors.fold(0.0, f64::max);
        println!("{name}: largest relative error {worst:.1e}");
        assert!(worst <= 1e-4, "{name}: {worst}");

        let drawn = block_on(policy.extend(vec![Extension {
            problem,
            steps: Vec::new(),
            seeds: vec![1],
            until: Until::Answer,
            sampling: Sampling::GREEDY,
            max_tokens: 24,
        }]))
        .unwrap();
        let steps = drawn[0].0[0].steps.iter();
        let tokens: Vec<u32> = steps.flat_map(|step| step.tokens.clone()).collect();
        assert_eq!(tokens, case.greedy, "{name}");
    }
}

#[test]
fn policies_ask_predict_and_draw_as_transformers_does() {
    let golden = golden(false);
    assert_eq!(golden.len(), 4);
    for (name, cases) in golden {
        compare(&name, &checkpoint(&name), &cases);
    }
}

#[test]
fn gguf_files_say_all_that_the_checkpoint_says() {
    let mut golden = golden(false);
    golden.extend(
        serde_json::from_str::<BTreeMap<_, _>>(include_str!("families/gguf/golden.json")).unwrap(),
    );
    // In f32 with reordered heads and rotary factors; in bf16 with head norms; in Q8_0 with YaRN.
    for name in ["llama-3", "qwen3", "deepseek-r1-distill"] {
        let file = folder("gguf").join(format!("{name}.gguf"));
        compare(name, &Checkpoint::read_gguf(&file).unwrap(), &golden[name]);
    }
}

#[test]
fn verifiers_read_and_reward_as_their_authors_code_does() {
    let golden = golden(true);
    assert_eq!(golden.len(), 7);
    for (name, cases) in golden {
        let (reference, profile) = match name.as_str() {
            "eurus-prm" => (Some(checkpoint("qwen2.5")), None),
            "er-prm" => (None, Some(Profile::named("er-prm").unwrap())),
            _ => (None, None),
        };
        let verifier =
            EmbeddedVerifier::load(&checkpoint(&name), reference.as_ref(), profile).unwrap();
        assert_eq!(verifier.profile_name(), name, "the profile is detected");
        for case in &cases {
            let prefix = prefix(&case.problem, &case.steps);
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
}

#[test]
fn pickled_weights_become_the_same_safetensors() {
    let temporary = std::env::temp_dir().join(format!("outthink-convert-{}", std::process::id()));
    let (from, to) = (temporary.join("from"), temporary.join("to"));
    std::fs::create_dir_all(&from).unwrap();
    for file in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ] {
        std::fs::copy(folder("skywork-prm").join(file), from.join(file)).unwrap();
    }
    std::fs::copy(
        folder("pickled").join("pytorch_model.bin"),
        from.join("pytorch_model.bin"),
    )
    .unwrap();
    let refusal = Checkpoint::read(&from).err().unwrap().to_string();
    assert!(
        refusal.ends_with("`outthink convert` writes them as safetensors"),
        "{refusal}"
    );
    outthink_engine::convert(&from, &to, &|_| {}).unwrap();
    let converted = EmbeddedVerifier::load(&Checkpoint::read(&to).unwrap(), None, None).unwrap();
    let original = EmbeddedVerifier::load(&checkpoint("skywork-prm"), None, None).unwrap();
    let steps = ["2 + 2 = 4.".to_owned()];
    let score = |verifier: &EmbeddedVerifier| {
        block_on(verifier.score(vec![prefix("What?", &steps)])).unwrap()
    };
    assert_eq!(score(&converted)[0].rewards, score(&original)[0].rewards);
    std::fs::write(from.join("pytorch_model.bin"), "no zip").unwrap();
    assert!(outthink_engine::convert(&from, &to, &|_| {}).is_err());
    std::fs::remove_dir_all(&temporary).unwrap();
}

#[test]
fn a_step_that_holds_a_mark_still_has_one_reward() {
    for (name, marks) in [
        ("math-shepherd-prm", "so ки\n it is ки"),
        ("rlhflow-prm", "so <|reserved_special_token_0|> it is +"),
        ("skywork-prm", "so\nit\nis"),
        ("qwen2.5-math-prm", "so <extra_0> it is <extra_0>"),
        ("trl-prm", "so\nit\nis"),
    ] {
        let verifier = EmbeddedVerifier::load(&checkpoint(name), None, None).unwrap();
        let steps: Vec<String> = [marks, "2 + 2 = 4."].map(String::from).into();
        let judgement = block_on(verifier.score(vec![prefix("What is 2 + 2?", &steps)]))
            .unwrap()
            .remove(0);
        assert_eq!(judgement.rewards.len(), 2, "{name}");
        assert!(
            judgement
                .rewards
                .iter()
                .all(|reward| (0.0..=1.0).contains(reward)),
            "{name}"
        );
    }
}

#[test]
fn a_solution_beyond_the_context_is_an_error_that_names_the_limit() {
    let verifier = EmbeddedVerifier::load(&checkpoint("qwen2.5-math-prm"), None, None).unwrap();
    let steps = vec!["1 + 1 = 2. ".repeat(200)];
    let error = block_on(verifier.score(vec![prefix("What?", &steps)]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exceed the model's context of 1024"),
        "{error}"
    );
}

#[test]
fn windows_of_a_long_solution_reward_every_step_and_agree_while_it_fits() {
    let load = || EmbeddedVerifier::load(&checkpoint("qwen2.5-math-prm"), None, None).unwrap();
    let (whole, windows) = (load(), load().with_windows());
    let score = |verifier: &EmbeddedVerifier, steps: &[String]| {
        block_on(verifier.score(vec![prefix("What?", steps)]))
            .map(|mut judged| judged.remove(0).rewards)
    };
    let steps: Vec<String> = (0..120)
        .map(|i| format!("Now {i} + 1 = {}.", i + 1))
        .collect();
    let fitting = score(&whole, &steps[..40]).unwrap();
    assert_eq!(score(&windows, &steps[..40]).unwrap(), fitting);
    assert!(score(&whole, &steps).is_err());
    let all = score(&windows, &steps).unwrap();
    assert_eq!(all.len(), 120);
    assert_eq!(
        all[..40],
        fitting,
        "what the first window holds is read as ever"
    );
    assert!(all.iter().all(|reward| (0.0..=1.0).contains(reward)));
    let mut hopeless = steps.clone();
    hopeless[60] = "1 + 1 = 2. ".repeat(200);
    let error = score(&windows, &hopeless).unwrap_err().to_string();
    assert!(
        error.contains("exceed the model's context of 1024"),
        "{error}"
    );
}

#[test]
fn a_profile_can_be_named_and_must_fit() {
    let refusal = |name: &str, profile: &str| {
        let profile = Profile::named(profile).unwrap();
        EmbeddedVerifier::load(&checkpoint(name), None, Some(profile))
            .err()
            .unwrap()
            .to_string()
    };
    insta::assert_snapshot!(refusal("qwen2.5", "qwen2.5-math-prm"), @r#"the tokenizer has no token "<extra_0>", which the profile needs"#);
    insta::assert_snapshot!(refusal("qwen2.5-math-prm", "skywork-prm"), @"this checkpoint is a Qwen2ForProcessRewardModel and cannot be a value model");
    insta::assert_snapshot!(Profile::named("gpt-5").unwrap_err(), @"there is no profile `gpt-5` (one of grid, grid-prm, micro, micro-prm, deepseek-r1-distill, llama-3, qwen3, qwen2.5, qwen2.5-math-prm, skywork-prm, trl-prm, rlhflow-prm, math-shepherd-prm, er-prm, eurus-prm, chat)");
    assert!(
        EmbeddedVerifier::load(
            &checkpoint("math-shepherd-prm"),
            None,
            Some(Profile::named("math-shepherd-prm").unwrap())
        )
        .is_ok()
    );
}

#[test]
fn a_damaged_checkpoint_is_told_by_file_and_tensor() {
    let copy = std::env::temp_dir().join(format!("outthink-families-{}", std::process::id()));
    let damaged = |name: &str, file: &str, damage: &dyn Fn(Vec<u8>) -> Option<Vec<u8>>| {
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        match damage(std::fs::read(copy.join(file)).unwrap()) {
            Some(bytes) => std::fs::write(copy.join(file), bytes).unwrap(),
            None => std::fs::remove_file(copy.join(file)).unwrap(),
        }
        let error = match Checkpoint::read(&copy) {
            Ok(checkpoint) => EmbeddedPolicy::load(&checkpoint, None).err().unwrap(),
            Err(error) => error,
        };
        let chain = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        chain.replace(&copy.display().to_string(), "FOLDER")
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            Some(
                String::from_utf8(bytes)
                    .unwrap()
                    .replace(from, to)
                    .into_bytes(),
            )
        }
    };
    let shard = "model-00002-of-00002.safetensors";
    insta::assert_snapshot!(damaged("llama-3", shard, &|_| None), @"cannot read FOLDER/model-00002-of-00002.safetensors: No such file or directory (os error 2)");
    insta::assert_snapshot!(damaged("llama-3", shard, &|bytes| Some(bytes[..20_000].to_vec())), @"FOLDER/model-00002-of-00002.safetensors: it is cut off within tensor lm_head.weight");
    insta::assert_snapshot!(damaged("qwen2.5", "model.safetensors", &|bytes| Some(bytes[..4].to_vec())), @"FOLDER/model.safetensors: it is cut off");
    insta::assert_snapshot!(damaged("qwen3", "config.json", &replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")), @"FOLDER/model.safetensors: there is no tensor model.layers.2.input_layernorm.weight");
    insta::assert_snapshot!(damaged("qwen3", "config.json", &replace("\"intermediate_size\": 64", "\"intermediate_size\": 65")), @"FOLDER/model.safetensors: tensor model.layers.0.mlp.gate_proj.weight has the shape [64, 32], not [65, 32]");
    insta::assert_snapshot!(damaged("qwen3", "config.json", &replace("Qwen3For", "GemmaFor")), @"cannot run the architecture GemmaForCausalLM, only the decoders of Llama, Mistral, Qwen2, Qwen3. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(damaged("deepseek-r1-distill", "config.json", &replace("\"yarn\"", "\"longrope\"")), @"cannot run rotary scaling of type longrope. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    std::fs::remove_dir_all(&copy).unwrap();
}
