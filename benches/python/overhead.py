"""What one call of a policy in Python costs: python benches/python/overhead.py [RUNS]

A policy that returns at once draws 1,024 steps a round, so that all time is the package's. Two readings, each the median of many: of a whole search by
majority, which calls the policy once for all its draws, over those draws; and what a round of a search step by step costs that draws a single step, which is
the price of a call itself.
"""

import statistics
import sys
import time

import outthink

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
N = 1024


class Whole:
    """Says one of four answers."""

    def extend(self, requests):
        return [[ANSWERS[seed % 4] for seed in request.seeds] for request in requests]


class Steps:
    """Goes on for as long as it is asked."""

    def extend(self, requests):
        return [[STEP] * len(request.seeds) for request in requests]


class Fair:
    def score(self, prefixes):
        return [[0.5] * len(prefix.steps) for prefix in prefixes]


ANSWERS = [outthink.Continuation(rf"\boxed{{{answer}}}") for answer in range(4)]
STEP = outthink.Continuation("on", "step")


def median(search):
    """Microseconds that a search takes."""
    search()
    taken = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        search()
        taken.append(1e6 * (time.perf_counter() - begin))
    return statistics.median(taken)


def main():
    whole = median(lambda: outthink.solve("?", policy=Whole(), method="majority", budget=N))
    one = median(lambda: outthink.solve("?", policy=Whole(), method="majority", budget=1))
    short = median(lambda: outthink.solve("?", policy=Steps(), verifier=Fair(), method="beam", budget=1, max_steps=10))
    long = median(lambda: outthink.solve("?", policy=Steps(), verifier=Fair(), method="beam", budget=1, max_steps=110))
    print(f"a search with one draw                     {one:8.1f} µs")
    print(f"a search with {N} draws in one call        {whole:8.1f} µs")
    print(f"one draw among {N}                         {(whole - one) / (N - 1):8.2f} µs")
    print(f"a round: one call of policy and verifier   {(long - short) / 100:8.1f} µs")


if __name__ == "__main__":
    main()
