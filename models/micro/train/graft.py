r"""A process reward model out of a causal LM: three blocks, placed by hand, that tell written from expected.

A slip is a token that a good language model finds unlikely, so how unlikely the worst token so far was is all that a
reward needs. But an equality test gives training no signal until it exists: here it is put there.

The trunk keeps its own dimensions and computes in them what it did. Beside them the residual stream has new ones:
  TOKEN     the written token, as a code of two ones; too faint beside the trunk's embedding for its norms to notice
  STARTED   1, roughly, from <|assistant|> on
  STEADY    a constant far above all else: from there on, norms divide by a constant
  EXPECTED  the centred logits that the trunk gave one position before
  MATCH     of these, the written token's
  SHORTFALL how far it falls short of the others
  WORST     the greatest SHORTFALL so far

Block 1: two heads, of constant queries and keys that meet under the rotary embedding at distance 1 alone, carry the
logits to EXPECTED; a third looks for <|assistant|> and gives STARTED; a bias gives STEADY. Its feed-forward unit v is
silu(16 [v is TOKEN]) EXPECTED_v, and what they add up to is MATCH. A marker stands for "\n\n" or <|end|>; in the prompt,
which is not to be judged, MATCH is raised out of reach.
Block 2: unit v is silu(EXPECTED_v - MATCH + 1), and their sum SHORTFALL.
Block 3: a head whose keys and values are SHORTFALL gives WORST, as a soft maximum.
"""
from itertools import combinations, islice

import torch

from alphabet import ASSISTANT, END, EXTRA, MICRO
from export import named
from model import HEAD, Model

TOKENS, BREAK = MICRO.tokens, MICRO.id["\n\n"]
HEADS, KV_HEADS, CODE = 8, 2, 11  # 11 choose 2 codes are enough for 45 tokens
HIDDEN = HEADS * HEAD
UNIT = HIDDEN**-0.5  # an RMS norm maps x to x / (UNIT |x|)
FAINT, CONSTANT = 2.0**-7, 2.0**16
STREAM = 2.0**9  # about the norm of the trunk's stream at <|assistant|>
HIGH = 64.0  # above all differences of logits
SHARPNESS = 32.0  # of the soft maximum: a hundred right tokens weigh less than one slip


@torch.no_grad()
def graft(trunk):
    """`trunk` (of micro-1.6m's shape) under the three blocks, and a head that knows that WORST is bad, if not yet how bad"""
    inner, layers, _, _, ff = trunk.shape
    model = Model((HIDDEN, layers + 3, HEADS, KV_HEADS, ff), MICRO, labels=2)
    wide = named(model)
    for p in wide.values():
        p.zero_()
    for name, p in named(trunk).items():
        # A mean square is over more dimensions now, and the new ones are empty.
        p = by_head(name, p * (inner / HIDDEN) ** 0.5 if "norm" in name else p)
        by_head(name, wide[name])[tuple(map(slice, p.shape))] = p
    vocabulary = torch.arange(len(TOKENS))
    token = inner + torch.tensor(list(islice(combinations(range(CODE), 2), len(TOKENS))))
    assistant, started, steady, match, shortfall, worst = range(inner + CODE, inner + CODE + 6)
    expected = worst + 1 + vocabulary
    straight = UNIT * CONSTANT  # undoes a norm
    slow = HEAD // 2 - 1  # the rotary pair that hardly turns

    embedding = model.embedding.weight
    embedding[EXTRA] = embedding[BREAK]  # what the trunk saw between steps
    embedding[vocabulary[:, None], token] = embedding[ASSISTANT, assistant] = FAINT

    # Block 1: the first query head of each group looks one position back, another one for <|assistant|>.
    block = model.blocks[layers]
    block.norm1.weight[:inner] = model.norm.weight[:inner]
    block.norm1.weight[assistant] = UNIT * STREAM / FAINT
    query, key, value = projections(block, "bias")
    turn = 10000.0 ** (-torch.arange(slow) / (HEAD // 2))
    query[:, 0, :slow] = 12
    key[:, 0, :slow], key[:, 0, HEAD // 2:-1] = 12 * turn.cos(), 12 * turn.sin()
    query[1, 1, slow], value[1, 0, -1] = 12, CONSTANT
    _, key, value = projections(block, "weight")
    logits = trunk.embedding.weight[vocabulary]
    value[vocabulary // HEAD, 0, vocabulary % HEAD, :inner] = logits - logits.mean(0)  # what they share says nothing
    key[1, 0, slow, assistant], value[1, 0, -2, assistant] = 12, 1
    out = by_head("o_proj", block.out.weight)
    out[expected, vocabulary // HEAD, 0, vocabulary % HEAD] = 1
    out[started, 1, 1, -2] = out[steady, 1, 1, -1] = 1
    # Its feed-forward units: one of each token, two of the marker, one of the prompt.
    block.norm2.weight[inner:] = straight
    block.norm2.weight[token.unique()] = straight / FAINT
    block.norm2.weight[steady] = UNIT
    gate, up = block.gate_up.weight.split(ff)
    gate[vocabulary[:, None], token], gate[vocabulary, steady] = 32, -48  # 16 if both ones are there, else negative
    up[vocabulary, expected] = 1
    block.down.weight[match, vocabulary] = 1 / 16
    up[ASSISTANT, expected[ASSISTANT]], up[ASSISTANT, steady] = 0, HIGH
    up[EXTRA, expected[EXTRA]] = 0
    more = len(TOKENS)
    for unit, v in enumerate((BREAK, END), more):  # the logit of either, if it is positive, where <extra_0> stands
        gate[unit, token[EXTRA]], gate[unit, steady], gate[unit, expected[v]], up[unit, steady] = HIGH, -2 * HIGH, 1, 1
        block.down.weight[match, unit] = 1
    gate[more + 2, steady], gate[more + 2, started], up[more + 2, steady] = HIGH, -2 * HIGH, 1
    block.down.weight[match, more + 2] = 1

    # Block 2
    block = model.blocks[layers + 1]
    block.norm2.weight.copy_(model.blocks[layers].norm2.weight)
    gate, up = block.gate_up.weight.split(ff)
    gate[vocabulary, expected], gate[vocabulary, match], gate[vocabulary, steady], up[vocabulary, steady] = 1, -1, 1, 1
    block.down.weight[shortfall, vocabulary] = 1

    # Block 3
    block = model.blocks[layers + 2]
    block.norm1.weight[shortfall] = straight
    projections(block, "bias")[0][0, 0, slow] = HEAD**0.5
    _, key, value = projections(block, "weight")
    key[0, 0, slow, shortfall], value[0, 0, 0, shortfall] = SHARPNESS, 1
    by_head("o_proj", block.out.weight)[worst, 0, 0, 0] = 1

    # The head sees WORST alone.
    model.norm.weight.zero_()
    model.norm.weight[worst] = straight
    bend = torch.arange(16)
    model.score[0].weight[bend, worst], model.score[0].bias[bend] = 1, -0.75 * 1.3**bend
    # Right solutions stay below the first bend; from the ninth, a slip is certain and more of WORST says little.
    model.score[2].weight[0, 0], model.score[2].weight[0, 8], model.score[2].bias[1] = 2, -1.98, 5
    return model


def by_head(name, p):
    """A view of a projection with (key head, query head of its group) as dimensions, so that wider groups have room"""
    if "q_proj" in name:
        return p.unflatten(0, (KV_HEADS, -1, HEAD))
    return p.unflatten(1, (KV_HEADS, -1, HEAD)) if "o_proj" in name else p


def projections(block, kind):
    """Views of queries, keys and values, each by key head and head of its group"""
    fused = getattr(block.qkv, kind).detach()
    parts = fused.split([HEADS * HEAD, KV_HEADS * HEAD, KV_HEADS * HEAD])
    return [part.unflatten(0, (KV_HEADS, -1, HEAD)) for part in parts]
