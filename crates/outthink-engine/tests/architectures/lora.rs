//! Adapters of the checkpoint `qwen2.5`: of some layers in f32, and of all, with another scale, in bf16.

use std::collections::HashMap;
use std::fs;

use candle_core::{DType, Device, Tensor};
use outthink_engine::{Checkpoint, EmbeddedPolicy};
use serde_json::{Value, json};

use crate::{compare_policy, families};

#[test]
fn policy_with_an_adapter() {
    compare_policy("lora", "qwen2.5");
}

#[test]
fn policy_with_a_stabilized_adapter_of_all_layers() {
    compare_policy("lora-rs", "qwen2.5");
}

#[test]
fn what_is_no_plain_product_is_refused_by_name() {
    let folder = std::env::temp_dir().join(format!("outthink-lora-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let from = families::folder("lora");
    let weights = "adapter_model.safetensors";
    fs::copy(from.join(weights), folder.join(weights)).unwrap();
    let config: Value =
        serde_json::from_slice(&fs::read(from.join("adapter_config.json")).unwrap()).unwrap();
    let base = families::folder("qwen2.5").display().to_string();
    let told = |key: &str, value: Value| {
        let mut config = config.clone();
        config["base_model_name_or_path"] = json!(base);
        config[key] = value;
        fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
        let read = Checkpoint::read(&folder).and_then(|checkpoint| checkpoint.memory());
        let told = read.unwrap_err().to_string();
        let told = told.replace(&folder.display().to_string(), "FOLDER");
        told.split(". A server").next().unwrap().to_owned()
    };
    insta::assert_snapshot!(told("peft_type", json!("IA3")), @"cannot run an adapter of IA3, only LORA");
    insta::assert_snapshot!(told("use_dora", json!(true)), @"cannot run an adapter with use_dora; merge it into its model");
    insta::assert_snapshot!(told("init_lora_weights", json!("pissa_niter_4")), @"cannot run an adapter that changed its model's weights when it began (pissa_niter_4); merge it into its model, or convert it to a plain one");
    insta::assert_snapshot!(told("modules_to_save", json!(["score"])), @"cannot run an adapter with modules_to_save; merge it into its model");
    insta::assert_snapshot!(told("bias", json!("all")), @"cannot run an adapter that changes biases (all)");
    insta::assert_snapshot!(told("lora_alpha", json!("much")), @"adapter_config.json is malformed: its lora_alpha is no number");
    insta::assert_snapshot!(told("alpha_pattern", json!({"q_proj": 1, "self_attn.q_proj": 2})), @"adapter_config.json is malformed: its alpha_pattern names several alphas for model.layers.0.self_attn.q_proj");
    insta::assert_snapshot!(told("alpha_pattern", json!({".*_proj": 1})), @"cannot run an adapter whose alpha_pattern is no name of modules: .*_proj");
    insta::assert_snapshot!(told("base_model_name_or_path", json!("owner/none")), @"FOLDER: it holds an adapter (LoRA) of owner/none, which is no folder beside it nor here; fetch that model, and let base_model_name_or_path in adapter_config.json name its folder");
    insta::assert_snapshot!(told("base_model_name_or_path", json!(null)), @"adapter_config.json is malformed: it names no base_model_name_or_path");
    let gemma = families::folder("gemma3").display().to_string();
    insta::assert_snapshot!(told("base_model_name_or_path", json!(gemma)), @"FOLDER/adapter_model.safetensors: the matrices for model.layers.0.mlp.down_proj.weight have the shapes [4, 64] and [32, 4], and it has [32, 48]");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_product_that_nothing_reads_is_an_error_and_not_left_out() {
    let folder = std::env::temp_dir().join(format!("outthink-lora-head-{}", std::process::id()));
    let (base, adapter) = (folder.join("base"), folder.join("adapter"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&base).unwrap();
    fs::create_dir_all(&adapter).unwrap();
    for file in fs::read_dir(families::folder("qwen2.5")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, base.join(path.file_name().unwrap())).unwrap();
    }
    // A model whose output layer is its embedding may still have the layer in its file.
    let weights = base.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu).unwrap();
    let embedding = tensors["model.embed_tokens.weight"].clone();
    let (outputs, inputs) = embedding.dims2().unwrap();
    tensors.insert("lm_head.weight".into(), embedding);
    candle_core::safetensors::save(&tensors, &weights).unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(base.join("config.json")).unwrap()).unwrap();
    config["tie_word_embeddings"] = json!(true);
    fs::write(base.join("config.json"), config.to_string()).unwrap();
    let narrow = |rows, columns| Tensor::ones((rows, columns), DType::F32, &Device::Cpu).unwrap();
    let product = HashMap::from([
        ("base_model.model.lm_head.lora_A.weight", narrow(2, inputs)),
        ("base_model.model.lm_head.lora_B.weight", narrow(outputs, 2)),
    ]);
    candle_core::safetensors::save(&product, adapter.join("adapter_model.safetensors")).unwrap();
    let config =
        json!({"peft_type": "LORA", "lora_alpha": 2, "base_model_name_or_path": "../base"});
    fs::write(adapter.join("adapter_config.json"), config.to_string()).unwrap();
    let loaded = EmbeddedPolicy::load(&Checkpoint::read(&adapter).unwrap(), None);
    let told = loaded.err().unwrap().to_string();
    assert!(
        told.contains("an adapter that changes lm_head.weight, which this model does not use"),
        "{told}"
    );
    fs::remove_dir_all(&folder).unwrap();
}
