"""Train a process reward model on labelled solutions:
`prm.py TRUNK MILLION_TOKENS HELD_OUT.jsonl OUT.pt ROLLOUTS.jsonl... [--short | --clashes | --columns]`

Beside each X.jsonl (lines {"problem", "steps"}, from rollouts.py) lies X.labels.jsonl, which `outthink micro check X.jsonl`
printed: of each step, whether the solution up to it is right. The input is laid out as for Qwen2.5-Math-PRM, `<extra_0>`
after every step; the loss is read there alone.

The trunk is a trained causal LM, a .pt file or a checkpoint folder. It is frozen under three blocks that compare what it
expected with what was written (graft.py); the head alone is trained, to turn that into a probability. With `--short` the
labels are replaced by "is this step at most as long as the median step?", and all but the embedding is trained, with a
fresh head: a model biased on purpose.

For grids there is no graft: with `--clashes` the whole trunk is trained on solutions as they are written. Its head has
a label for every token that may come next, "does it keep the rules with the givens, the rows above and its own row?",
and begins as the trunk's embedding; it is told of the tokens that were written, for `outthink micro check` says so of
every digit. The reward of a step is the smallest probability of its tokens so far. With `--columns` only columns count:
a model biased on purpose.
"""
import argparse
import random
import statistics
import time

import torch
import torch.nn.functional as F

from alphabet import ASSISTANT, END, EXTRA, MICRO
from data import batches, padded, prompt_ids, read
from export import load
from graft import graft
from model import Model, save
from optimizer import Optimizer

WARM_UP = 50


def labelled(path, layout):
    return [layout(line, verdict) for line, verdict in zip(read(path), read(path.replace(".jsonl", ".labels.jsonl")))]


def marked(line, verdict):
    """(ids as bytes, positions of the markers, labels)"""
    ids, marks = prompt_ids(line, MICRO), []
    for step in line["steps"]:
        ids += MICRO.encode(step) + [EXTRA]
        marks.append(len(ids) - 1)
    return bytes(ids), marks, [int(label) for label in verdict["labels"]]


def clashes(alphabet, rules):
    """The layout with a label at every token of the solution; and of each step, its positions and whether it is right"""
    def layout(line, verdict):
        ids, labels, steps = prompt_ids(line, alphabet), [], []
        asked, last = len(ids), len(line["steps"]) - 1
        for index, (step, broken, right) in enumerate(zip(line["steps"], verdict["clashes"], verdict["labels"])):
            tokens = alphabet.encode(step)
            if broken is None:
                labels += [0] * len(tokens) + [1]
            else:
                digits = iter(broken)
                labels += [int(not (alphabet.tokens[t].isdigit() and rules & set(next(digits)))) for t in tokens] + [1]
            start = len(ids)
            ids += tokens + [END if index == last else alphabet.id["\n\n"]]
            steps.append((range(start, len(ids)), right))
        return bytes(ids), list(range(asked, len(ids))), labels, steps
    return layout


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


def written(model, ids):
    """Of every token, its label's logit where it was next; of the first, nothing"""
    logits = model.score(model.hidden(ids[:, :-1])).float().gather(2, ids[:, 1:, None])[..., 0]
    return F.pad(logits, (1, 0))


@torch.inference_mode()
def evaluate_clashes(model, examples):
    """AUC over digits, over the steps up to and including the first wrong one, over whole solutions"""
    digits, first, whole = ([], []), ([], []), ([], [])
    letters = torch.tensor([token.isdigit() for token in model.alphabet.tokens])
    for rows in batches(examples, 128, 0):
        ids = padded([row[0] for row in rows])
        scores = written(model, ids).sigmoid()
        for r, (_, marks, labels, steps) in enumerate(rows):
            at = torch.tensor(marks)
            is_digit = letters[ids[r, at]]
            digits[0].extend(scores[r, at][is_digit].tolist())
            digits[1].extend(torch.tensor(labels)[is_digit].tolist())
            rewards = [scores[r, marks[0]:places.stop].min().item() for places, _ in steps]
            rights = [right for _, right in steps]
            slip = rights.index(False) + 1 if False in rights else len(rights)
            first[0].extend(rewards[:slip])
            first[1].extend(rights[:slip])
            whole[0].append(rewards[-1])
            whole[1].append(rights[-1] and len(steps) == 6)
    return auc(*digits), auc(*first), auc(*whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trunk")
    parser.add_argument("tokens", type=float)
    parser.add_argument("held_out")
    parser.add_argument("out")
    parser.add_argument("rollouts", nargs="+")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--clashes", action="store_true")
    parser.add_argument("--columns", action="store_true")
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    trunk = load(args.trunk)
    dense = args.clashes or args.columns
    layout = clashes(trunk.alphabet, {"column"} if args.columns else {"given", "row", "column", "box"}) if dense else marked
    examples = [example for path in args.rollouts for example in labelled(path, layout)]
    held_out = labelled(args.held_out, layout)[:3000]
    random.Random(0).shuffle(examples)
    if args.short:
        median = statistics.median(b - a for _, marks, _ in examples for a, b in zip(marks, marks[1:]))
        starts = lambda ids, marks: [ids.index(ASSISTANT)] + marks
        shorten = lambda e: (e[0], e[1], [int(b - a <= median) for a, b in zip(starts(*e[:2]), e[1])])
        examples, truth = [shorten(e) for e in examples], held_out
        held_out = [shorten(e) for e in held_out]
    if args.short or dense:
        model = Model(trunk.shape, trunk.alphabet, labels=trunk.alphabet.vocabulary if dense else 2)
        model.load_state_dict(trunk.state_dict(), strict=False)
        if dense:
            model.score.weight.data.copy_(trunk.embedding.weight.data)
    else:
        model = graft(trunk)
    model = model.bfloat16()
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("score") or dense or args.short and not name.startswith("embedding"))
    optimizer = Optimizer(model, args.rate)
    labels = [label for example in examples for label in example[2]]
    measured = lambda examples: (
        "AUC digit %.4f, first slip %.4f, whole solution %.4f" % evaluate_clashes(model, examples) if dense else
        "AUC first slip %.4f, all steps %.4f" % evaluate(model, examples))
    print(args, model.parameter_count(), "parameters;", len(examples), "solutions,", len(labels), "labels,",
          f"{sum(labels) / len(labels):.3f} right", flush=True)
    print("before training:", measured(held_out), flush=True)
    budget, seen, step, running, start, paused = args.tokens * 1e6, 0, 0, None, time.time(), 0.0
    while seen < budget:
        for rows in batches(examples, args.batch, 1000 + seen):
            if seen >= budget:
                break
            ids = padded([row[0] for row in rows])
            where = [(r, mark, label) for r, row in enumerate(rows) for mark, label in zip(row[1], row[2])]
            row, mark, label = (torch.tensor(column) for column in zip(*where))
            if dense:
                loss = F.binary_cross_entropy_with_logits(written(model, ids)[row, mark], label.float())
            else:
                loss = F.cross_entropy(model.score(model.hidden(ids)[row, mark]).float(), label)
            loss.backward()
            optimizer.step(min(1, (step + 1) / WARM_UP) * max(0.01, 1 - seen / budget))
            seen += sum(len(row[0]) for row in rows)
            step += 1
            running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
            if step % 250 == 0:
                pause = time.time()
                print(f"step {step} tokens {seen/1e6:.2f}M loss {running:.4f} {seen/(pause-start-paused):.0f} tokens/s "
                      + measured(held_out), flush=True)
                paused += time.time() - pause
                save(model, args.out)
    save(model, args.out)
    print(f"final tokens {seen/1e6:.2f}M seconds {time.time()-start-paused:.0f} " + measured(held_out), flush=True)
    if args.short:
        print("against the true labels:", measured(truth), flush=True)


if __name__ == "__main__":
    main()
