"""Tiny random checkpoints in the layout of every family, and what transformers computes on them: `make.py OUT_FOLDER [NAME...]`

Each folder of OUT_FOLDER is a checkpoint; its golden.json holds, in f32 and one sequence at a time: for a policy the prompt's
ids, the log-probabilities after it and the ids drawn greedily; for a process reward model the ids and a reward a step, laid
out and read as its authors' code does (docs/profiles.md says where each layout comes from). The chat templates are short ones of our
own with the habits of the real ones: beginning-of-text in the template, trimmed messages, a default system message. With names,
only those of DECODERS are written, and what else is in OUT_FOLDER stays as it is.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration,
                          Gemma3TextConfig, GptOssConfig, GptOssForCausalLM, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Olmo2Config, Olmo2ForCausalLM, Phi3Config, Phi3ForCausalLM,
                          PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification, Qwen3Config,
                          Qwen3ForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM, SmolLM3Config, SmolLM3ForCausalLM)

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
CHATML = ("{%- if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}"
          "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
          "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
THINKING = CHATML[:-len("{% endif %}")] + ("{%- if enable_thinking is defined and enable_thinking is false %}"
                                           "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}")
LLAMA = ("{{- bos_token }}{%- set today = strftime_now('%d %b %Y') if strftime_now is defined else '26 Jul 2024' %}"
         "{%- if messages[0].role == 'system' %}{%- set system = messages[0]['content'] | trim %}"
         "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
         "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday: 26 Jul 2024\\n\\n' + system + '<|eot_id|>' }}"
         "{%- for m in messages %}{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}"
         "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}")
R1 = ("{{ bos_token }}{%- for m in messages %}{%- if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
      "{%- else %}{{ m['content'].split('</think>')[-1] }}{%- endif %}{%- endfor %}"
      "{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{%- endif %}")
GEMMA_2 = ("{{ bos_token }}{%- if messages[0]['role'] == 'system' %}"
           "{{ raise_exception('System role not supported') }}{%- endif %}"
           "{%- set first = '' %}{%- for m in messages %}{%- set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
           "{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') + m['content'] | trim + '<end_of_turn>\\n' }}"
           "{%- endfor %}{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{%- endif %}")
GEMMA_3 = GEMMA_2.replace("{{ raise_exception('System role not supported') }}{%- endif %}{%- set first = '' %}",
                          "{%- set first = messages[0]['content'] + '\\n\\n' %}{%- set messages = messages[1:] %}"
                          "{%- else %}{%- set first = '' %}{%- endif %}")
PHI_3 = ("{%- for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{%- endfor %}"
         "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{%- endif %}")
PHI_4 = PHI_3.replace("\\n", "")
OLMO = ("{{ bos_token }}{%- for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{%- endif %}")
HARMONY = ("{{- '<|start|>system<|message|>You help.\\n\\nReasoning: medium<|end|>' }}{%- if messages[0].role == 'system' %}"
           "{{- '<|start|>developer<|message|># Instructions\\n\\n' + messages[0].content + '<|end|>' }}"
           "{%- set messages = messages[1:] %}{%- endif %}"
           "{%- for m in messages %}{{- '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endfor %}"
           "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}")
SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
TEXT = ["Tom has 12 apples and buys 30 more. How many apples does Tom have?", "Step 1: he starts with 12 apples.",
        "12 + 30 = 42, so the answer is \\boxed{42}.", "a + - + - + - + - ки ки ки ки", "The naïve café costs 3 € for ½ of it; π ≈ 3.14."] * 50
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QUESTION = "Tom has 12 apples and buys 30 more. How many?"
CASES = [(QUESTION, ["He starts with 12.", "12 + 30 = 42.", "The answer is \\boxed{42}."]),
         ("Wie viel ist π · 2? 你好", ["π ≈ 3.14, naïvely.", "So 2π ≈ 6.28 €\nand that is it."])]


def byte_level(special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def sentence_piece(special, prefix=True, strips=()):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    # Words part before their space while learning, as in the real vocabulary: "▁+" and "▁-" are pieces.
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    pieces = ["<unk>"] + special + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator([text.replace(" ", "▁") for text in TEXT], trainers.BpeTrainer(
        vocab_size=len(pieces) + 90, special_tokens=pieces, show_progress=False, max_token_length=6))
    # Only the control tokens are special; bytes are text.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in ["<unk>"] + special]
    state["pre_tokenizer"] = None
    if not prefix:  # Gemma's, whose text begins with no space.
        state["normalizer"] = state["normalizer"]["normalizers"][1]
        state["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
        state["decoder"]["decoders"].pop()
    for token in state["added_tokens"]:
        token["rstrip"] = token["content"] in strips
    tokenizer = Tokenizer.from_str(json.dumps(state))
    bos = special[0]
    tokenizer.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))])
    return tokenizer


def wrapped(tokenizer, eos, bos=None, template=None):
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, bos_token=bos, clean_up_tokenization_spaces=False)
    fast.chat_template = template
    return fast


def shape(tokenizer, **more):
    base = dict(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                num_key_value_heads=2, max_position_embeddings=1024, initializer_range=0.35, tie_word_embeddings=False,
                eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, pad_token_id=None)
    return base | more


def save(model, tokenizer, folder, dtype, **options):
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, **options)
    tokenizer.save_pretrained(folder)
    # Read again: what was halved for the file and widened again has lost its rotary frequencies' last digits.
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def patch(folder, drop=(), **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(changes)
    path.write_text(json.dumps({k: v for k, v in config.items() if k not in drop}, indent=1) + "\n")


def rounded(tensor):
    return [float(f"{value:.8g}") for value in tensor.double().tolist()]


def logits(model, ids):
    return model(torch.tensor([ids])).logits[0]


def policy(model, tokenizer, system, after="", **options):
    cases = []
    for question, _ in CASES:
        messages = ([{"role": "system", "content": system}] if system else []) + [{"role": "user", "content": question + after}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
        ids = tokenizer(text, add_special_tokens=False).input_ids
        drawn = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=24, pad_token_id=0)[0, len(ids):].tolist()
        cases.append({"problem": question, "prompt": ids, "last": rounded(logits(model, ids)[-1].log_softmax(-1)), "greedy": drawn})
    return cases


def prm(render):
    cases = []
    for question, steps in CASES:
        ids, rewards = render(question, steps)
        assert len(rewards) == len(steps), (question, rewards)
        cases.append({"problem": question, "steps": steps, "tokens": ids, "rewards": rounded(rewards)})
    return cases


def first_families(out, golden):
    half, chatml = torch.bfloat16, CHATML_TOKENS
    llama = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    rope = dict(rope_theta=500000.0, rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                                      high_freq_factor=4.0, original_max_position_embeddings=64))

    torch.manual_seed(0)
    t = wrapped(byte_level(llama), "<|eot_id|>", "<|begin_of_text|>", LLAMA)
    m = save(LlamaForCausalLM(LlamaConfig(**shape(t, **rope))), t, out / "llama-3", half, max_shard_size="40KB")
    profile = (pathlib.Path(__file__).parents[4] / "profiles/llama-3.toml").read_text()
    system = profile.split("system = '''\n")[1].split("'''")[0]
    golden["llama-3"] = policy(m, t, system)

    torch.manual_seed(1)
    t = wrapped(byte_level(chatml), "<|im_end|>", None, CHATML)
    m = save(Qwen2ForCausalLM(Qwen2Config(**shape(t, tie_word_embeddings=True))), t, out / "qwen2.5", torch.float32)
    golden["qwen2.5"] = policy(m, t, SYSTEM)

    torch.manual_seed(2)
    t = wrapped(byte_level(["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]),
                "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", R1)
    yarn = dict(rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=128))
    m = save(Qwen2ForCausalLM(Qwen2Config(**shape(t, **yarn))), t, out / "deepseek-r1-distill", half)
    golden["deepseek-r1-distill"] = policy(m, t, None, "\n" + SYSTEM)

    torch.manual_seed(3)
    t = wrapped(byte_level(chatml), "<|im_end|>", None, THINKING)
    m = save(Qwen3ForCausalLM(Qwen3Config(**shape(t, head_dim=16, tie_word_embeddings=True))), t, out / "qwen3", half)
    golden["qwen3"] = policy(m, t, SYSTEM, enable_thinking=False)

    torch.manual_seed(4)
    shepherd = wrapped(sentence_piece(["<s>", "</s>"]), "</s>", "<s>")
    shepherd_model = save(MistralForCausalLM(MistralConfig(**shape(shepherd, sliding_window=24))), shepherd,
                          out / "math-shepherd-prm", torch.float16)
    tag, (good, bad) = shepherd.encode("ки")[-1], shepherd.encode("+ -")[1:]

    def render(question, steps):
        ids = shepherd.encode(f"{question} " + "".join(f"{step.strip()} ки\n" for step in steps))
        scores = logits(shepherd_model, ids)[:, [good, bad]].softmax(-1)[:, 0]
        return ids, scores[torch.tensor(ids) == tag]
    golden["math-shepherd-prm"] = prm(render)

    torch.manual_seed(5)
    flow = wrapped(byte_level(llama + ["<|reserved_special_token_0|>"]), "<|eot_id|>", "<|begin_of_text|>", LLAMA)
    flow_model = save(LlamaForCausalLM(LlamaConfig(**shape(flow, **rope))), flow, out / "rlhflow-prm", half)
    mark = flow.convert_tokens_to_ids("<|reserved_special_token_0|>")
    plus, minus = (flow.encode(sign, add_special_tokens=False)[-1] for sign in "+-")

    def render(question, steps):
        turns = []
        for index, step in enumerate(steps):
            turns.append({"role": "user", "content": f"{question} {step}" if index == 0 else step})
            turns.append({"role": "assistant", "content": "<|reserved_special_token_0|>"})
        ids = flow(flow.apply_chat_template(turns, tokenize=False), add_special_tokens=False).input_ids
        places = [place for place, token in enumerate(ids) if token == mark]
        ids = [plus if token == mark else token for token in ids]
        return ids, torch.stack([logits(flow_model, ids)[place - 1, [plus, minus]].softmax(-1)[0] for place in places])
    golden["rlhflow-prm"] = prm(render)

    torch.manual_seed(6)
    sky = wrapped(byte_level(chatml + ["<|vision_start|>"]), "<|im_end|>", "<|im_start|>", CHATML)
    folder = out / "skywork-prm"
    sky_model = save(Qwen2ForCausalLM(Qwen2Config(**shape(sky, tie_word_embeddings=True))), sky, folder, torch.float32)
    head = {"v_head.summary.weight": torch.randn(1, 32) * 0.4, "v_head.summary.bias": torch.tensor([0.1])}
    save_file(load_file(folder / "model.safetensors") | head, folder / "model.safetensors", metadata={"format": "pt"})
    patch(folder, architectures=["Qwen2ForPrmModel"])
    # The real one comes pickled; the embedding is shared with a left-over lm_head.
    pickled = load_file(folder / "model.safetensors")
    pickled["lm_head.weight"] = pickled["model.embed_tokens.weight"]
    (out / "pickled").mkdir(exist_ok=True)
    torch.save(pickled, out / "pickled" / "pytorch_model.bin")
    newline, vision = sky.encode("\n")[-1], sky.convert_tokens_to_ids("<|vision_start|>")

    def render(question, steps):
        answer = "\n".join(step.replace("\n", " ").strip() for step in steps)
        ids = sky.encode("<|im_start|>" + question + "\n")
        marked = sky.encode(answer.replace("\n", "<|vision_start|>") + "<|vision_start|>")
        places = [len(ids) + place for place, token in enumerate(marked) if token == vision]
        ids = ids + [newline if token == vision else token for token in marked]
        hidden = sky_model.model(torch.tensor([ids])).last_hidden_state[0, places]
        return ids, (hidden @ head["v_head.summary.weight"].T + head["v_head.summary.bias"])[:, 0].sigmoid()
    golden["skywork-prm"] = prm(render)

    torch.manual_seed(7)
    math = wrapped(byte_level(chatml + ["<extra_0>"]), "<|im_end|>", None, CHATML)
    folder = out / "qwen2.5-math-prm"
    math_model = save(Qwen2ForCausalLM(Qwen2Config(**shape(math, rms_norm_eps=1e-5))), math, folder, half)
    layers = {"score.0.weight": torch.randn(32, 32) * 0.3, "score.0.bias": torch.randn(32) * 0.1,
              "score.2.weight": torch.randn(2, 32) * 0.3, "score.2.bias": torch.randn(2) * 0.1}
    layers = {name: value.to(half) for name, value in layers.items()}
    save_file(load_file(folder / "model.safetensors") | layers, folder / "model.safetensors", metadata={"format": "pt"})
    patch(folder, architectures=["Qwen2ForProcessRewardModel"])
    extra = math.convert_tokens_to_ids("<extra_0>")

    def render(question, steps):
        turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question},
                 {"role": "assistant", "content": "<extra_0>".join(steps) + "<extra_0>"}]
        ids = math(math.apply_chat_template(turns, tokenize=False), add_special_tokens=False).input_ids
        x = math_model.model(torch.tensor([ids])).last_hidden_state[0]
        x = torch.relu(x @ layers["score.0.weight"].float().T + layers["score.0.bias"].float())
        scores = (x @ layers["score.2.weight"].float().T + layers["score.2.bias"].float()).softmax(-1)[:, 1]
        return ids, scores[torch.tensor(ids) == extra]
    golden["qwen2.5-math-prm"] = prm(render)

    torch.manual_seed(8)
    trl = wrapped(byte_level(chatml), "<|im_end|>", None, CHATML)
    trl_model = save(Qwen2ForTokenClassification(Qwen2Config(**shape(trl, num_labels=2))), trl, out / "trl-prm", half)
    separator = trl.encode("\n")

    def render(question, steps):
        ids, places = trl.encode(question), []
        for step in steps:
            ids = ids + trl.encode(step) + separator
            places.append(len(ids) - 1)
        return ids, logits(trl_model, ids)[places].softmax(-1)[:, 1]
    golden["trl-prm"] = prm(render)

    torch.manual_seed(9)
    er = wrapped(byte_level(llama), "<|eot_id|>", "<|begin_of_text|>", LLAMA)
    er_model = save(LlamaForCausalLM(LlamaConfig(**shape(er, **rope))), er, out / "er-prm", half)
    tag, good, bad = (er.encode(text, add_special_tokens=False)[-1] for text in [" ки", " +", " -"])

    def render(question, steps):
        ids = er.encode(f"{question} " + "".join(f"{step.strip()} ки" for step in steps), add_special_tokens=False)
        scores = logits(er_model, ids)[:, [good, bad]].softmax(-1)[:, 0]
        return ids, scores[torch.tensor(ids) == tag]
    golden["er-prm"] = prm(render)

    # Its reference is the policy qwen2.5, whose tokenizer it shares.
    torch.manual_seed(10)
    eurus = wrapped(byte_level(chatml), "<|im_end|>", None, CHATML)
    eurus_model = save(Qwen2ForCausalLM(Qwen2Config(**shape(eurus, tie_word_embeddings=True))), eurus, out / "eurus-prm", half)
    reference = Qwen2ForCausalLM.from_pretrained(out / "qwen2.5", dtype=torch.float32).eval()

    def render(question, steps):
        start = eurus.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
        encode = lambda text: eurus(start + text, add_special_tokens=False).input_ids
        ids = encode("\n\n".join(steps))
        ends = [len(encode("\n\n".join(steps[:k]) + "\n\n")) for k in range(1, len(steps))] + [len(ids)]
        of = lambda model: logits(model, ids)[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        ratio, first = of(eurus_model) - of(reference), len(encode("")) - 1
        return ids, torch.stack([(0.001 * ratio[first:end - 1].sum()).sigmoid() for end in ends])
    golden["eurus-prm"] = prm(render)

def stirred(model):
    """Norms begin at one (Gemma's at zero) and biases at zero, where nothing tells whether they are applied."""
    for name, value in model.named_parameters():
        if value.ndim == 1 or name.endswith("bias"):
            value.add_(torch.randn_like(value) * 0.3)
    return model


# What transformers 5 writes in a config otherwise than the checkpoints of these families have it.
NEW = ["rope_parameters", "dtype"]


def decoder(model, tokenizer, folder, drop=(), **hub):
    """Saved with a config in the words of the hub's. Read again without fused attention, which knows no caps and no sinks."""
    save(stirred(model), tokenizer, folder, torch.bfloat16)
    patch(folder, NEW + list(drop), torch_dtype="bfloat16", **hub)
    return type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def heard(model):
    """Gemma's large embedding would drown its layers: of random ones, every token would repeat itself."""
    decoder = getattr(model, "model", model)
    decoder.embed_tokens.weight *= 0.3
    decoder.norm.weight += 3
    return model


def smollm3(folder):
    torch.manual_seed(13)
    t = wrapped(byte_level(CHATML_TOKENS), "<|im_end|>", None, CHATML)
    config = SmolLM3Config(**shape(t, num_hidden_layers=4, intermediate_size=40, rope_theta=5e6, tie_word_embeddings=True))
    # The fourth layer is not rotated. That the embedding is tied goes without saying.
    m = decoder(SmolLM3ForCausalLM(config), t, folder, ["tie_word_embeddings"], rope_theta=5e6, rope_scaling=None)
    return policy(m, t, SYSTEM)


def gemma_tokenizer(template):
    pieces = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    return wrapped(sentence_piece(pieces, prefix=False), "<eos>", "<bos>", template)


def gemma2(folder):
    torch.manual_seed(28)
    t = gemma_tokenizer(GEMMA_2)
    # Caps so low that they bend what they cap; the real ones are 50 and 30. The first layer slides, as every other.
    config = Gemma2Config(**shape(t, intermediate_size=48, head_dim=12, query_pre_attn_scalar=20, sliding_window=8,
                                  attn_logit_softcapping=3.0, final_logit_softcapping=6.0, tie_word_embeddings=True))
    m = decoder(heard(Gemma2ForCausalLM(config)), t, folder, ["layer_types", "tie_word_embeddings", "use_bidirectional_attention"],
                rope_theta=10000.0, hidden_act="gelu_pytorch_tanh", cache_implementation="hybrid")
    return policy(m, t, None, "\n\n" + SYSTEM)


GEMMA = dict(intermediate_size=48, num_hidden_layers=4, head_dim=12, query_pre_attn_scalar=20, sliding_window=8,
             sliding_window_pattern=3, tie_word_embeddings=True)


def gemma3(folder):
    torch.manual_seed(16)
    t = gemma_tokenizer(GEMMA_3)
    config = Gemma3TextConfig(**shape(t, **GEMMA, rope_theta=1e6, rope_local_base_freq=10000.0))
    # Of every three layers the last is global.
    m = decoder(heard(Gemma3ForCausalLM(config)), t, folder,
                ["layer_types", "tie_word_embeddings", "use_bidirectional_attention"], rope_theta=1e6, rope_local_base_freq=10000.0,
                rope_scaling=None, sliding_window_pattern=3, cache_implementation="hybrid")
    return policy(m, t, SYSTEM)


def gemma3_vision(folder):
    """As the checkpoints from 4B on: the text half of a model that sees, its global rotations stretched."""
    torch.manual_seed(16)
    t = gemma_tokenizer(GEMMA_3)
    stretched = dict(factor=8.0, rope_type="linear")
    text = Gemma3TextConfig(**shape(t, **GEMMA, rope_theta=1e6, rope_local_base_freq=10000.0, rope_scaling=dict(stretched)))
    sight = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=8, patch_size=4,
                 vision_use_head=False)
    model = Gemma3ForConditionalGeneration(Gemma3Config(text_config=text, vision_config=sight, mm_tokens_per_image=4))
    heard(model.model.language_model)
    m = decoder(model, t, folder)
    config = json.loads((folder / "config.json").read_text())
    for key in NEW + ["layer_types", "_sliding_window_pattern", "tie_word_embeddings", "use_bidirectional_attention"]:
        config["text_config"].pop(key, None)
    config["text_config"] |= dict(rope_theta=1e6, rope_local_base_freq=10000.0, rope_scaling=stretched, sliding_window_pattern=3)
    patch(folder, ["tie_word_embeddings"], text_config=config["text_config"])
    m = type(m).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return policy(m, t, SYSTEM)


def phi3(folder):
    torch.manual_seed(14)
    turns = ["<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    t = wrapped(sentence_piece(["<s>", "</s>", "<|endoftext|>"] + turns, strips=turns), "<|endoftext|>", "<s>", PHI_3)
    config = Phi3Config(**shape(t, intermediate_size=48, num_key_value_heads=4, sliding_window=24,
                                original_max_position_embeddings=1024))
    m = decoder(Phi3ForCausalLM(config), t, folder, rope_theta=10000.0, rope_scaling=None)
    return policy(m, t, SYSTEM)


def phi4_mini(folder):
    torch.manual_seed(11)
    special = ["<|endoftext|>", "<|assistant|>", "<|end|>", "<|system|>", "<|user|>"]
    t = wrapped(byte_level(special), "<|endoftext|>", "<|endoftext|>", PHI_4)
    # 12 of 16 numbers of a head are rotated. No prompt is long enough for the long factors, but all attention is scaled.
    rope = dict(rope_theta=10000.0, partial_rotary_factor=0.75, rope_scaling=dict(
        type="longrope", short_factor=[1.0, 1.1, 1.25, 1.5, 2.0, 3.0], long_factor=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))
    sizes = dict(num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=2048, original_max_position_embeddings=512)
    more = dict(intermediate_size=48, sliding_window=4096, tie_word_embeddings=True)
    config = Phi3Config(**shape(t, **sizes, **more, **json.loads(json.dumps(rope))))
    return policy(decoder(Phi3ForCausalLM(config), t, folder, **rope), t, SYSTEM)


def qwen3_moe(folder):
    torch.manual_seed(20)
    t = wrapped(byte_level(CHATML_TOKENS), "<|im_end|>", None, THINKING)
    experts = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, norm_topk_prob=True)
    config = Qwen3MoeConfig(**shape(t, **experts, head_dim=16, rope_theta=1e6))
    m = decoder(Qwen3MoeForCausalLM(config), t, folder, ["num_local_experts"], num_experts=4, rope_theta=1e6, rope_scaling=None)
    return policy(m, t, SYSTEM, enable_thinking=False)


HARMONY_TOKENS = ["<|startoftext|>", "<|endoftext|>", "<|return|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>"]
OSS = dict(num_local_experts=4, num_experts_per_tok=2, head_dim=16, sliding_window=8, max_position_embeddings=2048)


def gpt_oss_rope():
    return dict(rope_theta=150000.0, rope_scaling=dict(rope_type="yarn", factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
                                                      original_max_position_embeddings=512))


def gpt_oss(folder):
    torch.manual_seed(26)
    t = wrapped(byte_level(HARMONY_TOKENS), "<|return|>", "<|startoftext|>", HARMONY)
    m = GptOssForCausalLM(GptOssConfig(**shape(t, **OSS, **gpt_oss_rope(), intermediate_size=16)))
    for layer in m.model.layers:  # So that some numbers are beyond the limit of 7.
        layer.mlp.experts.gate_up_proj *= 3
    m = decoder(m, t, folder, ["swiglu_alpha"], experts_per_token=2, initial_context_length=512, **gpt_oss_rope())
    return policy(m, t, SYSTEM)


def gpt_oss_mxfp4(folder):
    """As it is published: of every 32 inputs of an expert, 16 bytes of two numbers and the exponent that they share."""
    torch.manual_seed(12)
    t = wrapped(byte_level(HARMONY_TOKENS), "<|return|>", "<|startoftext|>", HARMONY)
    m = GptOssForCausalLM(GptOssConfig(**shape(t, **OSS, **gpt_oss_rope(), intermediate_size=64)))
    decoder(m, t, folder, ["swiglu_alpha"], experts_per_token=2, initial_context_length=512, **gpt_oss_rope())
    magnitudes, packed = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]), load_file(folder / "model.safetensors")
    m = GptOssForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for number, layer in enumerate(m.model.layers):
        for name, outputs, inputs in [("gate_up_proj", 128, 32), ("down_proj", 32, 64)]:
            blocks = torch.randint(256, (4, outputs, inputs // 32, 16), dtype=torch.uint8)
            scales = torch.randint(123, 127, (4, outputs, inputs // 32), dtype=torch.uint8)
            codes = torch.stack([blocks & 15, blocks >> 4], -1).flatten(-2).int()  # The lower half is the earlier number.
            values = magnitudes[codes & 7] * (1 - 2 * (codes >> 3)) * 2.0 ** (scales[..., None].float() - 127)
            getattr(layer.mlp.experts, name).copy_(values.flatten(-2).transpose(1, 2))
            path = f"model.layers.{number}.mlp.experts.{name}"
            del packed[path]
            packed |= {f"{path}_blocks": blocks, f"{path}_scales": scales}
    save_file(packed, folder / "model.safetensors", metadata={"format": "pt"})
    patch(folder, quantization_config=dict(quant_method="mxfp4", modules_to_not_convert=[
        "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]))
    return policy(m, t, SYSTEM)


def olmo2(folder):
    torch.manual_seed(16)
    t = wrapped(byte_level(["<|endoftext|>"]), "<|endoftext|>", "<|endoftext|>", OLMO)
    config = Olmo2Config(**shape(t, intermediate_size=48, rope_theta=500000.0))
    m = decoder(Olmo2ForCausalLM(config), t, folder, rope_theta=500000.0, rope_scaling=None)
    return policy(m, t, SYSTEM)


def lora(folder, rank=4, targets=("q_proj", "v_proj", "down_proj"), stabilized=False, dtype=torch.float32):
    """An adapter as PEFT saves it, of the checkpoint beside it; the golden values are those of the merged weights."""
    torch.manual_seed(19 + rank)
    base, alpha, tensors = folder.parent / "qwen2.5", 8, {}
    t = PreTrainedTokenizerFast.from_pretrained(base)
    m = Qwen2ForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    for name, module in m.named_modules():
        if name.rsplit(".", 1)[-1] in targets:
            a = (torch.randn(rank, module.in_features) * 0.3).to(dtype)
            b = (torch.randn(module.out_features, rank) * 0.3).to(dtype)
            tensors |= {f"base_model.model.{name}.lora_A.weight": a, f"base_model.model.{name}.lora_B.weight": b}
            module.weight += alpha / (rank ** 0.5 if stabilized else rank) * (b.float() @ a.float())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = dict(alpha_pattern={}, auto_mapping=None, base_model_name_or_path="../qwen2.5", bias="none", fan_in_fan_out=False,
                  inference_mode=True, init_lora_weights=True, layers_pattern=None, layers_to_transform=None, lora_alpha=alpha,
                  lora_bias=False, lora_dropout=0.0, modules_to_save=None, peft_type="LORA", r=rank, rank_pattern={},
                  revision=None, target_modules=list(targets), task_type="CAUSAL_LM", use_dora=False, use_rslora=stabilized)
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))
    return policy(m, t, SYSTEM)


def lora_rs(folder):
    every = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    return lora(folder, 2, every, True, torch.bfloat16)


DECODERS = {"smollm3": smollm3, "gemma2": gemma2, "gemma3": gemma3, "gemma3-vision": gemma3_vision, "phi3": phi3,
            "phi4-mini": phi4_mini, "qwen3-moe": qwen3_moe, "gpt-oss": gpt_oss, "gpt-oss-mxfp4": gpt_oss_mxfp4, "olmo2": olmo2,
            "lora": lora, "lora-rs": lora_rs}


@torch.inference_mode()
def main(out, *names):
    out, golden = pathlib.Path(out), {}
    out.mkdir(exist_ok=True)
    if not names:
        first_families(out, golden)
    for name in names or DECODERS:
        golden[name] = DECODERS[name](out / name)
    for name, cases in golden.items():
        for file in ["generation_config.json", "special_tokens_map.json"]:
            (out / name / file).unlink(missing_ok=True)
        (out / name / "golden.json").write_text(json.dumps(cases, separators=(",", ":"), ensure_ascii=False) + "\n")


main(*sys.argv[1:])

