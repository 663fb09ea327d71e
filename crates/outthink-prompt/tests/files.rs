//! Checkpoint folders as people have them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::PathBuf;

use outthink_prompt::{Error, Profile, PromptFiles, Role, Tokenizer, end_tokens, template};
use serde_json::{Value, json};

fn micro() -> Value {
    serde_json::from_slice(include_bytes!(
        "../../../models/micro/micro-90k/tokenizer.json"
    ))
    .unwrap()
}

/// The micro family's tokenizer with other entries.
fn patched(entries: Value) -> Result<Tokenizer, Error> {
    let mut file = micro();
    for (name, value) in entries.as_object().unwrap() {
        file[name] = value.clone();
    }
    Tokenizer::from_bytes(file.to_string().as_bytes())
}

/// A folder of its own, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("outthink-{name}-{}", std::process::id()));
        for (file, text) in files {
            let file = path.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_prompt_is_neither_cut_off_nor_filled_up() {
    let text = "Evaluate $7+8$.";
    let plain = patched(json!({})).unwrap().encode(text).unwrap();
    assert!(plain.len() > 4);
    let truncation = |most: u64, direction: &str| json!({"truncation": {"direction": direction, "max_length": most, "strategy": "LongestFirst", "stride": 0}});
    let padding = |strategy: Value| {
        json!({"padding": {"strategy": strategy, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0,
                           "pad_type_id": 0, "pad_token": "<|end|>"}})
    };
    for entries in [
        truncation(4, "Right"),
        truncation(0, "Left"),
        padding(json!({"Fixed": 64})),
        padding(json!({"Fixed": 1_000_000_000})),
        padding(json!("BatchLongest")),
    ] {
        let tokenizer = patched(entries.clone()).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), plain, "{entries}");
    }
}

#[test]
fn a_tokenizer_that_would_take_all_memory_is_refused() {
    let replace = |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let bomb = replace(json!({"String": ""}), &"x".repeat(1000));
    let sequence =
        |parts: Vec<Value>| json!({"normalizer": {"type": "Sequence", "normalizers": parts}});
    let refusal = |entries| patched(entries).err().map(|error| error.to_string());
    insta::assert_snapshot!(refusal(json!({"normalizer": bomb})).unwrap(), @"tokenizer.json cannot be read: its normalizer may make a text 1001 times longer");
    assert!(refusal(sequence(vec![bomb.clone(), bomb.clone(), bomb])).is_some());
    let nested = replace(json!({"Regex": "."}), &"x".repeat(20));
    assert!(
        refusal(sequence(vec![
            sequence(vec![nested.clone()])["normalizer"].clone(),
            nested
        ]))
        .is_some()
    );
    // As Llama 2 and T5 have it.
    let usual = sequence(vec![
        json!({"type": "Prepend", "prepend": "▁"}),
        replace(json!({"String": " "}), "▁"),
        replace(json!({"Regex": " {2,}"}), "▁"),
    ]);
    assert_eq!(refusal(usual), None);
}

#[test]
fn what_is_no_tokenizer_file_is_named() {
    let refusal = |bytes: &[u8]| Tokenizer::from_bytes(bytes).err().unwrap().to_string();
    insta::assert_snapshot!(refusal(b"version https://git-lfs.github.com/spec/v1\noid sha256:0"), @"tokenizer.json cannot be read: it is a Git LFS pointer, not the file (git lfs pull fetches it)");
    assert!(refusal(b"<html>").starts_with("tokenizer.json cannot be read: expected value"));
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(micro().to_string().bytes());
    assert!(Tokenizer::from_bytes(&marked).is_ok());
}

#[test]
fn the_chat_template_is_found_where_transformers_looks() {
    let config = |template: Value| json!({"chat_template": template}).to_string();
    let plain = config(json!("config"));
    let list = config(
        json!([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "listed"}]),
    );
    let map = config(json!({"default": "mapped", "rag": "documents"}));
    let one = config(json!([{"name": "tool_use", "template": "tools"}]));
    let found = |files: &[(&str, &str)]| {
        let folder = Folder::new("template", files);
        std::fs::create_dir_all(&folder.0).unwrap();
        template(&folder.0).unwrap()
    };
    let own = ("chat_template.jinja", "own\n\n");
    let more = ("additional_chat_templates/tool_use.jinja", "tools");
    let beside = config(json!("json"));
    assert_eq!(found(&[]), "");
    assert_eq!(
        found(&[("tokenizer_config.json", r#"{"chat_template": null}"#)]),
        ""
    );
    assert_eq!(found(&[("tokenizer_config.json", &plain)]), "config");
    assert_eq!(found(&[("tokenizer_config.json", &list)]), "listed");
    assert_eq!(found(&[("tokenizer_config.json", &map)]), "mapped");
    assert_eq!(found(&[("tokenizer_config.json", &one)]), "tools");
    assert_eq!(found(&[("chat_template.json", &beside)]), "json");
    assert_eq!(
        found(&[
            ("chat_template.json", &beside),
            ("tokenizer_config.json", &plain)
        ]),
        "config"
    );
    assert_eq!(
        found(&[own, more, ("tokenizer_config.json", &plain)]),
        "own\n\n"
    );
    assert_eq!(
        found(&[
            ("chat_template.jinja", " "),
            ("tokenizer_config.json", &plain)
        ]),
        "config"
    );
    let two = config(json!([{"name": "a", "template": "x"}, {"name": "b", "template": "y"}]));
    let folder = Folder::new("undecided", &[("tokenizer_config.json", &two)]);
    insta::assert_snapshot!(template(&folder.0).unwrap_err(), @"there is no default among the chat templates: a, b");
}

#[test]
fn an_answer_ends_with_what_the_files_name() {
    let config = br#"{"eos_token": {"content": "<|end|>"}, "bos_token": null}"#;
    let tokenizer = patched(json!({})).unwrap().with_config(config).unwrap();
    let own = tokenizer.id("<|end|>").unwrap();
    let ends = |generation: &str, config: &str| {
        end_tokens(generation.as_bytes(), config.as_bytes(), &tokenizer).unwrap()
    };
    assert_eq!(
        ends(r#"{"eos_token_id": [3, 5]}"#, r#"{"eos_token_id": 9}"#),
        [3, 5]
    );
    assert_eq!(
        ends(r#"{"eos_token_id": null}"#, r#"{"eos_token_id": 9}"#),
        [9]
    );
    assert_eq!(
        ends(r#"{"eos_token_id": [-1]}"#, r#"{"eos_token_id": 9}"#),
        [9]
    );
    assert_eq!(ends("", ""), [own]);
}

#[test]
fn a_text_begins_as_the_files_say() {
    let id = |token: &str| patched(json!({})).unwrap().id(token).unwrap();
    let template = json!({"post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|user|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|user|>": {"id": "<|user|>", "ids": [id("<|user|>")], "tokens": ["<|user|>"]}}
    }});
    let mut ends = template.clone();
    ends["post_processor"]["single"]
        .as_array_mut()
        .unwrap()
        .reverse();
    let bos = |entries: &Value, config: &str| {
        let tokenizer = patched(entries.clone()).unwrap();
        tokenizer.with_config(config.as_bytes()).unwrap().bos()
    };
    let user = Some(id("<|user|>"));
    let named = r#"{"bos_token": "<|user|>"}"#;
    assert_eq!(bos(&json!({}), named), None);
    assert_eq!(bos(&template, named), user);
    assert_eq!(bos(&template, "{}"), user);
    assert_eq!(bos(&ends, "{}"), None);
    assert_eq!(
        bos(
            &json!({}),
            r#"{"bos_token": {"content": "<|user|>"}, "add_bos_token": true}"#
        ),
        user
    );
    assert_eq!(
        bos(
            &template,
            r#"{"bos_token": "<|user|>", "add_bos_token": false}"#
        ),
        None
    );
}

#[test]
fn a_language_model_of_any_family_is_a_policy() {
    let tokenizer = micro().to_string();
    let of = |architecture: &str, role| {
        let config = json!({"architectures": [architecture]}).to_string();
        let files = PromptFiles::new(
            config.as_bytes(),
            b"",
            tokenizer.as_bytes(),
            b"",
            String::new(),
        );
        let files = files.unwrap();
        Profile::detect(role, &files.architecture, &files.tokenizer).map(|profile| profile.name)
    };
    for known in [
        "Gemma2ForCausalLM",
        "Mistral3ForConditionalGeneration",
        "GPT2LMHeadModel",
        "",
    ] {
        assert_eq!(of(known, Role::Policy).unwrap(), "chat", "{known}");
        assert!(of(known, Role::Verifier).is_err(), "{known}");
    }
    assert!(of("Qwen2ForTokenClassification", Role::Policy).is_err());
}
