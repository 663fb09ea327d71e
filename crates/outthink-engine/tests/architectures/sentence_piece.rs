//! Checkpoints with SentencePiece's `tokenizer.model` and no `tokenizer.json`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::{compare, families, golden};

/// A `tokenizer.model` with the pieces of a `tokenizer.json`, scored by what is merged first.
fn model(tokenizer: &Value) -> Vec<u8> {
    let added = tokenizer["added_tokens"].as_array().unwrap();
    let mut pieces: Vec<(u64, &str)> = tokenizer["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(piece, id)| (id.as_u64().unwrap(), piece.as_str()))
        .collect();
    pieces.sort_unstable();
    let merges = tokenizer["model"]["merges"].as_array().unwrap();
    let merged = |merge: &Value| match merge {
        Value::String(pair) => pair.replacen(' ', "", 1),
        pair => format!("{}{}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    };
    let merged: Vec<String> = merges.iter().map(merged).collect();
    let mut bytes = Vec::new();
    let message = |number: u8, message: &[u8], bytes: &mut Vec<u8>| {
        assert!(message.len() < 128);
        bytes.extend([number << 3 | 2, message.len() as u8]);
        bytes.extend(message);
    };
    for (_, piece) in pieces {
        let rank = merged.iter().position(|own| own == piece);
        let score = rank.map_or(0.0, |rank| -(rank as f32) - 1.0);
        let kind = match piece {
            "<unk>" => 2,
            _ if added.iter().any(|token| token["content"] == *piece) => 3,
            _ if piece.starts_with("<0x") => 6,
            _ => 1,
        };
        let mut own = Vec::new();
        message(1, piece.as_bytes(), &mut own);
        own.push(2 << 3 | 5);
        own.extend(score.to_le_bytes());
        own.extend([3 << 3, kind]);
        message(1, &own, &mut bytes);
    }
    // BPE, with bytes; a space first or not, and none removed.
    message(2, &[3 << 3, 2], &mut bytes);
    let first = tokenizer["normalizer"]["type"] == "Sequence";
    message(3, &[3 << 3, first.into(), 4 << 3, 0], &mut bytes);
    bytes
}

fn compare_without_json(name: &str) {
    let from = families::folder(name);
    let folder = std::env::temp_dir().join(format!("outthink-piece-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let read = |file: &Path| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    for entry in fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let tokenizer = read(&folder.join("tokenizer.json"));
    fs::remove_file(folder.join("tokenizer.json")).unwrap();
    fs::write(folder.join("tokenizer.model"), model(&tokenizer)).unwrap();
    // As transformers writes it.
    let mut config = read(&folder.join("tokenizer_config.json"));
    let tokens = tokenizer["added_tokens"].as_array().unwrap().iter();
    let tokens: Map<String, Value> = tokens
        .map(|token| (token["id"].to_string(), token.clone()))
        .collect();
    config["added_tokens_decoder"] = json!(tokens);
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
    let checkpoint = outthink_engine::Checkpoint::read(&folder).unwrap();
    compare(name, "chat", checkpoint, &golden(&from.join("golden.json")));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn without_a_space_first() {
    compare_without_json("gemma3");
}

#[test]
fn with_a_space_first_and_tokens_that_swallow_spaces() {
    compare_without_json("phi3");
}
