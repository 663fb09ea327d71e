"""Tiny random checkpoints in the layout of every family, and what transformers computes on them: `make.py OUT_FOLDER`

Each folder of OUT_FOLDER is a checkpoint; its golden.json holds, in f32 and one sequence at a time: for a policy the prompt's
ids, the log-probabilities after it and the ids drawn greedily; for a process reward model the ids and a reward a step, laid
out and read as its authors' code does (docs/profiles.md says where each layout comes from). The chat templates are short ones of our
own with the habits of the real ones: beginning-of-text in the template, trimmed messages, a default system message.
"""
import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast,
                          Qwen2Config, Qwen2ForCausalLM, Qwen2ForTokenClassification, Qwen3Config, Qwen3ForCausalLM)

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
SPLIT = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
TEXT = ["Tom has 12 apples and buys 30 more. How many apples does Tom have?", "Step 1: he starts with 12 apples.",
        "12 + 30 = 42, so the answer is \\boxed{42}.", "a + - + - + - + - ки ки ки ки", "The naïve café costs 3 € for ½ of it; π ≈ 3.14."] * 50
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


def sentence_piece(special):
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


@torch.inference_mode()
def main(out):
    out, golden = pathlib.Path(out), {}
    out.mkdir(exist_ok=True)
    half = torch.bfloat16
    chatml = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
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

    for folder in out.iterdir():
        for name in ["generation_config.json", "special_tokens_map.json"]:
            (folder / name).unlink(missing_ok=True) if folder.is_dir() else None
    for name, cases in golden.items():
        (out / name / "golden.json").write_text(json.dumps(cases, separators=(",", ":"), ensure_ascii=False) + "\n")


main(*sys.argv[1:])
