"""Models of transformers as policies and verifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ._errors import InputError
from ._native import Continuation, PolicyReader, Prefix, Request, VerifierReader
from ._reading import Round, Row, files, text_tokenizer, tokens
from ._together import Together

One = TypeVar("One")


class TransformersPolicy:
    """Draws with ``model.generate``; :func:`transformers_policy` makes it.

    A draw has random numbers of its own: the same seed gives the same draw, whatever is drawn beside it, and the one that the embedded
    engine draws from the same checkpoint.
    """

    #: How it is asked and where its steps end.
    reader: PolicyReader
    #: How many parameters it has, for costs in FLOPs.
    parameters: int | None

    def __init__(
        self, model: Any, tokenizer: Any, *, profile: str | None, system: str | None, thinking: str | None, batch: int
    ) -> None:
        if not hasattr(model, "generate"):
            raise InputError(f"{type(model).__name__} cannot generate: a policy is a causal language model of transformers")
        self.model, self.tokenizer, self.batch = model, text_tokenizer(tokenizer), batch
        self.parameters = _parameters(model)
        own = files(self.tokenizer, model.config, profile, type(model).__name__)
        self.reader = PolicyReader(own, _ends(model, self.tokenizer), _context(model), system, thinking)
        self._together: Together[Request, list[Continuation]] = Together(self._extend)

    def extend(self, requests: list[Request]) -> list[list[Continuation]]:
        """For each request one continuation a seed."""
        return self._together(requests)

    def _extend(self, requests: list[Request]) -> list[list[Continuation]]:
        own = Round(self.reader, requests)
        # What is drawn alike is drawn together, and what is of one length needs no padding.
        rows = sorted(own.rows, key=lambda row: (_setting(row), len(row.prefix)))
        while rows:
            alike = [row for row in rows[: self.batch] if _setting(row) == _setting(rows[0])]
            self.batch = _halving(self._draw, alike, self.batch)
            rows = [row for row in rows if not row.draw.is_over]
        return own.continuations()

    def _draw(self, rows: list[Row]) -> None:
        """Draws all of them to their ends. Where memory runs out before, they go on from what they have."""
        import torch
        from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

        ids, mask = _padded(self.model, [row.tokens for row in rows], left=True)
        plain = GenerationConfig(
            max_new_tokens=max(row.draw.left for row in rows), do_sample=False, eos_token_id=None, pad_token_id=self.reader.ends[0]
        )
        draws = _Draws(rows, self.reader.size)
        with _at_rest(self.model), _generating(self.model, plain), torch.no_grad():
            self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=plain,
                logits_processor=LogitsProcessorList([draws.choose]),
                stopping_criteria=StoppingCriteriaList([draws.are_over]),
            )


class _Draws:
    """Chooses each row's next token where transformers would process its scores: only what is chosen stays possible."""

    def __init__(self, rows: list[Row], size: int) -> None:
        self.rows, self.size = rows, size

    def choose(self, ids: Any, scores: Any) -> Any:
        import torch

        # What is beyond the tokenizer's tokens is padding.
        known = scores[:, : self.size].float()
        if self.rows[0].request.temperature > 0:
            chosen = _drawn(known, [row.draw.random() for row in self.rows], *_setting(self.rows[0]))
        else:
            chosen = known.argmax(-1, keepdim=True)
        logs = known.log_softmax(-1)
        logprobs = logs.gather(-1, chosen).squeeze(-1).tolist()
        entropies = torch.special.entr(logs.exp()).sum(-1).tolist()
        for row, token, logprob, entropy in zip(self.rows, chosen.squeeze(-1).tolist(), logprobs, entropies):
            row.push(token, logprob, entropy)
        return torch.full_like(scores, float("-inf")).scatter(-1, chosen, 0.0)

    def are_over(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        return torch.tensor([row.draw.is_over for row in self.rows], device=ids.device)


def _setting(row: Row) -> tuple[float, float, int, float]:
    """How a row's tokens are drawn."""
    own = row.request
    return own.temperature, own.top_p, own.top_k, own.min_p


def _drawn(logits: Any, randoms: list[float], temperature: float, top_p: float, top_k: int, min_p: float) -> Any:
    """A token a row at a number in [0, 1), of those that are kept: ``[rows, 1]``. As the embedded engine: without truncation in the
    order of the vocabulary, else the likeliest first."""
    import torch

    # Apple's devices have no double precision.
    exact = torch.float32 if logits.device.type == "mps" else torch.float64
    weights = ((logits - logits.amax(-1, keepdim=True)).to(exact) / temperature).exp()
    order = None
    if top_k > 0 or top_p < 1 or min_p > 0:
        weights, order = weights.sort(dim=-1, descending=True, stable=True)
        if top_k > 0:
            weights[:, top_k:] = 0
        weights = weights.where(weights >= min_p, 0)
        before = weights.cumsum(-1) - weights
        weights = weights.where(before < top_p * weights.sum(-1, keepdim=True), 0)
    sums = weights.cumsum(-1)
    total = sums[:, -1:].contiguous()
    wanted = torch.tensor(randoms, dtype=exact, device=logits.device).unsqueeze(-1) * total
    last = torch.searchsorted(sums, total)
    places = torch.searchsorted(sums, wanted, right=True).minimum(last)
    return places if order is None else order.gather(-1, places)


class TransformersVerifier:
    """Reads rewards off a model's outputs; :func:`transformers_verifier` makes it."""

    #: How solutions are laid out for it, and what its numbers mean.
    reader: VerifierReader
    #: How many parameters it has, for costs in FLOPs.
    parameters: int | None

    def __init__(self, model: Any, tokenizer: Any, *, profile: str | None, reference: Any, batch: int) -> None:
        self.model, self.tokenizer, self.reference, self.batch = model, text_tokenizer(tokenizer), reference, batch
        self.parameters = _parameters(model)
        self.reader = VerifierReader(files(self.tokenizer, model.config, profile, type(model).__name__))
        self._kind, self._of = self.reader.reads
        if (self._kind == "ratio") != (reference is not None):
            needs = "needs its reference, the model that it was trained from" if reference is None else "takes no reference"
            raise InputError(f"a verifier under the profile {self.reader.profile} {needs}")
        self._together: Together[Prefix, list[float]] = Together(self._score)

    def score(self, prefixes: list[Prefix]) -> list[list[float]]:
        """For each prefix a reward in [0, 1] a step."""
        return self._together(prefixes)

    def _score(self, prefixes: list[Prefix]) -> list[list[float]]:
        laid = [self.reader.render(prefix) for prefix in prefixes]
        limit = _context(self.model)
        for ids, _ in laid:
            if limit is not None and len(ids) > limit:
                raise InputError(f"{len(ids)} tokens exceed the verifier's context of {limit}")
        values: list[list[list[float]]] = [[] for _ in laid]
        waiting = sorted(range(len(laid)), key=lambda place: len(laid[place][0]))

        def read(places: list[int]) -> None:
            rows = [laid[place] for place in places]
            for place, own in zip(places, self._read(self.model, rows)):
                values[place] = own
            if self.reference is not None:
                for place, other in zip(places, self._read(self.reference, rows)):
                    values[place] = [[a - b for a, b in zip(*step)] for step in zip(values[place], other)]

        while waiting:
            self.batch = _halving(read, waiting[: self.batch], self.batch)
            waiting = [place for place in waiting if not values[place]]
        return [self.reader.rewards(own) for own in values]

    def _read(self, model: Any, rows: list[tuple[list[int], list[tuple[int, int]]]]) -> list[list[list[float]]]:
        """What stands at the tokens of each step of each row."""
        import torch

        ids, mask = _padded(model, [own for own, _ in rows], left=False)
        with _at_rest(model), torch.no_grad():
            outputs = _outputs(model(input_ids=ids, attention_mask=mask))
        read = []
        for row, (own, steps) in enumerate(rows):
            places = torch.tensor([place for begin, end in steps for place in range(begin, end)], device=outputs.device)
            said = torch.tensor(own, device=outputs.device)[places]
            values = iter(self._values(outputs[row], places, said).tolist())
            read.append([[next(values) for _ in range(begin, end)] for begin, end in steps])
        return read

    def _values(self, outputs: Any, places: Any, said: Any) -> Any:
        """``outputs`` is ``[length, outputs]`` of one row, ``said`` the tokens at ``places``."""
        # What is said of a token stands at the one before it.
        of_next = self._kind in ("likelihood", "ratio", "next-label")
        rows = outputs[places - 1 if of_next else places].float()
        width = int(rows.shape[-1])
        needed = max([int(said.max()) if of_next else 0, *self._of]) + 1
        if width < needed or (self._kind == "value" and width != 1):
            raise InputError(
                f"the model has {width} outputs a token, which the profile {self.reader.profile} cannot read: load it with its reward head, or name a profile"
            )
        if self._kind == "value":
            return rows[:, 0].sigmoid()
        if self._kind == "label":
            return rows.softmax(-1)[:, self._of[0]]
        if self._kind == "tokens":
            right, wrong = self._of
            return (rows[:, right] - rows[:, wrong]).sigmoid()
        logs = rows.log_softmax(-1) if self._kind != "next-label" else rows.sigmoid().log()
        return logs.gather(-1, said.unsqueeze(-1)).squeeze(-1)


def _outputs(returned: Any) -> Any:
    """A model's outputs as ``[rows, length, outputs]``: its logits; a model with a value head returns a value a token last."""
    logits = returned.logits if hasattr(returned, "logits") else returned[-1] if isinstance(returned, (tuple, list)) else returned
    return logits.unsqueeze(-1) if logits.dim() == 2 else logits


def _parameters(model: Any) -> int | None:
    count = getattr(model, "num_parameters", None)
    return int(count()) if count else sum(int(own.numel()) for own in model.parameters())


def _context(model: Any) -> int | None:
    """Most tokens of a sequence, where the model says."""
    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    limit = getattr(config, "max_position_embeddings", None)
    return int(limit) if limit else None


def _ends(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: the generation config's, else the model's, else the tokenizer's."""
    generation = getattr(model, "generation_config", None)
    for own in (getattr(generation, "eos_token_id", None), getattr(model.config, "eos_token_id", None), tokenizer.eos_token_id):
        if tokens(own):
            return tokens(own)
    return []


def _padded(model: Any, rows: list[list[int]], *, left: bool) -> tuple[Any, Any]:
    """Token ids of one length and what of them counts, on the model's device. Any token pads: it is not looked at."""
    import torch

    longest = max(map(len, rows))
    padding = [[0] * (longest - len(own)) for own in rows]
    pairs = list(zip(padding, rows))
    ids = [pad + own if left else own + pad for pad, own in pairs]
    mask = [pad + [1] * len(own) if left else [1] * len(own) + pad for pad, own in pairs]
    return torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)


@contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """A model that is being trained draws and reads without dropout, and is trained on after."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@contextmanager
def _generating(model: Any, plain: Any) -> Iterator[None]:
    """Keeps what a model's generation config says of penalties and the like out of draws: it fills in whatever is left as usual."""
    own = getattr(model, "generation_config", None)
    model.generation_config = plain
    try:
        yield
    finally:
        model.generation_config = own


def _halving(work: Callable[[list[One]], None], rows: list[One], batch: int) -> int:
    """Works at some rows, or where memory runs out at half of them; returns how many fit."""
    import torch

    while True:
        try:
            work(rows)
            return batch
        except torch.cuda.OutOfMemoryError:
            if len(rows) == 1:
                raise
        # Outside of the handler, so that what failed lets go of its memory.
        batch = len(rows) // 2
        rows = rows[:batch]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def transformers_policy(
    model: Any,
    tokenizer: Any,
    *,
    profile: str | None = None,
    system: str | None = None,
    thinking: str | None = None,
    batch: int = 64,
) -> TransformersPolicy:
    """A causal language model of transformers as a policy. Needs torch and transformers.

    It is asked as the embedded engine asks the same checkpoint: by the profile that fits its architecture and tokens, whose system message,
    step separator, sampling settings and limits are its own. With a chat template, problems are asked as a chat.

    Args:
        model: As ``AutoModelForCausalLM.from_pretrained`` returns it, on any device and in any precision; a trainer's ``trainer.model``.
        tokenizer: Its tokenizer, or a processor with one; a trainer's ``trainer.processing_class``.
        profile: The name or .toml file of another profile (docs/profiles.md).
        system: Another system message than the profile's; ``""`` is none.
        thinking: How long a reasoning model thinks, as ``"cap:tokens=512"`` (docs/thinking.md).
        batch: Most draws at once; halved where memory runs out.

    ::

        model = AutoModelForCausalLM.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")
        tokenizer = AutoTokenizer.from_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")
        policy = outthink.transformers_policy(model, tokenizer)
        outthink.solve("What is 12 times 12?", policy=policy, method="majority", budget=8)
    """
    return TransformersPolicy(model, tokenizer, profile=profile, system=system, thinking=thinking, batch=batch)


def transformers_verifier(
    model: Any, tokenizer: Any, *, profile: str | None = None, reference: Any = None, batch: int = 16
) -> TransformersVerifier:
    """A process reward model of transformers as a verifier. Needs torch and transformers.

    Solutions are laid out, and rewards read, as by the embedded engine from the same checkpoint: a label's probability at a step token
    (Qwen2.5-Math-PRM, TRL's token classifiers), the probability of one word rather than another (Math-Shepherd, RLHFlow), a value
    (Skywork), or likelihoods.

    Args:
        model: A model whose outputs are ``[rows, length, outputs]``, or a value a token as the last of a tuple.
        tokenizer: Its tokenizer.
        profile: The name or .toml file of a profile (docs/profiles.md), where architecture and tokens do not tell which.
        reference: Of an implicit PRM (``profile="eurus-prm"``) the model that it was trained from.
        batch: Most solutions at once; halved where memory runs out.

    ::

        model = AutoModel.from_pretrained("Qwen/Qwen2.5-Math-PRM-7B", trust_remote_code=True)
        tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen2.5-Math-PRM-7B")
        verifier = outthink.transformers_verifier(model, tokenizer)
    """
    return TransformersVerifier(model, tokenizer, profile=profile, reference=reference, batch=batch)
