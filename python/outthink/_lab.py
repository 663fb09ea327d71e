"""Studies, strategies and pools."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import _native
from ._loop import in_thread
from ._rows import Rows, dumps, rows_of


def problems(dataset: str, count: int | None = None) -> Rows:
    """The problems of a set that is known by name (``"math-500"``), of a file, or of an embedded family (``"micro"``, ``"grid:3"``).

    A row has ``id``, ``text``, ``gold``, and ``level`` and ``subject`` where the set has them.

    >>> [row["gold"] for row in problems("micro", 2)]  # doctest: +ELLIPSIS
    ['...', '...']
    """
    return Rows(_native.problems(dataset, count))


class Study(_native.Study):
    """Problems × policies × verifiers × methods × budgets, each computed once and kept: ``outthink study``.

    Args:
        recipe: A recipe's file (docs/studies.md), or its fields as a dict.
        changes: Fields of the recipe in place of the file's: ``store="mine.sqlite"``, ``problems=20``, ``seeds=3``.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> study = Study({
    ...     "name": "small", "dataset": "micro", "problems": 3, "store": f"{folder.name}/small.sqlite",
    ...     "policies": ["micro-24k"], "verifiers": ["micro-prm"], "methods": ["majority", "best-of-n"], "budgets": [4],
    ... })
    >>> study.run()["count"]
    {'done': 6, 'failed': 0, 'open': 0}
    >>> sorted(set(study.results().column("method")))
    ['best-of-n', 'majority']
    >>> folder.cleanup()
    """

    def __new__(cls, recipe: str | os.PathLike[str] | Mapping[str, Any], **changes: Any) -> Study:
        given = dict(recipe) if isinstance(recipe, Mapping) else recipe
        return super().__new__(cls, given, changes)

    @staticmethod
    def open(store: str | os.PathLike[str], name: str | None = None) -> StoredStudy:
        """A study that is in a store (a file of SQLite or the address of PostgreSQL), to be read; ``name`` where there are several."""
        return StoredStudy(_native.Study._stored_in(os.fspath(store), name))

    def run(
        self,
        *,
        progress: Callable[[dict[str, Any]], object] | bool | None = None,
        max_flops: float | None = None,
        max_seconds: float | None = None,
        max_cost: float | None = None,
        replace: bool = False,
    ) -> dict[str, Any]:
        """Computes what is left to do; interrupted at any time, it goes on another time.

        Args:
            progress: Is called a few times a second with a dict as it is returned; ``True`` prints it.
            max_flops, max_seconds, max_cost: Where the run stops, to be gone on with.
            replace: Takes the place of another study of that name.

        Returns:
            ``name``; ``count`` of units ``done``, ``failed`` and ``open``; of this run ``done``, ``seconds``, ``tokens``, ``flops`` (None where a
            model's size is unknown), ``money``, the last ``failure``; ``capped``, the cap that was reached.
        """
        listener = _printed if progress is True else progress or None
        told = self._start(listener, max_flops, max_seconds, max_cost, replace)
        if listener is _printed:
            print(file=sys.stderr)
        return told

    def results(self) -> Rows:
        """A row per problem, seed, method, budget and rule, as ``outthink export --results`` has them (docs/studies.md)."""
        return Rows(self._rows())

    def samples(self) -> Rows:
        """A row per sample with its steps, rewards and answer, as ``outthink export`` has them."""
        return Rows(self._sample_rows())


class StoredStudy:
    """A study in a store, to be read; :meth:`Study.open` returns it."""

    def __init__(self, own: _native.Study) -> None:
        self._own = own

    def results(self) -> Rows:
        """As :meth:`Study.results`."""
        return Rows(self._own._rows())

    def samples(self) -> Rows:
        """As :meth:`Study.samples`."""
        return Rows(self._own._sample_rows())

    def report(self) -> str:
        """The report as one HTML page."""
        return self._own.report()

    def count(self) -> dict[str, int]:
        """How many units are ``done``, ``failed`` and ``open``."""
        return self._own.count()


def _printed(status: dict[str, Any]) -> None:
    count = status["count"]
    print(f"\r{count['done']} of {sum(count.values())} units in {status['seconds']:.0f} s", end="", file=sys.stderr, flush=True)


class Strategy(_native.Strategy):
    """Chooses method, budget and verifier for each problem: a file that ``outthink tune`` wrote, or ``"paper"`` or ``"search-and-learn"``.

    A file brings the models that it was fitted with; ``policy`` and ``verifier`` say where they are otherwise. A built-in one takes any, also
    objects: what :func:`load_policy` and :func:`load_verifier` returned, or your own (``"paper"`` needs to know the policy's ``parameters``).
    """

    def __new__(cls, name: str | os.PathLike[str], *, policy: Any = None, verifier: Any = None) -> Strategy:
        return super().__new__(cls, os.fspath(name), policy, verifier)

    @classmethod
    def load(cls, name: str | os.PathLike[str], *, policy: Any = None, verifier: Any = None) -> Strategy:
        """The strategy of a file, or a built-in one by name."""
        return cls(name, policy=policy, verifier=verifier)

    def solve(
        self, problem: str, *, budget: float | None = None, seed: int = 0, domain: Any = None, gold: str | None = None
    ) -> _native.Outcome:
        """Answers a problem. ``budget`` is in the strategy's unit and kept to on average; usually what 16 samples cost.

        The outcome's ``choice``, ``reason``, ``confidence`` (the calibrated chance that the answer is right, in [0, 1]) and ``samples`` say
        what was chosen, why, how sure it is and what was spent.
        """
        return self._search(problem, budget, seed, domain, gold, None, None)

    async def solve_async(
        self, problem: str, *, budget: float | None = None, seed: int = 0, domain: Any = None, gold: str | None = None
    ) -> _native.Outcome:
        """:meth:`solve`, to be awaited."""
        search = lambda cancel, loop: self._search(problem, budget, seed, domain, gold, cancel, loop)
        return await in_thread(search, _native.Cancel())


class Accuracy(float):
    """A share of right answers in [0, 1] with its 95 % interval ``low`` to ``high`` and the number of ``problems`` that it rests on."""

    low: float
    high: float
    problems: int

    def __new__(cls, accuracy: float, low: float, high: float, problems: int) -> Accuracy:
        own = super().__new__(cls, accuracy)
        own.low, own.high, own.problems = low, high, problems
        return own

    def __reduce__(self) -> Any:
        return Accuracy, (float(self), self.low, self.high, self.problems)

    def __repr__(self) -> str:
        return f"{100 * self:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


class Pool(_native.Pool):
    """Samples that are there, graded anew, of which every rule is read at every budget (docs/pools.md).

    >>> rows = [
    ...     {"problem_id": f"p{p}", "problem": f"What is {p} + 4?", "gold": str(p + 4), "policy": "mine", "verifier": "prm",
    ...      "samples": [{"text": rf"It is \\boxed{{{p + 4 if s % 2 else p}}}", "rewards": [0.9 if s % 2 else 0.2]} for s in range(4)]}
    ...     for p in range(6)
    ... ]
    >>> pool = Pool.from_rows(rows)
    >>> len(pool), pool.accuracy("last-max", n=4).problems, round(pool.accuracy("pass", n=2), 3)
    (24, 6, 0.833)
    """

    def __new__(
        cls,
        files: Iterable[str | os.PathLike[str]] = (),
        *,
        text: str | None = None,
        name: str = "pool",
        policy: str | None = None,
        verifier: str | None = None,
        domain: str | None = None,
        verdicts: str = "ours",
    ) -> Pool:
        options = {"name": name, "policy": policy, "verifier": verifier, "domain": domain, "verdicts": verdicts}
        return super().__new__(cls, [os.fspath(file) for file in files], text, options)

    @classmethod
    def load(cls, *files: str | os.PathLike[str], **options: Any) -> Pool:
        """The samples of files, folders or archives, in any format that ``outthink import`` knows.

        Args:
            files: Where they are.
            name: What the pool is called.
            policy, verifier: Names of models that the files do not tell.
            domain: How answers are found and graded. Usually mathematics.
            verdicts: ``"ours"``, or ``"file"`` to believe the file's.
        """
        return cls(files, **options)

    @classmethod
    def from_rows(cls, rows: Any, *, columns: Mapping[str, str] | None = None, **options: Any) -> Pool:
        """The samples of rows in any form that :meth:`load` reads from a file, known by its columns:

        - a row per sample: ``problem``, ``gold``, ``steps`` (a list) or ``text``, ``rewards`` (a float a step, or such lists by verifier);
        - a row per problem: ``problem``, ``gold``, ``samples``; or as search-and-learn writes them ``problem``, ``answer``, ``completions``
          (texts) and ``scores`` (a list of floats a completion);
        - any others with a problem, an answer and what a model wrote, under the names that these usually have.

        Args:
            rows: Dicts, or what has rows of them: a ``datasets.Dataset``, a ``pyarrow.Table``, a ``pandas.DataFrame``.
            columns: What columns are called that nothing here guesses, as ``{"problem": "frage"}``: our name, their name.
            options: As for :meth:`load`.
        """
        theirs = {own: name for name, own in (columns or {}).items()}
        known = ({theirs.get(name, name): own for name, own in row.items()} for row in rows_of(rows))
        return cls(text="\n".join(dumps(_with_steps(row), lenient=True) for row in known), **options)

    @classmethod
    def from_pandas(cls, frame: Any, **options: Any) -> Pool:
        """:meth:`from_rows` of a ``pandas.DataFrame``; needs pandas."""
        return cls.from_rows(frame, **options)

    @classmethod
    def from_arrow(cls, table: Any, **options: Any) -> Pool:
        """:meth:`from_rows` of a ``pyarrow.Table``, or any table that Arrow can take over (polars, DuckDB); needs pyarrow."""
        return cls.from_rows(table, **options)

    def accuracy(self, rule: str = "majority", n: int = 16, *, policy: str | None = None, verifier: str | None = None) -> Accuracy:
        """The share of problems that a rule answers right with ``n`` samples taken at random, with its 95 % interval.

        Args:
            rule: A selection (``"majority"``, ``"last-vote"`` …), or ``"pass"``: is any of the samples right?
            n: How many samples; no more than each problem has.
            policy, verifier: Whose samples and rewards, where the pool has several.
        """
        return Accuracy(**self._measure(rule, n, policy, verifier))

    def to_rows(self) -> Rows:
        """A row per sample: its steps, rewards by verifier, answer and whether that is right."""
        return Rows(self._rows())

    def to_pandas(self) -> Any:
        """The same as a ``pandas.DataFrame``; needs pandas."""
        return self.to_rows().to_pandas()

    def to_arrow(self) -> Any:
        """The same as a ``pyarrow.Table``; needs pyarrow."""
        return self.to_rows().to_arrow()

    def results(self) -> Rows:
        """A row per problem, rule and budget, as :meth:`Study.results` has them."""
        return Rows(self._result_rows())


def _with_steps(row: Mapping[str, Any]) -> dict[str, Any]:
    """A sample's text is its steps, as blank lines part them, and one list of rewards is its only verifier's."""
    own = dict(row)
    if "samples" in own or not ("steps" in own or isinstance(own.get("text"), str)):
        return own
    rewards = own.get("rewards")
    if hasattr(rewards, "__iter__") and not isinstance(rewards, Mapping):
        own["rewards"] = {own.get("verifier") or "": rewards}
    if "steps" not in own:
        own["steps"] = [step.strip() for step in own.pop("text").split("\n\n") if step.strip()]
    return own
