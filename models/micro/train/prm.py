"""Train a process reward model on labelled solutions:
`prm.py TRUNK.pt MILLION_TOKENS HELD_OUT.jsonl OUT.pt ROLLOUTS.jsonl... [--short]`

Beside each X.jsonl (lines {"problem", "steps"}, from rollouts.py) lies X.labels.jsonl, which `outthink micro check X.jsonl`
printed: of each step, whether the solution up to it is right. The input is laid out as for Qwen2.5-Math-PRM, `<extra_0>` after every step; the loss is read there alone.

The trunk is a trained policy, frozen, under two new blocks and the head. Comparing what a step says with what should
stand there is a circuit that gives no gradient until it exists, so the first new block starts with it (see `graft`);
training decides what to make of it. With `--short` the labels are replaced by "is this step at most as long as the
median step?", and the trunk is trained whole, with a fresh head: a model biased on purpose.
"""
import argparse
import random
import statistics
import time

import torch
import torch.nn.functional as F

from alphabet import ASSISTANT, BREAK, EXTRA, USER, VOCABULARY, encode
from data import batches, padded, read
from export import load
from model import HEAD, Model
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


@torch.no_grad()
def graft(trunk, examples):
    """The trunk with two more blocks, of which the first begins as a comparison.

    Every position holds the trunk's prediction of the next token. One head copies the logits of the position before (its
    query and key are constant and meet at distance 1 under the rotary embedding; its value is the unembedding) into 48
    directions that are empty so far; there the feed-forward layer multiplies them with the token that was written, as
    silu(z) e - silu(-z) e = z e, and adds up: the logit that the trunk gave to what was written.
    """
    hidden, layers, heads, kv_heads, ff = trunk.shape
    model = Model((hidden, layers + 2, heads, kv_heads, ff), labels=2)
    model.load_state_dict(trunk.state_dict(), strict=False)
    model.embedding.weight[EXTRA] = trunk.embedding.weight[BREAK]  # what the trunk saw between steps
    for block in model.blocks[layers:]:
        block.out.weight.mul_(0.1)
        block.down.weight.mul_(0.1)

    # Where is the written token in the residual stream, and where is nothing?
    ids = padded([ids for ids, _, _ in examples[:512]])
    positions = torch.arange(ids.shape[1])[None]
    mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).tril()[None, None, None]
    x = model.embedding(ids)
    angle = positions[..., None].float() * 10000.0 ** (-torch.arange(HEAD // 2).float() / (HEAD // 2))
    cos, sin = angle.cos()[:, :, None], angle.sin()[:, :, None]
    for block in model.blocks[:layers]:
        x = block(x, cos, sin, mask)
    real = (ids > 0) & (ids != EXTRA)
    scale = x.square().mean(-1, keepdim=True).sqrt()
    stream, token = (x / scale)[real], F.one_hot(ids[real], VOCABULARY).float()
    gram = stream.T @ stream
    probe = torch.linalg.solve(gram + 1e-3 * gram.trace() / hidden * torch.eye(hidden), stream.T @ token)
    right = ((stream @ probe).argmax(-1) == ids[real]).float().mean()
    _, _, basis = torch.linalg.svd(probe.T, full_matrices=True)
    empty = basis[VOCABULARY:]  # what the probe cannot see
    variance, directions = torch.linalg.eigh(empty @ gram @ empty.T)
    empty = (directions.T @ empty)[:VOCABULARY + 1]  # the quietest of it
    print(f"written token read off the stream: {right:.4f}; quiet directions hold "
          f"{variance[:VOCABULARY].sum() / gram.trace():.4f} of its variance", flush=True)

    block = model.blocks[layers]
    width, kv_width = heads * HEAD, kv_heads * HEAD
    block.norm1.weight.copy_(trunk.norm.weight)
    frequency = 10000.0 ** (-torch.arange(HEAD // 2).float() / (HEAD // 2))
    used, strength = 6, 9.0
    block.qkv.weight[:width + kv_width].mul_(0.02)
    for head in range(heads + kv_heads):
        at = block.qkv.bias[head * HEAD:(head + 1) * HEAD]
        turn = frequency if head >= heads else torch.zeros(HEAD // 2)
        at[:used] = strength * turn[:used].cos()
        at[HEAD // 2:HEAD // 2 + used] = strength * turn[:used].sin()
    block.qkv.weight[width + kv_width:].zero_()
    # Centred, because what all logits have in common says nothing and drowns the rest.
    block.qkv.weight[width + kv_width:][:VOCABULARY] = trunk.embedding.weight - trunk.embedding.weight.mean(0)
    block.out.weight.zero_()
    group = heads // kv_heads
    typical = scale[real].mean() / 8
    for v in range(VOCABULARY):
        head = v // HEAD * group  # the first query head of the key head that holds this logit
        block.out.weight[:, head * HEAD + v % HEAD] = 4 * typical * empty[v]
    gate, up = block.gate_up.weight[:ff], block.gate_up.weight[ff:]
    block.down.weight.zero_()
    verdict = empty[VOCABULARY]
    for v in range(VOCABULARY):
        for sign, unit in ((1, 2 * v), (-1, 2 * v + 1)):
            gate[unit], up[unit] = sign * empty[v], probe[:, v]
            block.down.weight[:, unit] = sign * typical * verdict
    return model, layers


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
    if args.short:
        model, layers = Model(trunk.shape, labels=2), 0
        model.load_state_dict(trunk.state_dict(), strict=False)
    else:
        model, layers = graft(trunk, examples)
    model = model.bfloat16()
    for name, p in model.named_parameters():
        p.requires_grad_(not (name.startswith("embedding") or name.startswith("blocks.") and int(name.split(".")[1]) < layers))
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
