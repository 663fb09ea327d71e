"""What a model object tells of itself, so that it is asked and read as the same checkpoint is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._errors import InputError
from ._native import Continuation, Draw, PolicyReader, Request


def files(tokenizer: Any, config: Any, profile: str | None, kind: str = "") -> dict[str, Any]:
    """What a checkpoint's folder would say: its tokenizer, special tokens, chat template and architecture (else ``kind``)."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"{type(tokenizer).__name__} is no tokenizer of the tokenizers library: load it with AutoTokenizer.from_pretrained(…, use_fast=True)"
        )
    template = getattr(tokenizer, "chat_template", None) or ""
    if isinstance(template, dict):
        template = template.get("default") or (next(iter(template.values())) if len(template) == 1 else "")
    special: dict[str, Any] = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        if (token := getattr(tokenizer, name, None)) is not None:
            special[name] = str(token)
    # What was read from tokenizer_config.json: the attribute has a default of its own.
    adds = (getattr(tokenizer, "init_kwargs", None) or {}).get("add_bos_token")
    if isinstance(adds, bool):
        special["add_bos_token"] = adds
    architectures = getattr(config, "architectures", None) or [kind]
    return {
        "tokenizer": backend.to_str(),
        "special": special,
        "template": template,
        "architecture": architectures[0],
        "profile": profile,
    }


def text_tokenizer(own: Any) -> Any:
    """A processor's tokenizer; a tokenizer is its own."""
    return getattr(own, "tokenizer", own) if not hasattr(own, "backend_tokenizer") else own


def tokens(own: Any) -> list[int]:
    """One token id, several, or none, as a configuration has them."""
    if own is None:
        return []
    return [int(token) for token in (own if isinstance(own, (list, tuple)) else [own]) if int(token) >= 0]


@dataclass
class Row:
    """A draw that is under way."""

    request: Request
    seed: int
    prefix: list[int]
    draw: Draw
    drawn: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        """All tokens before the next."""
        return self.prefix + self.drawn

    def push(self, token: int, logprob: float | None, entropy: float | None = None) -> None:
        """Takes the next token; what comes after the end is left out."""
        if not self.draw.is_over:
            self.drawn.append(token)
            self.draw.push(token, logprob, entropy)


class Round:
    """All draws of some requests."""

    def __init__(self, reader: PolicyReader, requests: list[Request]) -> None:
        self._draws: list[list[Draw]] = []
        #: Those of which something is left to draw.
        self.rows: list[Row] = []
        for request in requests:
            prefix, draws = reader.draws(request)
            self._draws.append(draws)
            self.rows += [Row(request, seed, prefix, draw) for seed, draw in zip(request.seeds, draws) if not draw.is_over]

    def continuations(self) -> list[list[Continuation]]:
        """For each request one continuation a seed."""
        return [[draw.continuation() for draw in draws] for draws in self._draws]
