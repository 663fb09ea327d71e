"""its_hub's own client: self-consistency over an OpenAI-compatible server, and what it costs.

    its_hub_client.py URL PROBLEMS N

Prints one JSON object; CPU time is this process's, user and system, from the first request to the last answer.
"""

import asyncio
import json
import resource
import sys
import time

from its_hub import LMOrchestrator, OpenAICompatibleLanguageModel, SelfConsistency
from its_hub.core.algorithms.self_consistency import create_regex_projection_function


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(url, problems, n):
    model = OpenAICompatibleLanguageModel(endpoint=url, api_key="none", model_name="mock", max_tokens=320, temperature=1.0)
    vote = SelfConsistency(create_regex_projection_function([r"\\boxed\{([^}]*)\}"]), orchestrator=LMOrchestrator(max_concurrency=256))
    questions = [f"Evaluate $({2 + i % 8}+{3 + i // 8 % 7})\\cdot ({1 + i // 56 % 9}+{3 + i // 8 % 7})-{2 + i % 8}$." for i in range(problems)]
    await vote.ainfer(model, questions[0], budget=n)
    before, start = cpu(), time.perf_counter()
    answers = await asyncio.gather(*(vote.ainfer(model, question, budget=n) for question in questions))
    seconds, spent = time.perf_counter() - start, cpu() - before
    await model.close()
    assert all("42" in answer["content"] for answer in answers)
    requests = problems * n
    print(json.dumps({"requests": requests, "requests_per_second": requests / seconds, "cpu_us_per_request": spent * 1e6 / requests}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
