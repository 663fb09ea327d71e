"""Write a trained model as an ordinary Hugging Face checkpoint (bf16), and read one back: `export.py MODEL.pt FOLDER`"""
import json
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

import alphabet
from model import HEAD, Model


def named(model):
    """Views of the weights under their Hugging Face names; the fused projections are split."""
    hidden, _, heads, kv_heads, ff = model.shape
    out = {"model.embed_tokens.weight": model.embedding.weight, "model.norm.weight": model.norm.weight}
    for i, block in enumerate(model.blocks):
        at = f"model.layers.{i}"
        for kind in ("weight", "bias"):
            parts = getattr(block.qkv, kind).split([heads * HEAD, kv_heads * HEAD, kv_heads * HEAD])
            for name, part in zip("qkv", parts):
                out[f"{at}.self_attn.{name}_proj.{kind}"] = part
        gate, up = block.gate_up.weight.split([ff, ff])
        out |= {f"{at}.self_attn.o_proj.weight": block.out.weight, f"{at}.mlp.gate_proj.weight": gate,
                f"{at}.mlp.up_proj.weight": up, f"{at}.mlp.down_proj.weight": block.down.weight,
                f"{at}.input_layernorm.weight": block.norm1.weight,
                f"{at}.post_attention_layernorm.weight": block.norm2.weight}
    if model.score is not None:
        out |= {f"score.{name}": p for name, p in model.score.named_parameters()}
    return {name: p.detach() for name, p in out.items()}


def weights(model):
    return {name: p.bfloat16().contiguous() for name, p in named(model).items()}


def config(model):
    hidden, layers, heads, kv_heads, ff = model.shape
    c = dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", vocab_size=model.alphabet.vocabulary, hidden_size=hidden,
             intermediate_size=ff, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
             hidden_act="silu", max_position_embeddings=512, rms_norm_eps=1e-6, rope_theta=10000.0,
             tie_word_embeddings=True, attention_dropout=0.0, use_sliding_window=False, initializer_range=0.02,
             eos_token_id=alphabet.END, pad_token_id=alphabet.PAD, torch_dtype="bfloat16", use_cache=True)
    if heads * HEAD != hidden:
        c["head_dim"] = HEAD
    if model.score is not None:
        c |= dict(num_labels=model.labels, tie_word_embeddings=False)
        if model.labels == model.alphabet.vocabulary:
            c |= dict(architectures=["Qwen2ForTokenClassification"], problem_type="multi_label_classification",
                      classifier_dropout=0.0)
        else:
            c |= dict(architectures=["Qwen2ForProcessRewardModel"],
                      auto_map={"AutoModel": "modeling_process_reward.ProcessRewardModel"})
    return c


def load(path):
    """The model in a .pt file of the training scripts or in a checkpoint folder, in f32."""
    path = pathlib.Path(path)
    if path.is_dir():
        c = json.loads((path / "config.json").read_text())
        sizes = "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size"
        shape, letters = tuple(c[size] for size in sizes), alphabet.of_vocabulary(c["vocab_size"])
        model, saved = Model(shape, letters, c.get("num_labels", 0)), load_file(path / "model.safetensors")
        for name, p in named(model).items():
            p.copy_(saved[name])
    else:
        saved = torch.load(path)
        model = Model(saved["shape"], alphabet.of_vocabulary(saved["vocabulary"]), saved["labels"])
        model.load_state_dict(saved["weights"])
    return model


def main():
    source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    model = load(source)
    save_file(weights(model), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config(model), indent=1) + "\n")
    model.alphabet.write(folder)
    if model.score is None:
        generation = dict(do_sample=True, temperature=1.0, eos_token_id=alphabet.END, pad_token_id=alphabet.PAD)
        (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    elif model.labels == 2:
        code = pathlib.Path(__file__).with_name("modeling_process_reward.py")
        (folder / code.name).write_text(code.read_text())
    print(folder, model.parameter_count(), "parameters")


if __name__ == "__main__":
    main()
