"""Does a harness that drove `outthink serve` find what `outthink study` found? same.py NAME STUDY.jsonl N LOG.jsonl ACCURACY GRADER

STUDY.jsonl: `outthink export --format results` of the study, whose problems are called by their texts, with its largest budget N.
LOG.jsonl: `outthink export` of the harness's imported log, so that one grader judges both. ACCURACY: what the harness says by its own
scorer; where GRADER is `equal`, it is the study's too.
"""

import json
import sys

name, study, budget, log, accuracy, grader = sys.argv[1:]


def rows(file):
    with open(file) as lines:
        return [json.loads(line) for line in lines]


def found(row):
    return row["answer"], row["correct"]


own = {row["problem_id"]: found(row) for row in rows(study) if row["n"] == int(budget)}
theirs = {row["problem"]: found(row) for row in rows(log)}
if set(own) != set(theirs):
    sys.exit(f"{name}: the study and the log are not of the same problems")


def share(answers):
    return sum(correct for _, correct in answers.values()) / len(answers)


print(
    f"{name}: {float(accuracy):.4f} right by its scorer, {share(theirs):.4f} by outthink's; "
    f"the study: {share(own):.4f} ({len(own)} problems)"
)
other = [problem for problem in own if own[problem] != theirs[problem]]
if other:
    first = other[0]
    sys.exit(f"{name}: {len(other)} answers are not the study's, for example {theirs[first]}, not {own[first]}: {first}")
if grader == "equal" and abs(share(own) - float(accuracy)) > 1e-9:
    sys.exit(f"{name}: its accuracy is not the study's")
