"""One problem, searched and answered."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import _native
from ._loop import in_thread

Progress = Callable[[int, int, float], object]


def _printed(samples: int, tokens: int, seconds: float) -> None:
    """A line that is written over, on standard error."""
    told = f", {tokens} tokens" if tokens else ""
    print(f"\r{samples} samples{told} in {seconds:.1f} s", end="", file=sys.stderr, flush=True)


def _search(problem: str, policy: Any, verifier: Any, domain: Any, progress: Any, options: dict[str, Any]) -> Callable[[Any, Any], _native.Outcome]:
    """The search, to be given what may cancel it and the event loop of coroutines."""
    listener = _printed if progress is True else progress or None

    def run(cancel: Any, loop: Any) -> _native.Outcome:
        try:
            return _native.solve(problem, policy, verifier, domain, options, listener, cancel, loop)
        finally:
            if listener is _printed:
                print(file=sys.stderr)

    return run


def solve(
    problem: str,
    *,
    policy: Any = None,
    verifier: Any = None,
    method: str | None = None,
    budget: int | None = None,
    width: int | None = None,
    finished: str | None = None,
    selection: str | None = None,
    domain: Any = None,
    temperature: float | None = None,
    top_p: float | None = None,
    thinking: str | None = None,
    max_tokens: int | None = None,
    max_steps: int | None = None,
    min_samples: int | None = None,
    round_seconds: float | None = None,
    seed: int = 0,
    gold: str | None = None,
    id: str | None = None,
    progress: Progress | bool | None = None,
) -> _native.Outcome:
    r"""Searches for the answer of one problem: ``outthink solve``, with the same defaults and the same result for the same seed.

    Args:
        problem: What is asked.
        policy: A model's name (an embedded one, a folder, a .gguf file, a hub id, a server's address), what :func:`load_policy` returned,
            or an object with ``extend(requests)``. Usually micro-0.3m.
        verifier: A model's name, ``"none"``, what :func:`load_verifier` returned, or an object with ``score(prefixes)``. Usually the one of
            the policy's family, and none for any other policy. ``"generative:self"`` asks the policy itself.
        method: ``"beam"``, ``"dvts"``, ``"best-of-n"``, ``"majority"`` …, with parameters after a colon (``"rebase:temperature=0.2"``).
            Usually beam search; best-of-N where the policy only writes whole answers; majority without a verifier.
        budget: N: at most so many samples, or as many tokens in partial ones. Usually 16.
        width: The beam width M, samples of every kept step; it divides N. Usually 4.
        finished: What beam search does with finished beams: ``"official"``, ``"refill"`` or ``"compete"``.
        selection: ``"majority"``, or a score with a vote, as ``"last-vote"`` or ``"last-mob:m=4"``.
        domain: How answers are found and compared: a name (``"maths"``), or an object with ``extract(problem, solution)``.
        temperature, top_p: How tokens are drawn, from 0 to 100 and above 0 to 1. Usually as the policy's profile says.
        thinking: How long a reasoning model that is named thinks before it answers: ``"on"``, ``"skip"``, ``"cap:tokens=512"``,
            ``"dynasor:tokens=64:equal=3"`` or ``"deer:confidence=0.95"``. Usually as its profile says.
        max_tokens, max_steps: Where a solution ends at the latest. Usually as the profile says; 40 steps.
        min_samples, round_seconds: A round needs only so many of its samples (1 where only the seconds are given): those that fail, or
            have not come after so many seconds, are given up. Which these are depends on time. Each sample is then asked for by itself, which
            suits servers. Usually all are waited for.
        seed: The same seed gives the same search.
        gold: The right answer, so that ``outcome.correct`` tells whether it was found.
        id: The problem's name, which seeds depend on. Usually its text.
        progress: Is called a few times a second with samples, tokens and seconds so far; ``True`` prints them.

    Raises:
        InputError: What was asked for cannot be, such as a budget that a beam width does not divide.
        ModelError: There is no such model.
        RunError: A model failed, or answered something else than it was asked.
        KeyboardInterrupt: Ctrl-C.
        Whatever your own policy, verifier or domain raises.

    >>> outcome = solve(r"Evaluate $(17+19)\cdot 4-16$.", policy="micro-90k", verifier="micro-prm", method="dvts", budget=64)
    >>> outcome.answer
    '128'
    """
    return _search(problem, policy, verifier, domain, progress, _options(locals()))(None, None)


async def solve_async(problem: str, **options: Any) -> _native.Outcome:
    r""":func:`solve`, to be awaited: many searches at once, each on a thread of its own.

    Coroutines of your policy and verifier run in the event loop that awaits this; other callbacks run on the search's thread.
    Cancelling the task ends the search.

    >>> import asyncio
    >>> async def both():
    ...     problems = [r"Evaluate $(17+19)\cdot 4-16$.", r"Evaluate $3\cdot 5-2$."]
    ...     return await asyncio.gather(*(solve_async(own, budget=16) for own in problems))
    >>> [outcome.answer for outcome in asyncio.run(both())]
    ['128', '13']
    """
    given = {**_USUAL, **options}
    if unknown := options.keys() - _USUAL.keys():
        raise TypeError(f"solve_async() has no option {', '.join(sorted(unknown))}")
    search = _search(problem, given["policy"], given["verifier"], given["domain"], given["progress"], _options(given))
    return await in_thread(search, _native.Cancel())


_NAMES = (
    "id", "method", "budget", "width", "finished", "selection", "temperature", "top_p", "thinking", "max_tokens", "max_steps",
    "min_samples", "round_seconds", "seed", "gold",
)  # fmt: skip
_USUAL: dict[str, Any] = {**(solve.__kwdefaults__ or {})}


def _options(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in _NAMES}
