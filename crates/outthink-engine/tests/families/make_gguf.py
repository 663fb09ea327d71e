"""GGUF files of families' checkpoints, as llama.cpp's converter lays them out: `make_gguf.py FAMILIES_FOLDER [NAME...]`

The numbers are those of the safetensors, so their golden.json hold for both. Llama's heads are reordered for rotations of
neighbours and its rotary scaling becomes a tensor of factors; token types tell text (`<think>`) from control tokens. Gemma's
norms are stored with their one, a layer's experts as one tensor. For the file in Q8_0, gguf/deepseek-r1-distill.golden.json
holds what transformers computes on the numbers that are left; those of Gemma, what it computes with the scale that GGUF takes
for granted, that of the heads' size.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen2ForCausalLM

PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
FUSED = {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}
EXPERTS = {"mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp", "mlp.experts.gate_proj": "ffn_gate_exps",
           "mlp.experts.up_proj": "ffn_up_exps", "mlp.experts.down_proj": "ffn_down_exps", "self_attn.sinks": "attn_sinks"}
# What Llama calls a norm after attention stands before its MLP.
AFTER = {"post_attention_layernorm": "post_attention_norm"}
SANDWICH = AFTER | {"pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
OWN_PARTS = {"gemma2": SANDWICH, "gemma3": SANDWICH, "olmo2": SANDWICH, "gpt-oss": AFTER | EXPERTS, "qwen3moe": EXPERTS,
             "phi3": FUSED}
WHOLE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def name_of(tensor, architecture):
    if tensor in WHOLE:
        return WHOLE[tensor]
    _, _, layer, rest = tensor.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{(PARTS | OWN_PARTS.get(architecture, {}))[part]}.{kind}"


def neighbours(weight, heads):
    """Rows (half, pair) of every head become (pair, half)."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def rearranged(tensors, architecture):
    """Gemma's norms with their one; the experts of a layer, each matrix as one tensor, and gates apart from what they gate."""
    out, experts = {}, {}
    for name, value in tensors.items():
        if architecture.startswith("gemma") and name.endswith("norm.weight"):
            value = value.float() + 1
        if ".experts." in name and architecture == "qwen3moe":
            before, after = name.split(".experts.")
            expert, rest = after.split(".", 1)
            experts.setdefault(f"{before}.experts.{rest}", {})[int(expert)] = value
        elif ".gate_up_proj_" in name and architecture == "gpt-oss":
            kind = "weight_" + name.rsplit("_", 1)[1] if value.dtype == torch.uint8 else "bias"
            for start, part in enumerate(["gate_proj", "up_proj"]):
                out[name.split("gate_up_proj_")[0] + f"{part}.{kind}"] = value[:, start::2]
        elif ".experts.down_proj_" in name:
            out[name.replace("_proj_", "_proj.weight_" if value.dtype == torch.uint8 else "_proj.")] = value
        else:
            out[name + ".weight" if name.endswith(".sinks") else name] = value
    return out | {name: torch.stack([each[i] for i in range(len(each))]) for name, each in experts.items()}


def mxfp4(blocks, scales):
    """GGUF has the halves of a block in the lower and the upper halves of its bytes, and not its neighbours."""
    codes = numpy.stack([blocks & 15, blocks >> 4], -1).reshape(*blocks.shape[:-1], 32)
    packed = codes[..., :16] | codes[..., 16:] << 4
    return numpy.concatenate([scales[..., None], packed], -1).reshape(*blocks.shape[:-2], -1)


@torch.inference_mode()
def golden(families, family, kind=None, **changes):
    if changes:
        changes |= dict(dtype=torch.float32, attn_implementation="eager")
        model = AutoModelForCausalLM.from_pretrained(families / family, **changes).eval()
    else:
        model = Qwen2ForCausalLM.from_pretrained(families / family, dtype=torch.float32).eval()
    for weight in model.parameters():
        if kind and weight.ndim > 1:
            blocks = gguf.quants.quantize(weight.numpy(), kind)
            weight.copy_(torch.tensor(gguf.quants.dequantize(blocks, kind)))
    cases = json.loads((families / family / "golden.json").read_text())
    for case in cases:
        prompt = torch.tensor([case["prompt"]])
        case["last"] = [float(f"{x:.8g}") for x in model(prompt).logits[0, -1].log_softmax(-1).double().tolist()]
        drawn = model.generate(prompt, do_sample=False, max_new_tokens=24, pad_token_id=0)
        case["greedy"] = drawn[0, len(case["prompt"]):].tolist()
    (families / f"gguf/{family}.golden.json").write_text(json.dumps(cases, separators=(",", ":"), ensure_ascii=False) + "\n")


def more_metadata(writer, config, architecture, size):
    """What only some architectures have."""
    scaling, window = config.get("rope_scaling") or {}, config.get("sliding_window")
    if architecture == "phi3":
        turned, old = int(size * config.get("partial_rotary_factor", 1)), config["original_max_position_embeddings"]
        factor = config["max_position_embeddings"] / old
        writer.add_rope_dimension_count(turned)
        writer.add_rope_scaling_orig_ctx_len(old)
        writer.add_sliding_window(window or 0)
        if scaling:
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor) / math.log(old)) if factor > 1 else 1.0)
            for length in ["long", "short"]:
                factors = numpy.array(scaling[f"{length}_factor"], dtype=numpy.float32)
                writer.add_tensor(f"rope_factors_{length}.weight", factors)
    if architecture in ["gemma2", "gemma3", "gpt-oss"]:
        writer.add_sliding_window(window)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if architecture == "gemma3":
        writer.add_rope_freq_base_swa(config["rope_local_base_freq"])
        writer.add_sliding_window_pattern(config["sliding_window_pattern"])
    if architecture in ["qwen3moe", "gpt-oss"]:
        writer.add_expert_count(config.get("num_experts") or config["num_local_experts"])
        writer.add_expert_used_count(config["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(config.get("moe_intermediate_size") or config["intermediate_size"])
    if architecture == "gpt-oss":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
        writer.add_rope_scaling_yarn_beta_fast(scaling["beta_fast"])
        writer.add_rope_scaling_yarn_beta_slow(scaling["beta_slow"])


def main(families, family, architecture, pre, kind):
    folder = families / family
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    special = json.loads((folder / "tokenizer_config.json").read_text())
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    tensors = rearranged(tensors, architecture)
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
    pieces = tokenizer["model"].get("byte_fallback")
    writer.add_tokenizer_model("llama" if pieces else "gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    control = lambda token: 1 if token not in kinds else 3 if kinds[token]["special"] else 4
    if pieces:
        # What is merged first scores highest.
        ranks = {"".join(merge): rank for rank, merge in reversed(list(enumerate(tokenizer["model"]["merges"])))}
        writer.add_token_scores([float(-ranks[token] - 1 if token in ranks else 0) for token in tokens])
        unlike = lambda token: 2 if token == "<unk>" else 6 if token.startswith("<0x") else control(token)
        writer.add_token_types([unlike(token) for token in tokens])
        writer.add_add_space_prefix(tokenizer["normalizer"]["type"] == "Sequence")
    else:
        writer.add_token_types([control(token) for token in tokens])
        merges = tokenizer["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
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
    if architecture not in ["llama", "qwen2", "qwen3"]:
        writer.add_value_length(size)
    if family == "phi3":
        # By its name llama.cpp knows that its tokens swallow the white space after them.
        writer.add_name("Phi3")
    more_metadata(writer, config, architecture, size)
    for tensor, value in tensors.items():
        if tensor.endswith("_scales"):
            continue
        if tensor.endswith("_blocks"):
            packed = mxfp4(value.numpy(), tensors[tensor.replace("_blocks", "_scales")].numpy())
            name = name_of(tensor.removesuffix("_blocks"), architecture)
            writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.MXFP4)
            continue
        value, name = value.float().numpy(), name_of(tensor, architecture)
        if architecture in ["llama", "smollm3"] and ".q_proj." in tensor:
            value = neighbours(value, heads)
        if architecture in ["llama", "smollm3"] and ".k_proj." in tensor:
            value = neighbours(value, keys)
        # Those of routers and biases are never halved.
        halved = value.ndim > 1 and name.endswith(".weight") and "ffn_gate_inp" not in name
        wanted = kind if halved else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(value, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    families, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    F32, BF16, Q8_0 = (gguf.GGMLQuantizationType[kind] for kind in ["F32", "BF16", "Q8_0"])
    for family, architecture, pre, kind in [
            ("llama-3", "llama", "llama-bpe", F32), ("qwen3", "qwen3", "qwen2", BF16),
            ("deepseek-r1-distill", "qwen2", "deepseek-r1-qwen", Q8_0), ("smollm3", "smollm3", "llama-bpe", BF16),
            ("gemma2", "gemma2", "default", BF16), ("gemma3", "gemma3", "default", BF16), ("phi3", "phi3", "default", BF16),
            ("phi4-mini", "phi3", "gpt-4o", BF16), ("qwen3-moe", "qwen3moe", "qwen2", BF16),
            ("gpt-oss-mxfp4", "gpt-oss", "gpt-4o", BF16), ("olmo2", "olmo2", "dbrx", BF16)]:
        if not names or family in names:
            main(families, family, architecture, pre, kind)
            if kind == Q8_0:
                golden(families, family, kind)
            if family.startswith("gemma"):
                golden(families, family, query_pre_attn_scalar=12)
