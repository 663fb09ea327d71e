"""TRL's reward functions: outthink's grader as one, and any of them as a verifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._answers import extract, grade
from ._errors import RunError
from ._native import Prefix

#: Columns of a training set with the right answer, the likeliest first.
GOLD = ("gold", "answer", "solution", "ground_truth", "final_answer", "target")


def _text(completion: Any) -> str:
    """A completion as text: of a conversation what the model says last."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"] or "") if completion else ""


def grade_reward(prompts: Any = None, completions: Any = None, **columns: Any) -> list[float | None]:
    r"""A reward function for TRL's trainers (``reward_funcs=outthink.grade_reward``): 1 where a completion's final answer is right, else 0.

    The right answers are those of the training set's first column of the names ``gold``, ``answer``, ``solution``, ``ground_truth``,
    ``final_answer`` and ``target``, as answers or as solutions that end with one. Where there is none, the reward is None, which TRL
    passes over.

    >>> grade_reward(["2 + 3?"] * 2, [r"\boxed{5}", r"\boxed{6}"], solution=["5", r"2 + 3 = \boxed{5}"])
    [1.0, 0.0]
    """
    golds = next((columns[name] for name in GOLD if columns.get(name) is not None), None)
    if golds is None:
        raise ValueError(f"the training set has no column with the right answers (one of {', '.join(GOLD)})")
    rewards: list[float | None] = []
    for completion, gold in zip(completions, golds):
        if gold is None or not str(gold).strip():
            rewards.append(None)
            continue
        right = str(gold)
        # GSM8K's solutions end so.
        right = extract(right) or right.rpartition("####")[2].strip() if "\\boxed" in right or "####" in right else right
        answer = extract(_text(completion))
        rewards.append(float(answer is not None and bool(grade(right, answer))))
    return rewards


class RewardVerifier:
    """A reward function as a verifier; :func:`reward_verifier` makes it."""

    def __init__(self, function: Callable[..., Any], *, steps: bool, chat: bool, low: float, high: float, columns: dict[str, Any]) -> None:
        self.function, self.steps, self.chat, self.low, self.high, self.columns = function, steps, chat, low, high, columns

    def score(self, prefixes: list[Prefix]) -> list[list[float]]:
        """For each prefix a reward in [0, 1] a step."""
        asked = [(prefix, end) for prefix in prefixes for end in self._ends(prefix)]
        prompts = [self._said("user", prefix.problem) for prefix, _ in asked]
        completions = [self._said("assistant", "\n\n".join(prefix.steps[:end])) for prefix, end in asked]
        columns = {name: [value] * len(asked) for name, value in self.columns.items()}
        returned = list(self.function(prompts=prompts, completions=completions, **columns)) if asked else []
        if len(returned) != len(asked):
            raise RunError(f"the reward function returned {len(returned)} rewards for {len(asked)} completions")
        rewards = iter([self._share(reward) for reward in returned])
        scored = []
        for prefix in prefixes:
            own = [next(rewards) for _ in self._ends(prefix)]
            scored.append(own if self.steps else own * len(prefix.steps))
        return scored

    def _said(self, role: str, text: str) -> Any:
        return [{"role": role, "content": text}] if self.chat else text

    def _ends(self, prefix: Prefix) -> list[int]:
        """How many of its steps the function is asked about."""
        return list(range(1, len(prefix.steps) + 1)) if self.steps else [len(prefix.steps)]

    def _share(self, reward: Any) -> float:
        share = (float("nan") if reward is None else float(reward)) - self.low
        share /= self.high - self.low
        if not 0 <= share <= 1:
            raise RunError(f"the reward function returned {reward}, which is not from {self.low:g} to {self.high:g}: say what it is between with low= and high=")
        return share


def reward_verifier(
    function: Callable[..., Any], *, steps: bool = False, chat: bool = False, low: float = 0.0, high: float = 1.0, **columns: Any
) -> RewardVerifier:
    r"""A reward function in TRL's signature as a verifier: ``function(prompts, completions, **columns) -> list[float]``.

    Args:
        function: It is asked with keywords, as TRL asks it, once a round.
        steps: Is it asked about every beginning of a solution, a step longer each? Else about the whole, and every step gets that reward:
            for methods that draw whole solutions.
        chat: Are prompts and completions lists of messages, as of a conversational training set? Else texts.
        low, high: What its rewards are between; they are mapped to [0, 1].
        columns: What else it is given, the same for every completion.

    >>> brief = lambda prompts, completions, **columns: [1 / (1 + len(text)) for text in completions]
    >>> from outthink import solve
    >>> solve("Evaluate $(17+19)\\cdot 4-16$.", policy="micro-0.3m", verifier=reward_verifier(brief), method="best-of-n", budget=4).answer
    '128'
    """
    if not low < high:
        raise ValueError("low must be below high")
    return RewardVerifier(function, steps=steps, chat=chat, low=low, high=high, columns=columns)
