//! Configs that nobody should write: a checkpoint of any family is loaded and read, or refused with an error, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "families/mod.rs"]
mod families;

use std::sync::Arc;

use futures::executor::block_on;
use outthink_engine::{Engine, Error, Reading, Readout};
use outthink_prompt::Tokenizer;
use serde_json::{Value, json};

const FAMILIES: [&str; 9] = [
    "gemma2",
    "gemma3",
    "gemma3-vision",
    "gpt-oss-mxfp4",
    "olmo2",
    "phi3",
    "phi4-mini",
    "qwen3-moe",
    "smollm3",
];

/// Every place of a config, as a pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    if let Value::Object(map) = value {
        for (key, value) in map {
            let at = format!("{at}/{key}");
            places(value, &at, all);
            all.push(at);
        }
    }
}

#[test]
fn a_strange_config_is_an_error_and_no_panic() {
    let strange = [
        json!(null),
        json!(0),
        json!(-1),
        json!(3),
        json!(0.3),
        json!(1e300),
        json!(u64::MAX),
        json!("x"),
        json!([]),
        json!([0, 1, 7]),
        json!(["sliding_attention"]),
        json!({}),
        json!(true),
    ];
    let _ = families::problem;
    let _ = families::prefix;
    let (mut run, mut refused) = (0, 0);
    for name in FAMILIES {
        let whole = families::checkpoint(name);
        let config: Value = serde_json::from_slice(&whole.config).unwrap();
        let tokenizer = Arc::new(Tokenizer::from_bytes(&whole.tokenizer).unwrap());
        let mut all = Vec::new();
        places(&config, "", &mut all);
        for place in all.iter().filter(|place| !place.contains("vision_config")) {
            for value in &strange {
                let mut config = config.clone();
                *config.pointer_mut(place).unwrap() = value.clone();
                let mut checkpoint = whole.clone();
                checkpoint.config = config.to_string().into_bytes().into();
                match Engine::load(&checkpoint, Arc::clone(&tokenizer), Readout::Likelihood) {
                    Err(_) => refused += 1,
                    Ok(engine) => {
                        let reading = Reading {
                            tokens: vec![1, 2, 3, 1, 2, 3],
                            places: vec![5],
                        };
                        if let Err(error) = block_on(engine.read(vec![reading])) {
                            let known = matches!(
                                *error,
                                Error::NotANumber
                                    | Error::TooLong { .. }
                                    | Error::UnknownToken { .. }
                            );
                            assert!(known, "{name} with {place} = {value}: {error}");
                        }
                        run += 1;
                    }
                }
            }
        }
    }
    assert!(run > 100 && refused > 100, "{run} run, {refused} refused");
}
