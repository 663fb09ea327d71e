//! What is wrong with a checkpoint is told by file and tensor, and pickled weights become safetensors.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod families;

use families::{checkpoint, folder, prefix};
use futures::executor::block_on;
use outthink_core::Verifier;
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Precision};

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
    let error = outthink_engine::convert(&from, &to, &|_| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("pytorch_model.bin: no PyTorch weights"),
        "{error}"
    );
    std::fs::remove_dir_all(&temporary).unwrap();
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
    insta::assert_snapshot!(damaged("qwen3", "config.json", &replace("Qwen3For", "GemmaFor")), @"cannot run the architecture GemmaForCausalLM, only the decoders of Llama, Mistral, Qwen2, Qwen3, Qwen3Moe, SmolLM3, Olmo2, Phi3, Gemma2, Gemma3, GptOss. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    insta::assert_snapshot!(damaged("deepseek-r1-distill", "config.json", &replace("\"yarn\"", "\"ntk\"")), @"cannot run rotary scaling of type ntk. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
    std::fs::remove_dir_all(&copy).unwrap();
}

#[test]
fn what_a_reward_model_takes_does_not_hang_on_the_language_head_that_it_lacks() {
    let from = folder("qwen2.5-math-prm");
    let memory = |tied: bool| {
        let mut checkpoint = Checkpoint::read(&from).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&checkpoint.config).unwrap();
        config["tie_word_embeddings"] = tied.into();
        checkpoint.config = config.to_string().into_bytes().into();
        checkpoint.precision = Precision::Q8;
        checkpoint.memory().unwrap()
    };
    assert_eq!(memory(true), memory(false));
}
