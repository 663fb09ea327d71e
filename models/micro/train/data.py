"""Batches of what `outthink micro generate` wrote."""
import json
import random

import torch

from alphabet import ASSISTANT, END, PAD, USER


def read(path):
    """JSONL of problems -> list of dicts."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def prompt_ids(problem, alphabet):
    return [USER] + alphabet.encode(problem["problem"]) + [ASSISTANT]


def example(problem, alphabet):
    """(prompt + solution ids as bytes, length of the prompt)"""
    prompt = prompt_ids(problem, alphabet)
    return bytes(prompt + alphabet.encode("\n\n".join(problem["steps"])) + [END]), len(prompt)


def padded(rows, multiple=8):
    """Right-padded [B, T]. T is rounded up: oneDNN compiles and keeps one kernel a shape."""
    width = -(-max(map(len, rows)) // multiple) * multiple
    ids = torch.full((len(rows), width), PAD)
    for r, row in enumerate(rows):
        ids[r, :len(row)] = torch.tensor(list(row))
    return ids


def batches(examples, size, seed, chunk=8192):
    """One pass over `examples` in a seeded order: batches of rows of like length."""
    rng = random.Random(seed)
    order = list(range(len(examples)))
    rng.shuffle(order)
    for start in range(0, len(order), chunk):
        part = sorted(order[start:start + chunk], key=lambda i: len(examples[i][0]))
        groups = [part[i:i + size] for i in range(0, len(part), size)]
        rng.shuffle(groups)
        for group in groups:
            yield [examples[i] for i in group]
