"""GGUF files of two of the families' checkpoints, as llama.cpp's converter lays them out: `make_gguf.py FAMILIES_FOLDER`

The numbers are those of the safetensors, so their golden.json hold for both. Llama's heads are reordered for rotations of
neighbours and its rotary scaling becomes a tensor of factors; token types tell text (`<think>`) from control tokens. For the
file in Q8_0, gguf/deepseek-r1-distill.golden.json holds what transformers computes on the numbers that are left.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy
import torch
from safetensors.torch import load_file
from transformers import Qwen2ForCausalLM

PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def name_of(tensor):
    if tensor in WHOLE:
        return WHOLE[tensor]
    _, _, layer, rest = tensor.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{PARTS[part]}.{kind}"


def neighbours(weight, heads):
    """Rows (half, pair) of every head become (pair, half)."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


@torch.inference_mode()
def golden(families, family, kind):
    model = Qwen2ForCausalLM.from_pretrained(families / family, dtype=torch.float32).eval()
    for weight in model.parameters():
        if weight.ndim > 1:
            blocks = gguf.quants.quantize(weight.numpy(), kind)
            weight.copy_(torch.tensor(gguf.quants.dequantize(blocks, kind)))
    cases = json.loads((families / family / "golden.json").read_text())
    for case in cases:
        prompt = torch.tensor([case["prompt"]])
        case["last"] = [float(f"{x:.8g}") for x in model(prompt).logits[0, -1].log_softmax(-1).double().tolist()]
        drawn = model.generate(prompt, do_sample=False, max_new_tokens=24, pad_token_id=0)
        case["greedy"] = drawn[0, len(case["prompt"]):].tolist()
    (families / f"gguf/{family}.golden.json").write_text(json.dumps(cases, separators=(",", ":"), ensure_ascii=False) + "\n")


def main(families, family, architecture, pre, kind):
    folder = families / family
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    special = json.loads((folder / "tokenizer_config.json").read_text())
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    (families / "gguf").mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(families / "gguf" / f"{family}.gguf", architecture)
    heads, keys = config["num_attention_heads"], config["num_key_value_heads"]
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(keys)
    size = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_key_length(size)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config.get("rope_parameters") or config
    writer.add_rope_freq_base(rope["rope_theta"])
    vocabulary = dict(tokenizer["model"]["vocab"])
    kinds = {token["content"]: token for token in tokenizer["added_tokens"]}
    vocabulary |= {content: token["id"] for content, token in kinds.items()}
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    control = lambda token: 1 if token not in kinds else 3 if kinds[token]["special"] else 4
    writer.add_token_types([control(token) for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(vocabulary[special["eos_token"]])
    if special.get("bos_token"):
        writer.add_bos_token_id(vocabulary[special["bos_token"]])
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
    if rope.get("rope_type") == "llama3":
        low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
        old, factors = rope["original_max_position_embeddings"], []
        for i in range(size // 2):
            wavelength = 2 * math.pi * rope["rope_theta"] ** (2 * i / size)
            smooth = (old / wavelength - low) / (high - low)
            factors.append(1 if wavelength < old / high else factor if wavelength > old / low
                           else 1 / ((1 - smooth) / factor + smooth))
        writer.add_tensor("rope_freqs.weight", numpy.array(factors, dtype=numpy.float32))
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    for tensor, value in tensors.items():
        value = value.float().numpy()
        if architecture == "llama" and ".q_proj." in tensor:
            value = neighbours(value, heads)
        if architecture == "llama" and ".k_proj." in tensor:
            value = neighbours(value, keys)
        wanted = kind if value.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name_of(tensor), gguf.quants.quantize(value, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    families = pathlib.Path(sys.argv[1])
    main(families, "llama-3", "llama", "llama-bpe", gguf.GGMLQuantizationType.F32)
    main(families, "qwen3", "qwen3", "qwen2", gguf.GGMLQuantizationType.BF16)
    main(families, "deepseek-r1-distill", "qwen2", "deepseek-r1-qwen", gguf.GGMLQuantizationType.Q8_0)
    golden(families, "deepseek-r1-distill", gguf.GGMLQuantizationType.Q8_0)
