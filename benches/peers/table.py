"""The tables of benches/peers/run: medians of what each round measured."""

import json
import pathlib
import statistics
import sys

results = pathlib.Path(sys.argv[1])


def median(name, *path):
    values = []
    for line in (results / name).read_text().splitlines():
        value = json.loads(line)
        for key in path:
            value = value[key]
        values.append(value)
    return statistics.median(values)


for path in sorted(results.iterdir()):
    for line in path.read_text().splitlines():
        if errors := json.loads(line).get("errors"):
            print(f"{path.name}: errors {errors}")

for stream in "01":
    print(f"\n{'streams' if stream == '1' else 'whole answers'}, passed on")
    print("| to | p50, 1 client, ms | added, ms | requests/s, 16 clients | outthink's | CPU a request, µs |")
    print("|---|---|---|---|---|---|")
    direct = median(f"direct-1-{stream}", "whole_ms", "p50")
    ours = median(f"outthink-16-{stream}", "per_second")
    for name in ["direct", "outthink", "its_hub", "optillm"]:
        one = median(f"{name}-1-{stream}", "whole_ms", "p50")
        many = median(f"{name}-16-{stream}", "per_second")
        cpu = median(f"{name}-16-{stream}", "watched", "cpu_us_per_request")
        print(f"| {name} | {one:.3f} | {one - direct:.3f} | {many:,.0f} | {ours / many:.1f} × | {cpu:,.0f} |")

print("\nvotes of whole answers, drawn from a server that takes 5 ms")
print("| client | CPU a request, µs | outthink's share | requests/s a core | requests/s |")
print("|---|---|---|---|---|")
rows = {
    "hyper alone, 256 at once": ("vote-hyper", 1),
    "outthink": ("vote-outthink", 1),
    "outthink, 256 at once": ("vote-outthink-256", 1),
    "its_hub, 256 at once": ("vote-its_hub", 1),
    "optillm (proxy)": ("vote-optillm", 5),
}
ours = median("vote-outthink", "cpu_us_per_request")
for name, (file, each) in rows.items():
    if each == 1:
        cpu, rate = median(file, "cpu_us_per_request"), median(file, "requests_per_second")
    else:
        cpu, rate = median(file, "watched", "cpu_us_per_request") / each, median(file, "per_second") * each
    print(f"| {name} | {cpu:,.1f} | 1/{cpu / ours:.1f} | {1e6 / cpu:,.0f} | {rate:,.0f} |")
