"""Draw solutions of training problems: `rollouts.py PROBLEMS.jsonl COUNT COPIES TEMPERATURE SEED OUT.jsonl POLICY.pt...`

Each line out: {"problem", "steps", "policy"}, unfinished solutions left out, equal ones merged. `outthink micro check`
labels the steps.
"""
import json
import sys

import torch

from alphabet import END
from data import prompt_ids, read
from export import load
from model import generate


def main():
    source, count, copies, temperature, seed, out = sys.argv[1:7]
    torch.set_num_threads(1)
    count, copies, seen = int(count), int(copies), set()
    problems = read(source)
    with open(out, "w", encoding="utf-8") as lines:
        for which, path in enumerate(sys.argv[7:]):
            generator = torch.Generator().manual_seed(int(seed) * 31 + which)
            part = problems[which * count:(which + 1) * count]
            model = load(path).bfloat16()
            drawn = generate(model, [prompt_ids(p, model.alphabet) for p in part], 320, {END}, float(temperature), copies,
                             generator=generator)
            for i, ids in enumerate(drawn):
                text, key = model.alphabet.decode(ids), (i // copies, bytes(ids))
                if text.endswith("<|end|>") and (which, key) not in seen:
                    seen.add((which, key))
                    steps = text.removesuffix("<|end|>").split("\n\n")
                    problem = part[i // copies]["problem"]
                    lines.write(json.dumps({"problem": problem, "steps": steps, "policy": path}) + "\n")
            print(path, len(drawn), "drawn", len(seen), "kept in all", flush=True)


if __name__ == "__main__":
    main()
