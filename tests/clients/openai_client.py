"""The official Python client, unchanged, against `outthink serve`: openai_client.py URL"""
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none needed")
QUESTION = [{"role": "user", "content": "Evaluate $(17+19)\\cdot 4-16$."}]

names = [model.id for model in client.models.list()]
assert {"micro-0.3m", "auto@micro-0.3m", "beam:micro-0.3m"} <= set(names), names

plain = client.chat.completions.create(model="micro-0.3m", messages=QUESTION, seed=1)
assert plain.choices[0].finish_reason == "stop" and plain.usage.completion_tokens > 0, plain

searched = client.chat.completions.create(model="beam:micro-0.3m", messages=QUESTION, seed=1,
                                          extra_body={"outthink": {"budget": 16}})
assert "\\boxed{128}" in searched.choices[0].message.content, searched
assert searched.usage.total_tokens == searched.usage.prompt_tokens + searched.usage.completion_tokens
assert searched.model_extra["outthink"]["answer"] == "128"

same = client.chat.completions.create(model="beam:micro-0.3m", messages=QUESTION, seed=1,
                                      extra_body={"outthink": {"budget": 16}})
assert same.choices[0].message.content == searched.choices[0].message.content, "same seed, same answer"

for model in ["micro-0.3m", "dvts:micro-0.3m"]:
    text, finish, usage = "", None, None
    for chunk in client.chat.completions.create(model=model, messages=QUESTION, seed=1, stream=True,
                                                stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert "boxed" in text and finish == "stop" and usage.total_tokens > 0, (model, text, finish, usage)

effort = client.chat.completions.create(model="micro-0.3m", messages=QUESTION, seed=1, reasoning_effort="medium")
assert effort.model_extra["outthink"]["plan"].startswith("16 ="), effort

completed = client.completions.create(model="micro-0.3m", prompt="Evaluate $7+8$.", max_tokens=30, seed=1)
assert completed.choices[0].text, completed

for wrong in [{"model": "gpt-5"}, {"model": "beam:micro-0.3m", "extra_body": {"outthink": {"budget": -1}}}]:
    try:
        client.chat.completions.create(messages=QUESTION, **wrong)
        raise AssertionError(f"{wrong} was accepted")
    except (openai.NotFoundError, openai.BadRequestError) as error:
        assert "error" not in error.body and error.body["message"], error.body
print("the Python client is served")
