"""Methods, scores, votes and domains of your own, known by name wherever names are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _native


def register_method(
    name: str,
    factory: Callable[..., Any] | None = None,
    *,
    rewards: bool = True,
    stepwise: bool = True,
    width: bool = False,
    parameters: dict[str, Any] | None = None,
) -> Any:
    """Adds a method: where the next round's samples go. Also a decorator of a class.

    ``factory(plan, seed, **parameters)`` begins a search of one problem (``plan.budget``, ``plan.width``) and returns an allocator with

    - ``first()``: the first round, a list of ``(node, draws)`` or ``(node, draws, part)``; node 0 is the root,
    - ``next(tree, grown)``: the next round, given what the last one grew (``grown[i].node``, ``.children``: a node a sample); empty when the
      search is over. ``tree[node]`` has ``reward``, ``stop`` (None while it can go on), ``text``, ``parent``, ``children``,
    - ``kept()``: the complete paths that it keeps, as nodes,

    and, if it likes, ``begin(limits)`` and ``round()`` (a dict of ``greedy``, ``scored``, ``block``). What it decides at random it draws from a
    generator of ``seed``. A round has at most N samples, all rounds no more than N solutions of the most steps have.

    Args:
        name: Lower-case letters, digits and hyphens. Registered again, it takes the place of the one before.
        rewards: Does it need a verifier?
        stepwise: Does it grow solutions step by step, or draw whole ones?
        width: Does it have a beam width M, which divides N?
        parameters: Names with their usual values; others are written behind the name: ``"mine:above=0.8"``.
    """

    def register(own: Callable[..., Any]) -> Callable[..., Any]:
        _native.register_method(name, own, rewards, stepwise, width, parameters or {})
        return own

    return register if factory is None else register(factory)


def register_score(name: str, score: Callable[[_native.Signals], float | None] | None = None, *, signal: str = "rewards") -> Any:
    """Adds a score: one number of what speaks for a solution, the higher the better; None and it does not vote. Also a decorator.

    Args:
        name: One word of lower-case letters and digits; then ``"NAME-vote"``, ``"NAME-max"`` … are selections.
        score: Is called with ``rewards`` (a float in [0, 1] a step), ``logprobs`` and ``entropies`` (nats, a float a token) and ``length`` (tokens).
        signal: What it is made of: ``"rewards"``, ``"tokens"`` or ``"length"``; the others are empty.
    """

    def register(own: Callable[..., Any]) -> Callable[..., Any]:
        _native.register_score(name, own, signal)
        return own

    return register if score is None else register(score)


def register_vote(name: str, vote: Callable[[list[tuple[int, float, int]], int], list[float]] | None = None) -> Any:
    """Adds a vote: the weight of each answer; the heaviest is taken. Also a decorator.

    Args:
        name: One word of lower-case letters and digits; then ``"last-NAME"``, ``"mean-NAME"`` … are selections.
        vote: Is called with a list of ``(answer, score, count)``, one a solution in the order drawn, where equal answers have equal numbers
            from 0 on and ``count`` is how many samples it stands for; and with the number of answers. Returns a float an answer.

    >>> @register_vote("squares")
    ... def squares(solutions, answers):
    ...     weights = [0.0] * answers
    ...     for answer, score, count in solutions:
    ...         weights[answer] += score * score * count
    ...     return weights
    >>> "last-squares" in selections()
    True
    """

    def register(own: Callable[..., Any]) -> Callable[..., Any]:
        _native.register_vote(name, own)
        return own

    return register if vote is None else register(vote)


def register_domain(name: str, domain: Any = None) -> Any:
    """Adds a domain: what an answer is. Also a decorator of a class, of which it makes one.

    ``domain`` has

    - ``extract(problem, solution)``: the answer of a solution, or None,
    - ``group(problem, answers)``, if it likes: a number for each answer, equal ones for equal answers, None for one that says nothing;
      otherwise answers are the same that read the same,
    - ``grade(problem, gold, answers)``, if it likes: is each answer right? Otherwise those are that are of one group with the gold one.
    - ``identity``, if it likes: its name and version, which stand beside stored verdicts.

    ``group`` and ``grade`` may be coroutines.
    """

    def register(own: Any) -> Any:
        _native.register_domain(name, own() if isinstance(own, type) else own)
        return own

    return register if domain is None else register(domain)


def methods() -> list[str]:
    """The names of all methods."""
    return _native.names("methods")


def selections() -> list[str]:
    """The names of all selections in their usual settings."""
    return _native.names("selections")


def domains() -> list[str]:
    """The names of all domains."""
    return _native.names("domains")
