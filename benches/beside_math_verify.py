"""The grader beside Math-Verify on the same pairs and machine: accuracy, and the time of a verdict.

    beside_math_verify.py OUTTHINK PAIRS.jsonl      (needs: pip install math-verify==0.9.0 'antlr4-python3-runtime==4.13.2')

Each pair is timed by itself: extraction, reading and comparison, in one warm process. Math-Verify gets answers in dollar
signs, as it asks for, and responses as they are. outthink's own times come from `cargo bench -p outthink-answer`; here its
whole run, start and output included, is divided by the number of pairs.
"""
import json
import logging
import statistics
import subprocess
import sys
import time

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def side(row, field, kind):
    return parse(row[field] if row.get(kind) == "text" else f"${row[field]}$")


def main():
    binary, path = sys.argv[1:]
    rows = [json.loads(line) for line in open(path)]
    side(rows[0], "gold", "gold_kind")
    times, right, false_positives = [], 0, 0
    for row in rows:
        start = time.perf_counter()
        equal = verify(side(row, "gold", "gold_kind"), side(row, "prediction", "pred_kind"))
        times.append(time.perf_counter() - start)
        right += equal == row["expected"]
        false_positives += equal and not row["expected"]
    times.sort()
    at = lambda q: times[int(q * (len(times) - 1))] * 1e3
    print(f"Math-Verify  {100 * right / len(rows):.2f} % right, {false_positives} false positives, mean "
          f"{statistics.mean(times) * 1e3:.2f} ms, p50 {at(0.5):.2f} ms, p99 {at(0.99):.1f} ms, max {at(1):.0f} ms")
    runs = []
    for _ in range(7):
        start = time.perf_counter()
        done = subprocess.run([binary, "grade", "--jsonl", path], capture_output=True, text=True)
        runs.append(time.perf_counter() - start)
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    whole = statistics.median(runs) / len(rows)
    print(f"outthink     {100 * summary['accuracy']:.2f} % right, {summary['false_positives']} false positives, "
          f"{whole * 1e6:.1f} us a pair in the whole process: {statistics.mean(times) / whole:.0f} times as fast")


if __name__ == "__main__":
    main()
