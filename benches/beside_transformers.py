"""The engine beside transformers, the same checkpoint and problems, in turn, in one run:
`beside_transformers.py THROUGHPUT CHECKPOINT PROBLEMS.jsonl [ROUNDS]`

THROUGHPUT is target/release/examples/throughput. Both answer all problems greedily as one batch in f32 and stop at the
end token; loading is not timed. Prints tokens a second of each round, medians and their ratio.
"""
import json
import statistics
import subprocess
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    throughput, folder, problems = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    with open(problems, encoding="utf-8") as lines:
        chats = [[{"role": "user", "content": json.loads(line)["problem"]}] for line in lines]
    texts = [tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) for chat in chats]
    batch = tokenizer(texts, return_tensors="pt", padding=True)
    speeds = {"transformers": [], "outthink": []}
    for _ in range(rounds):
        start = time.perf_counter()
        out = model.generate(**batch, do_sample=False, temperature=None, max_new_tokens=320)
        seconds = time.perf_counter() - start
        new = out[:, batch.input_ids.shape[1]:]
        written = sum(int((row != tokenizer.pad_token_id).sum()) for row in new)
        speeds["transformers"].append(written / seconds)
        own = json.loads(subprocess.run([throughput, folder, problems], capture_output=True, check=True, text=True).stdout)
        speeds["outthink"].append(own["tokens"] / own["seconds"])
        print(f"transformers {written} tokens {seconds:.2f} s; outthink {own['tokens']} tokens {own['seconds']:.2f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"medians, tokens/s: {medians}; ratio {medians['outthink'] / medians['transformers']:.2f}; "
          f"{torch.get_num_threads()} torch threads, {len(chats)} problems")


if __name__ == "__main__":
    main()
