"""Train one causal LM on worked solutions: `policy.py SIZE MILLION_TOKENS TRAIN.jsonl TUNE.jsonl OUT.pt [--seed S] [--start MODEL.pt] [--rate R] [--batch B]`

Every size has the same schedule: batch 32, Muon peak rate 0.015 after 50 steps of warm-up, linear decay to 0. `--start` runs
the schedule again from trained weights, with a peak rate of its own. SIZE is `micro-90k` or `grid-90k`, say.
"""
import argparse
import time

import torch
import torch.nn.functional as F

from alphabet import END
from data import batches, example, padded, prompt_ids, read
from model import Model, generate, named, save
from optimizer import Optimizer

RATE, WARM_UP = 0.015, 50


def greedy(model, problems):
    """(accuracy by answer, by fully right derivation, by answer for each kind and level)"""
    drawn = generate(model, [prompt_ids(p, model.alphabet) for p in problems], 320, {END})
    cells, answers, derivations = {}, [], []
    for p, ids in zip(problems, drawn):
        text = model.alphabet.decode(ids).removesuffix("<|end|>")
        answers.append(f"\\boxed{{{p['answer']}}}" in text.replace("\n\n", "\n"))
        derivations.append(text == "\n\n".join(p["steps"]))
        for key in (p["kind"], p["level"]):
            cells.setdefault(key, []).append(answers[-1])
    mean = lambda xs: round(sum(xs) / len(xs), 3)
    return mean(answers), mean(derivations), {k: mean(v) for k, v in sorted(cells.items(), key=str)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size")
    parser.add_argument("tokens", type=float)
    parser.add_argument("train")
    parser.add_argument("tune")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    budget = args.tokens * 1e6
    tune = read(args.tune)
    shape, alphabet = named(args.size)
    examples = [example(p, alphabet) for p in read(args.train)]
    model = Model(shape, alphabet).bfloat16()
    if args.start:
        model.load_state_dict(torch.load(args.start)["weights"])
    optimizer = Optimizer(model, args.rate)
    print(args, model.parameter_count(), "parameters", flush=True)
    seen = step = skipped = 0
    running, paused, start = None, 0.0, time.time()
    while seen < budget:
        for rows in batches(examples, args.batch, args.seed + 1000 + seen):
            if seen >= budget:
                break
            ids = padded([ids for ids, _ in rows])
            weight = torch.zeros(ids.shape)
            for r, (row, prompt) in enumerate(rows):
                weight[r, prompt:len(row)] = 1  # loss on the solution alone
            logits = model.logits(model.hidden(ids[:, :-1])).float()
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
            loss = (loss * weight[:, 1:].flatten()).sum() / weight.sum()
            loss.backward()
            skipped += not optimizer.step(min(1, (step + 1) / WARM_UP) * max(0.01, 1 - seen / budget))
            seen += sum(len(row) for row, _ in rows)
            step += 1
            running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
            if step % 250 == 0:
                pause = time.time()
                accuracy = greedy(model, tune[:150])
                paused += time.time() - pause
                print(f"step {step} tokens {seen/1e6:.2f}M loss {running:.4f} skipped {skipped} "
                      f"{seen/(time.time()-start-paused):.0f} tokens/s {accuracy}", flush=True)
                save(model, args.out)
    save(model, args.out)
    seconds = time.time() - start - paused
    print(f"final {args.size} tokens {seen/1e6:.2f}M seconds {seconds:.0f} tune greedy {greedy(model, tune)}", flush=True)


if __name__ == "__main__":
    main()
