"""A GGUF file of a Llama with a tied embedding as a folder that transformers reads, in bf16: checkpoint.py FROM.gguf FOLDER

The searches of search.py need a verifier that costs what one of the policy's size costs; how good it is does not matter there. Under
the profile rlhflow-prm (the probabilities of "+" and "-" after a step) the policy itself is one.
"""
import json
import os
import sys

import gguf
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

source, folder = sys.argv[1:]
reader = gguf.GGUFReader(source)
about = lambda key: reader.fields[f"llama.{key}"].contents()
heads, key_heads = about("attention.head_count"), about("attention.head_count_kv")
WHOLE = {"token_embd": "embed_tokens", "output_norm": "norm"}
OF_BLOCK = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj"}


def unpermuted(numbers, heads):
    """GGUF has the two numbers that are rotated together side by side, transformers half a head apart."""
    rows, columns = numbers.shape
    return numbers.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


tensors = {}
for tensor in reader.tensors:
    numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    name = tensor.name.removesuffix(".weight")
    if name.startswith("blk."):
        _, layer, part = name.split(".")
        if part in ("attn_q", "attn_k"):
            numbers = unpermuted(numbers, heads if part == "attn_q" else key_heads)
        name = f"layers.{layer}.{OF_BLOCK[part]}"
    else:
        name = WHOLE[name]
    tensors[f"model.{name}.weight"] = torch.from_numpy(numbers.copy()).to(torch.bfloat16)
os.makedirs(folder, exist_ok=True)
save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
parent, _, file = source.rpartition("/")
tokenizer = AutoTokenizer.from_pretrained(parent, gguf_file=file)
tokenizer.save_pretrained(folder)
config = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": about("embedding_length"), "num_hidden_layers": about("block_count"),
    "intermediate_size": about("feed_forward_length"), "num_attention_heads": heads, "num_key_value_heads": key_heads,
    "max_position_embeddings": about("context_length"), "rope_theta": about("rope.freq_base"), "rms_norm_eps": about("attention.layer_norm_rms_epsilon"),
    "vocab_size": tensors["model.embed_tokens.weight"].shape[0], "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16",
    "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
}
with open(f"{folder}/config.json", "w") as to:
    json.dump(config, to, indent=1)
