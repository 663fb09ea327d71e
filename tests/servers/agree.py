"""Do servers and the embedded engine agree? agree.py OUTTHINK STORE

Greedy solutions token for token, rewards of the same solutions to three digits, and the accuracy of each method within the embedded
engine's 95 % interval on the same problems.
"""

import collections
import json
import subprocess
import sys

outthink, store = sys.argv[1:]
wrong = []


def lines(*arguments):
    run = subprocess.run([outthink, *arguments, "--store", store], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


greedy = collections.defaultdict(dict)
furthest, pairs = 0.0, 0
for sample in lines("export", "--name", "servers"):
    if sample["method"] == "cot":
        greedy[sample["policy"]][sample["problem_id"]] = sample["token_ids"]
    elif len(rewards := sample.get("rewards", {})) == 2:
        # one pool, judged by both
        for ours, theirs in zip(rewards["embedded-prm"], rewards["vllm-prm"], strict=True):
            furthest, pairs = max(furthest, abs(ours - theirs)), pairs + 1

ours = greedy.pop("embedded")
for policy, solutions in greedy.items():
    same = sum(solutions[problem] == tokens for problem, tokens in ours.items())
    print(f"{policy}: {same} of {len(ours)} greedy solutions are the embedded engine's, token for token")
    if same != len(ours):
        wrong.append(f"{policy}'s greedy solutions")
print(f"rewards of {pairs} steps differ by at most {furthest:.2g}")
if not 0 < pairs or furthest > 1e-3:
    wrong.append("rewards")

cells = {}
for line in lines("report", "servers", "--json"):
    if line["rule"] == "last-max":
        cells.setdefault(line["method"], {})[line["policy"], line["verifier"]] = line
for method in ("best-of-n", "beam", "dvts"):
    reference = cells[method].pop(("embedded", "embedded-prm"))
    low, high = reference["ci"]
    print(f"{method}, N = {reference['n']}: {100 * reference['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) embedded")
    for (policy, verifier), line in cells[method].items():
        within = low <= line["accuracy"] <= high
        print(f"    {100 * line['accuracy']:.1f} % {policy} with {verifier}" + ("" if within else "  <- outside"))
        if not within:
            wrong.append(f"{method} by {policy} with {verifier}")
    if len(cells[method]) != 5:
        wrong.append(f"{method}: a pair of models is missing")

if wrong:
    sys.exit("disagreement: " + ", ".join(wrong))
