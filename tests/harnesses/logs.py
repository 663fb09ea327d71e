"""The logs that `outthink export` wrote, by the harness's own reader: logs.py inspect|lm-eval FOLDER"""

import json
import sys
from pathlib import Path

harness, folder = sys.argv[1:]
if harness == "inspect":
    from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries

    (place,) = list_eval_logs(folder)
    log = read_eval_log(place)
    values = [sample.scores["outthink"].value == "C" for sample in log.samples]
    assert len(read_eval_log_sample_summaries(place)) == len(values)
    accuracy = log.results.scores[0].metrics["accuracy"].value
    told = f"{log.status}, {len(values)} samples of {log.eval.dataset.samples} problems by {log.eval.model}"
    mean = sum(values) / len(values)
else:
    from lm_eval.utils import get_file_datetime, get_file_task_name, get_sample_results_filenames

    (model,) = Path(folder).iterdir()
    (name,) = get_sample_results_filenames([str(file) for file in model.iterdir()])
    (results,) = model.glob(f"results_{get_file_datetime(Path(name).name)}.json")
    rows = [json.loads(line) for line in Path(name).read_text().splitlines()]
    results = json.loads(results.read_text())
    accuracy = results["results"][get_file_task_name(Path(name).name)]["exact_match,outthink"]
    told = f"{sum(len(row['resps'][0]) for row in rows)} samples of {len(rows)} problems by {results['model_name']}"
    mean = sum(row["exact_match"] for row in rows) / len(rows)
assert abs(mean - accuracy) < 1e-9, (mean, accuracy)
print(f"{harness} reads: {told}, accuracy {accuracy:.4f}")
