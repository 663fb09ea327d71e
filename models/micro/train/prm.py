"""Train a process reward model on labelled solutions:
`prm.py TRUNK MILLION_TOKENS HELD_OUT.jsonl OUT.pt ROLLOUTS.jsonl... [--short]`

Beside each X.jsonl (lines {"problem", "steps"}, from rollouts.py) lies X.labels.jsonl, which `outthink micro check X.jsonl`
printed: of each step, whether the solution up to it is right. The input is laid out as for Qwen2.5-Math-PRM, `<extra_0>`
after every step; the loss is read there alone.

The trunk is a trained causal LM, a .pt file or a checkpoint folder. It is frozen under three blocks that compare what it
expected with what was written (graft.py); the head alone is trained, to turn that into a probability. With `--short` the
labels are replaced by "is this step at most as long as the median step?", and all but the embedding is trained, with a
fresh head: a model biased on purpose.
"""
import argparse
import random
import statistics
import time

import torch
import torch.nn.functional as F

from alphabet import ASSISTANT, EXTRA, USER, encode
from data import batches, padded, read
from export import load
from graft import graft
from model import Model
from optimizer import Optimizer

BATCH, RATE, WARM_UP = 32, 0.01, 50


def labelled(path):
    return [layout(line, verdict["labels"]) for line, verdict in zip(read(path), read(path.replace(".jsonl", ".labels.jsonl")))]


def layout(line, labels):
    """(ids as bytes, positions of the markers, labels)"""
    ids, marks = [USER] + encode(line["problem"]) + [ASSISTANT], []
    for step in line["steps"]:
        ids += encode(step) + [EXTRA]
        marks.append(len(ids) - 1)
    return bytes(ids), marks, [int(label) for label in labels]


def auc(scores, labels):
    """Chance that a right step scores above a wrong one."""
    order = torch.tensor(scores).argsort()
    rank = torch.empty(len(scores), dtype=torch.double)
    rank[order] = torch.arange(len(scores), dtype=torch.double)
    right = torch.tensor(labels) == 1
    n, m = right.sum().item(), (~right).sum().item()
    return (rank[right].sum().item() - n * (n - 1) / 2) / (n * m) if n and m else float("nan")


@torch.inference_mode()
def evaluate(model, examples):
    """(AUC over the steps up to and including the first wrong one, AUC over all steps)"""
    first, every = ([], []), ([], [])
    for rows in batches(examples, 128, 0):
        scores = model.score(model.hidden(padded([ids for ids, _, _ in rows]))).float().softmax(-1)[..., 1]
        for r, (_, marks, labels) in enumerate(rows):
            for i, (mark, label) in enumerate(zip(marks, labels)):
                for scored, labelled in (first, every) if all(labels[:i]) else (every,):
                    scored.append(scores[r, mark].item())
                    labelled.append(label)
    return auc(*first), auc(*every)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trunk")
    parser.add_argument("tokens", type=float)
    parser.add_argument("held_out")
    parser.add_argument("out")
    parser.add_argument("rollouts", nargs="+")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    examples = [example for path in args.rollouts for example in labelled(path)]
    held_out = labelled(args.held_out)[:3000]
    random.Random(0).shuffle(examples)
    trunk = load(args.trunk)
    if args.short:
        median = statistics.median(b - a for _, marks, _ in examples for a, b in zip(marks, marks[1:]))
        starts = lambda ids, marks: [ids.index(ASSISTANT)] + marks
        shorten = lambda e: (e[0], e[1], [int(b - a <= median) for a, b in zip(starts(*e[:2]), e[1])])
        examples, truth = [shorten(e) for e in examples], held_out
        held_out = [shorten(e) for e in held_out]
        model = Model(trunk.shape, labels=2)
        model.load_state_dict(trunk.state_dict(), strict=False)
    else:
        model = graft(trunk)
    model = model.bfloat16()
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("score") or args.short and not name.startswith("embedding"))
    optimizer = Optimizer(model, RATE)
    labels = [label for _, _, ls in examples for label in ls]
    print(args, model.parameter_count(), "parameters;", len(examples), "solutions,", len(labels), "steps,",
          f"{sum(labels) / len(labels):.3f} right", flush=True)
    print("before training: AUC first slip %.4f, all steps %.4f" % evaluate(model, held_out), flush=True)
    budget, seen, step, running, start, paused = args.tokens * 1e6, 0, 0, None, time.time(), 0.0
    while seen < budget:
        for rows in batches(examples, BATCH, 1000 + seen):
            if seen >= budget:
                break
            ids = padded([ids for ids, _, _ in rows])
            where = [(r, mark, label) for r, (_, marks, ls) in enumerate(rows) for mark, label in zip(marks, ls)]
            row, mark, label = (torch.tensor(column) for column in zip(*where))
            loss = F.cross_entropy(model.score(model.hidden(ids)[row, mark]).float(), label)
            loss.backward()
            optimizer.step(min(1, (step + 1) / WARM_UP) * max(0.01, 1 - seen / budget))
            seen += sum(len(ids) for ids, _, _ in rows)
            step += 1
            running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
            if step % 250 == 0:
                pause = time.time()
                print(f"step {step} tokens {seen/1e6:.2f}M loss {running:.4f} {seen/(pause-start-paused):.0f} tokens/s "
                      "AUC first slip %.4f, all steps %.4f" % evaluate(model, held_out), flush=True)
                paused += time.time() - pause
                torch.save({"shape": model.shape, "labels": 2, "weights": model.state_dict()}, args.out)
    torch.save({"shape": model.shape, "labels": 2, "weights": model.state_dict()}, args.out)
    print(f"final tokens {seen/1e6:.2f}M seconds {time.time()-start-paused:.0f} "
          "AUC first slip %.4f, all steps %.4f" % evaluate(model, held_out), flush=True)
    if args.short:
        print("against the true labels: AUC first slip %.4f, all steps %.4f" % evaluate(model, truth), flush=True)


if __name__ == "__main__":
    main()
