"""Answers found in text and compared by value, without a model."""

from __future__ import annotations

from typing import NamedTuple

from . import _native


class Verdict(NamedTuple):
    """Whether a prediction is the right answer, by which rule, and why. It is as true as its ``equal``."""

    equal: bool
    rule: str
    reason: str

    def __bool__(self) -> bool:
        return self.equal


def grade(gold: str, prediction: str, *, rules: str = "outthink") -> Verdict:
    r"""Is ``prediction`` the answer ``gold``?

    Both are answers as they stand inside of ``\boxed{}``: LaTeX or plain text, compared by value. ``rules`` are ``outthink``, or those
    that published numbers were made with: ``qwen2.5-math``, ``prm800k``, ``gsm8k-strict`` and ``gsm8k-flexible``.

    >>> grade(r"\frac12", "0.5").equal
    True
    >>> bool(grade("(2,4)", "2 < x < 4")), bool(grade("1/3", "0.33"))
    (True, False)
    """
    return Verdict(*_native.equal(str(gold), str(prediction), rules))


def extract(text: str, *, rules: str = "outthink") -> str | None:
    r"""The final answer of a solution, or None where there is none.

    >>> extract(r"It is 3 + 4, so \boxed{7}.")
    '7'
    >>> extract("I do not know.") is None
    True
    """
    return _native.extract(text, rules)
