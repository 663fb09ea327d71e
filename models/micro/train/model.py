"""Qwen2 in plain PyTorch, shaped for training tiny models on a CPU: fused projections, plain attention."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from alphabet import GRID, MICRO

HEAD = 32  # the smallest head size that vLLM's attention kernels take
SIZES = {  # hidden, layers, heads, kv heads, feed-forward
    "micro-24k": (32, 3, 1, 1, 36),
    "micro-90k": (64, 2, 2, 1, 160),
    "micro-0.3m": (96, 4, 3, 1, 192),
    "micro-1.6m": (192, 4, 6, 2, 512),
    # To look up the cells of a row, a column and a box takes heads more than feed-forward.
    "grid-24k": (32, 2, 3, 1, 36),
    "grid-90k": (64, 2, 4, 2, 96),
    "grid-0.3m": (96, 4, 6, 2, 112),
    "grid-1.6m": (192, 4, 6, 2, 512),
}


def named(name):
    """The shape and the alphabet of a size."""
    return SIZES[name], GRID if name.startswith("grid") else MICRO


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), 1e-6)


class Block(nn.Module):
    def __init__(self, hidden, heads, kv_heads, ff):
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads
        self.norm1, self.norm2 = Norm(hidden), Norm(hidden)
        self.qkv = nn.Linear(hidden, (heads + 2 * kv_heads) * HEAD)
        self.out = nn.Linear(heads * HEAD, hidden, bias=False)
        self.gate_up = nn.Linear(hidden, 2 * ff, bias=False)
        self.down = nn.Linear(ff, hidden, bias=False)

    def forward(self, x, cos, sin, mask, cache=None):
        batch, length, _ = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, length, -1, HEAD)
        qk, v = qkv.split([self.heads + self.kv_heads, self.kv_heads], 2)
        a, b = qk.chunk(2, -1)
        qk = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
        q, k = (t.transpose(1, 2) for t in qk.split([self.heads, self.kv_heads], 2))
        v = v.transpose(1, 2)
        if cache is not None:
            k, v = cache.append(self, k, v)
        # Query heads of a group are stacked along time, so keys and values are not repeated. torch's CPU flash kernel
        # is several times slower at these shapes, above all backwards.
        q = q.reshape(batch, self.kv_heads, -1, HEAD)
        scores = (q @ k.transpose(2, 3) * HEAD**-0.5).view(batch, self.kv_heads, -1, length, k.shape[2])
        weights = scores.masked_fill(~mask, -30000.0).softmax(-1).view(batch, self.kv_heads, -1, k.shape[2])
        y = (weights @ v).view(batch, self.heads, length, HEAD).transpose(1, 2).reshape(batch, length, -1)
        x = x + self.out(y)
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Model(nn.Module):
    """A decoder with tied embeddings; with `labels`, also the two-layer head of a process reward model, or a label for
    every token of the vocabulary that may come next."""

    def __init__(self, shape, alphabet, labels=0):
        super().__init__()
        hidden, layers, heads, kv_heads, ff = self.shape = shape
        self.alphabet, self.labels = alphabet, labels
        self.embedding = nn.Embedding(alphabet.vocabulary, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, kv_heads, ff) for _ in range(layers))
        self.norm = Norm(hidden)
        self.score = None
        if labels == alphabet.vocabulary:
            self.score = nn.Linear(hidden, labels)
        elif labels:
            self.score = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, labels))
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.05 if "embedding" in name else 0.5 / math.sqrt(p.shape[1]))
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        for block in self.blocks:
            for linear in (block.out, block.down):
                nn.init.normal_(linear.weight, std=0.5 / math.sqrt(linear.in_features * 2 * layers))

    def hidden(self, ids, positions=None, mask=None, cache=None):
        length = ids.shape[1]
        if positions is None:
            positions = torch.arange(length)[None]
            mask = torch.ones(length, length, dtype=torch.bool).tril()[None, None, None]
        x = self.embedding(ids)
        angle = positions[..., None].float() * 10000.0 ** (-torch.arange(HEAD // 2).float() / (HEAD // 2))
        cos, sin = (t[:, :, None].to(x.dtype) for t in (angle.cos(), angle.sin()))
        for block in self.blocks:
            x = block(x, cos, sin, mask, cache)
        return self.norm(x)

    def logits(self, hidden):
        return hidden @ self.embedding.weight.t()

    def parameter_count(self):
        return sum(p.numel() for p in self.parameters())


class Cache:
    """Left-padded keys and values for sampling."""

    def __init__(self):
        self.kv = {}

    def append(self, block, k, v):
        if block in self.kv:
            k, v = (torch.cat([old, new], 2) for old, new in zip(self.kv[block], (k, v)))
        self.kv[block] = k, v
        return k, v

    def keep(self, rows):
        self.kv = {block: (k[rows], v[rows]) for block, (k, v) in self.kv.items()}


def save(model, path):
    """For `export.load`."""
    torch.save({"shape": model.shape, "vocabulary": model.alphabet.vocabulary, "labels": model.labels,
                "weights": model.state_dict()}, path)


@torch.inference_mode()
def generate(model, prompts, most, stop, temperature=0.0, copies=1, rows=512, generator=None):
    """`copies` continuations of every prompt, up to and including a token of `stop`; prompt-major."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out = [None] * (len(prompts) * copies)
    is_stop = torch.zeros(model.alphabet.vocabulary, dtype=torch.bool)
    is_stop[list(stop)] = True
    for start in range(0, len(order), max(1, rows // copies)):
        part = order[start:start + max(1, rows // copies)]
        width = max(len(prompts[i]) for i in part)
        ids = torch.zeros(len(part), width, dtype=torch.long)
        pad = torch.tensor([width - len(prompts[i]) for i in part])
        for r, i in enumerate(part):
            ids[r, pad[r]:] = torch.tensor(prompts[i])
        column = torch.arange(width + most)
        valid = column[None] >= pad[:, None]
        mask = (valid[:, None, :width] & (column[None, None, :width] <= column[None, :width, None])
                | torch.eye(width, dtype=torch.bool)[None])[:, None, None]
        cache = Cache()
        logits = model.logits(model.hidden(ids, (column[None, :width] - pad[:, None]).clamp(min=0), mask, cache)[:, -1])
        each = torch.arange(len(part)).repeat_interleave(copies)
        cache.keep(each)
        logits, pad, valid = logits[each], pad[each], valid[each]
        slots = [part[r] * copies + c for r in range(len(part)) for c in range(copies)]
        live, drawn = list(range(len(slots))), [[] for _ in slots]
        for n in range(most):
            logits = logits.float()
            logits[:, len(model.alphabet.tokens):] = -1e9  # padding of the vocabulary
            token = (logits.argmax(-1) if temperature == 0 else
                     torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0])
            for r, t in zip(live, token.tolist()):
                drawn[r].append(t)
            keep = (~is_stop[token]).nonzero()[:, 0]
            if len(keep) == 0 or n + 1 == most:
                break
            if len(keep) < len(live):
                live = [live[r] for r in keep.tolist()]
                token, pad, valid = token[keep], pad[keep], valid[keep]
                cache.keep(keep)
            at = width + n
            h = model.hidden(token[:, None], (at - pad)[:, None], valid[:, None, None, None, :at + 1], cache)
            logits = model.logits(h[:, 0])
        for slot, ids in zip(slots, drawn):
            out[slot] = ids
    return out
