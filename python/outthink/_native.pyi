"""The extension module: Rust behind Python's objects. What is meant for use is named in ``outthink`` itself."""

import os
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, final

from typing_extensions import Self

__version__: str

Stop = Literal["step", "answer", "length"]

@final
class Request:
    """What a policy is asked for: to continue one prefix, once for each seed."""

    @property
    def problem(self) -> str:
        """What is asked."""
    @property
    def id(self) -> str:
        """The problem's name."""
    @property
    def steps(self) -> list[str]:
        """The steps so far, in order."""
    @property
    def tokens(self) -> list[list[int]]:
        """The token ids of each step, as the policy told them; empty where it did not."""
    @property
    def text(self) -> str:
        """The steps as one text, a blank line between them."""
    @property
    def seeds(self) -> list[int]:
        """One seed a continuation, below 2**64."""
    @property
    def n(self) -> int:
        """How many continuations are wanted: as many as seeds."""
    @property
    def until(self) -> Literal["step", "answer"]:
        """Where to stop: after one step, or after the answer."""
    @property
    def temperature(self) -> float:
        """0 takes the likeliest token."""
    @property
    def top_p(self) -> float:
        """Keep the likeliest tokens that together reach this probability; 1 keeps all."""
    @property
    def top_k(self) -> int:
        """Keep this many of the likeliest tokens; 0 keeps all."""
    @property
    def min_p(self) -> float:
        """Keep tokens at least this fraction as likely as the likeliest; 0 keeps all."""
    @property
    def max_tokens(self) -> int:
        """Most tokens that a continuation may have."""

@final
class Continuation:
    """What one draw gave: its steps, and why it stopped."""

    def __new__(
        cls,
        steps: str | Sequence[str],
        stop: Stop = "answer",
        *,
        tokens: Sequence[int] | Sequence[Sequence[int]] | None = None,
        logprobs: Sequence[float] | Sequence[Sequence[float]] | None = None,
    ) -> Self: ...
    @property
    def steps(self) -> list[str]:
        """Its steps; one at most where a step was asked for."""
    @property
    def tokens(self) -> list[list[int]]:
        """The token ids of each step; empty where they are unknown."""
    @property
    def stop(self) -> Stop:
        """Why it stopped."""

@final
class Prefix:
    """What a verifier is asked about: a solution, or the beginning of one."""

    @property
    def problem(self) -> str:
        """What is asked."""
    @property
    def id(self) -> str:
        """The problem's name."""
    @property
    def steps(self) -> list[str]:
        """The steps so far: at least one."""
    @property
    def text(self) -> str:
        """The steps as one text, a blank line between them."""
    @property
    def complete(self) -> bool:
        """Does the last step end the answer?"""

@final
class Signals:
    """What speaks for a solution."""

    @property
    def rewards(self) -> list[float]:
        """A reward in [0, 1] a step."""
    @property
    def logprobs(self) -> list[float]:
        """A log-probability a token, in nats; empty where they are unknown."""
    @property
    def entropies(self) -> list[float]:
        """An entropy a token, in nats; empty where they are unknown."""
    @property
    def length(self) -> int | None:
        """How many tokens it has."""

@final
class Plan:
    """A budget laid out."""

    @property
    def budget(self) -> int:
        """N."""
    @property
    def width(self) -> int:
        """M, the samples of every kept step."""
    @property
    def method(self) -> str:
        """The method's name with its parameters."""

@final
class Grown:
    """A node that the last round grew, and where that led."""

    @property
    def node(self) -> int:
        """The node."""
    @property
    def draws(self) -> int:
        """How many samples were drawn from it."""
    @property
    def part(self) -> int:
        """The part of the search that it belongs to."""
    @property
    def children(self) -> list[int]:
        """A node a sample; equal samples lead to the same one."""

@final
class Node:
    """A step of a tree."""

    @property
    def id(self) -> int:
        """Its number; 0 is the root, which has no text."""
    @property
    def parent(self) -> int | None:
        """The step before; None of the root."""
    @property
    def children(self) -> list[int]:
        """The steps after, in order of appearance."""
    @property
    def text(self) -> str:
        """The step."""
    @property
    def tokens(self) -> list[int]:
        """Its token ids; empty where they are unknown."""
    @property
    def reward(self) -> float | None:
        """Its reward in [0, 1]; None where it was not scored."""
    @property
    def draws(self) -> int:
        """How many samples came through here."""
    @property
    def stop(self) -> Stop | None:
        """Why a solution ends here; None where none does."""
    def to_dict(self) -> dict[str, Any]:
        """All of this; of the tokens how many."""

@final
class Tree:
    """All that a search drew for one problem. Shows itself in a notebook."""

    @property
    def problem(self) -> str:
        """What was asked."""
    @property
    def kept(self) -> list[int]:
        """The ends of the solutions that the method kept."""
    def __len__(self) -> int: ...
    def __getitem__(self, id: int) -> Node: ...
    def path(self, id: int) -> list[int]:
        """The nodes from below the root down to one."""
    def steps(self, id: int) -> list[str]:
        """Their texts."""
    def to_dict(self) -> dict[str, Any]:
        """``problem``, ``nodes`` and ``kept``."""
    def html(self) -> str:
        """The page that ``outthink tree --out`` writes."""
    def _repr_html_(self) -> str: ...

@final
class Solution:
    """A complete path of the tree."""

    @property
    def steps(self) -> list[str]:
        """Its steps."""
    @property
    def rewards(self) -> list[float]:
        """A reward in [0, 1] a step; empty without a verifier, or where it was cut off."""
    @property
    def tokens(self) -> list[list[int]]:
        """The token ids of each step."""
    @property
    def text(self) -> str:
        """The steps as one text, a blank line between them."""
    @property
    def answer(self) -> str | None:
        """Its answer."""
    @property
    def score(self) -> float | None:
        """What the selection makes of its rewards."""
    @property
    def count(self) -> int:
        """How many equal samples it stands for."""
    @property
    def stop(self) -> Stop:
        """``"answer"``, or ``"length"`` where it was cut off."""
    @property
    def node(self) -> int:
        """Its last node in the tree."""

@final
class Outcome:
    """What a search came to. Shows itself in a notebook."""

    @property
    def problem(self) -> str:
        """What was asked."""
    @property
    def answer(self) -> str | None:
        """The answer; None where no solution has one."""
    @property
    def agreement(self) -> float | None:
        """The share of the samples with an answer that gave this one, in [0, 1]."""
    @property
    def correct(self) -> bool | None:
        """Is it the gold answer, where that was given?"""
    @property
    def solution(self) -> Solution | None:
        """The solution that the answer is from."""
    @property
    def solutions(self) -> list[Solution]:
        """All complete solutions that the method kept."""
    @property
    def samples(self) -> int:
        """How many samples these stand for; of a strategy, all that were drawn."""
    @property
    def plan(self) -> str | None:
        """How the budget was spent, as ``64 = 16 subtrees × 4``; None of a strategy."""
    @property
    def selection(self) -> str:
        """How the answer was chosen."""
    @property
    def usage(self) -> dict[str, Any]:
        """Tokens of ``policy`` and ``verifier``, ``flops_full``, and ``flops_paper``; None where a model's size is unknown."""
    @property
    def tree(self) -> Tree:
        """All that was drawn and scored."""
    @property
    def choice(self) -> str | None:
        """What a strategy chose."""
    @property
    def reason(self) -> str | None:
        """Why it did."""
    @property
    def confidence(self) -> float | None:
        """The calibrated chance that the answer is right, in [0, 1]; None where nothing was fitted."""
    def to_dict(self) -> dict[str, Any]:
        """What ``outthink solve --json`` prints."""
    def _repr_html_(self) -> str: ...

@final
class LoadedPolicy:
    """A policy that was loaded by name."""

    @property
    def name(self) -> str:
        """As it was named."""
    @property
    def profile(self) -> str:
        """The profile that it is read by."""
    @property
    def parameters(self) -> int | None:
        """Its size, where it is known."""

@final
class LoadedVerifier:
    """A verifier that was loaded by name."""

    @property
    def name(self) -> str:
        """As it was named."""
    @property
    def profile(self) -> str | None:
        """The profile that it is read by."""
    @property
    def parameters(self) -> int | None:
        """Its size, where it is known."""

@final
class PolicyReader:
    """How a policy that runs in Python is asked, and how its draws are cut into steps: as the embedded engine does with the checkpoint."""

    def __new__(
        cls, files: dict[str, Any], ends: list[int], context: int | None, system: str | None, thinking: str | None
    ) -> Self: ...
    @property
    def profile(self) -> str:
        """The name of the profile that it is asked by."""
    @property
    def separator(self) -> str:
        """Text between two steps."""
    @property
    def ends(self) -> list[int]:
        """Tokens that end an answer."""
    @property
    def size(self) -> int:
        """How many tokens there are; what a model has beyond them is padding."""
    def draws(self, request: Request) -> tuple[list[int], list[Draw]]:
        """The token ids that a request goes on from, and a draw for each of its seeds."""

@final
class Draw:
    """One draw, token by token."""

    @property
    def is_over(self) -> bool:
        """Is nothing left to draw?"""
    @property
    def left(self) -> int:
        """How many tokens it may still have."""
    def random(self) -> float:
        """The number in [0, 1) that the next token is to be drawn at."""
    def push(self, token: int, logprob: float | None = None, entropy: float | None = None) -> None:
        """Takes the next token; log-probability and entropy in nats, where they are known."""
    def continuation(self) -> Continuation:
        """What was drawn."""

@final
class VerifierReader:
    """How solutions are laid out for a verifier that runs in Python, and what its numbers mean."""

    def __new__(cls, files: dict[str, Any]) -> Self: ...
    @property
    def profile(self) -> str:
        """The name of the profile that it is read by."""
    @property
    def reads(self) -> tuple[str, list[int]]:
        """What is read at a token, and of which labels or tokens."""
    def render(self, prefix: Prefix) -> tuple[list[int], list[tuple[int, int]]]:
        """The token ids of a prefix, and for each step from which place to which (exclusive) it is read."""
    def rewards(self, values: list[list[float]]) -> list[float]:
        """A reward in [0, 1] a step, from the numbers that were read of each step's tokens."""

@final
class Cancel:
    def __new__(cls) -> Self: ...
    def cancel(self) -> None: ...

class Study:
    def __new__(cls, recipe_of: str | os.PathLike[str] | dict[str, Any], changes: dict[str, Any]) -> Self: ...
    @classmethod
    def _stored_in(cls, store: str, name: str | None) -> Study: ...
    @property
    def name(self) -> str | None:
        """Its name in the store."""
    @property
    def store(self) -> str:
        """Where its store is."""
    def _start(
        self,
        progress: Callable[[dict[str, Any]], object] | None,
        flops: float | None,
        seconds: float | None,
        money: float | None,
        replace: bool,
    ) -> dict[str, Any]: ...
    def _rows(self) -> list[dict[str, Any]]: ...
    def _sample_rows(self) -> list[dict[str, Any]]: ...
    def report(self) -> str:
        """The report as one HTML page."""
    def count(self) -> dict[str, int]:
        """How many units are ``done``, ``failed`` and ``open``."""

class Strategy:
    def __new__(cls, name: str, policy: object | None = None, verifier: object | None = None) -> Self: ...
    @property
    def name(self) -> str:
        """As it was named."""
    def _search(
        self,
        problem: str,
        budget: float | None,
        seed: int,
        domain: object | None,
        gold: str | None,
        cancel: Cancel | None,
        event_loop: AbstractEventLoop | None,
    ) -> Outcome: ...

class Pool:
    def __new__(cls, files: list[str], text: str | None, options: Mapping[str, Any]) -> Self: ...
    @property
    def policies(self) -> list[str]:
        """The names of its policies."""
    @property
    def verifiers(self) -> list[str]:
        """The names of its verifiers."""
    @property
    def problems(self) -> list[dict[str, Any]]:
        """Its problems with their gold answers."""
    @property
    def warnings(self) -> list[str]:
        """What should be known before anything is concluded from it."""
    @property
    def left_out(self) -> list[str]:
        """What was left out, and why."""
    def __len__(self) -> int: ...
    def _measure(self, rule: str, n: int, policy: str | None, verifier: str | None) -> dict[str, Any]: ...
    def _rows(self) -> list[dict[str, Any]]: ...
    def _result_rows(self) -> list[dict[str, Any]]: ...

def solve(
    problem: str,
    policy: object | None,
    verifier: object | None,
    domain: object | None,
    options: dict[str, Any],
    progress: Callable[[int, int, float], object] | None,
    cancel: Cancel | None,
    event_loop: AbstractEventLoop | None,
) -> Outcome: ...
def load_policy(model: str, **options: Any) -> LoadedPolicy:
    """Loads a policy by name; see ``outthink.load_policy``."""

def load_verifier(model: str, **options: Any) -> LoadedVerifier:
    """Loads a verifier by name; see ``outthink.load_verifier``."""

def equal(gold: str, prediction: str, rules: str) -> tuple[bool, str, str]: ...
def extract(text: str, rules: str) -> str | None: ...
def problems(dataset: str, count: int | None = None) -> list[dict[str, Any]]: ...
def names(of: str) -> list[str]: ...
def register_domain(name: str, domain: object) -> None: ...
def register_method(
    name: str, factory: Callable[..., Any], rewards: bool, stepwise: bool, width: bool, parameters: dict[str, Any]
) -> None: ...
def register_score(name: str, score: Callable[[Signals], float | None], signal: str) -> None: ...
def register_vote(name: str, vote: Callable[[list[tuple[int, float, int]], int], Sequence[float]]) -> None: ...
def main(arguments: list[str]) -> int: ...
