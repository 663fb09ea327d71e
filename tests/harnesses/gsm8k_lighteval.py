from lighteval.metrics.metrics import Metrics
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc


def asked(row, task_name=None):
    return Doc(task_name=task_name, query=row["question"], choices=[row["answer"].split("####")[-1].strip()], gold_index=0)


TASKS_TABLE = [
    LightevalTaskConfig(
        name="gsm8k_boxed",
        prompt_function=asked,
        hf_repo="problems",
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        few_shots_split=None,
        few_shots_select=None,
        generation_size=2048,
        metrics=[Metrics.expr_gold_metric],
        stop_sequence=[],
    )
]
