"""Models that the tests search with: sums of numbers, one step a sum."""

import random
import re

import outthink


class Adder:
    """Adds the numbers of ``What is 2 + 3 + 4?`` one after the other, and errs in a fifth of the steps."""

    def __init__(self, errs=0.2):
        self.errs = errs
        self.calls = 0

    def extend(self, requests):
        self.calls += 1
        return [[self._draw(request, seed) for seed in request.seeds] for request in requests]

    def _draw(self, request, seed):
        chance = random.Random(seed)
        numbers = [int(number) for number in re.findall(r"\d+", request.problem)]
        steps, drawn = list(request.steps), []
        while True:
            done = len(steps)
            total = int(steps[-1].split("=")[1]) if steps else numbers[0]
            if done == len(numbers) - 1:
                drawn.append(rf"\boxed{{{total}}}")
                return outthink.Continuation(drawn, "answer")
            new = total + numbers[done + 1] + (chance.random() < self.errs)
            steps.append(f"{total} + {numbers[done + 1]} = {new}")
            drawn.append(steps[-1])
            if request.until == "step":
                return outthink.Continuation(drawn, "step")


class Checker:
    """Knows whether every sum up to a step is right."""

    def score(self, prefixes):
        return [self._rewards(prefix) for prefix in prefixes]

    def _rewards(self, prefix):
        rewards, right = [], True
        for step in prefix.steps:
            if "=" in step:
                sum_, total = step.split("=")
                right = right and sum(map(int, sum_.split("+"))) == int(total)
            rewards.append(0.9 if right else 0.1)
        return rewards


PROBLEM = "What is 2 + 3 + 4 + 5?"
#: One that the embedded models read; it is 128.
SUM = r"Evaluate $(17+19)\cdot 4-16$."
