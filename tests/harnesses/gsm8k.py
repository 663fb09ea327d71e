from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import math
from inspect_ai.solver import generate


def sample(row):
    return Sample(input=row["question"], target=row["answer"].split("####")[-1].strip())


@task
def gsm8k_boxed(file="problems.jsonl"):
    return Task(dataset=json_dataset(file, sample), solver=generate(), scorer=math())
