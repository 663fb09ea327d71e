"""The official Python client asks a served real model, plainly and with a vote: client.py URL"""
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none needed", timeout=600)
QUESTION = [{"role": "user", "content": "What is 3 plus 4? Answer with a number."}]

names = [model.id for model in client.models.list()]
policy = next(name for name in names if ":" not in name and "@" not in name)
assert f"majority:{policy}" in names, names
assert not any(name.startswith(("best-of-n:", "beam:", "dvts:")) for name in names), "no verifier was named"

plain = client.chat.completions.create(model=policy, messages=QUESTION, seed=1, max_tokens=48)
assert plain.choices[0].message.content.strip() and plain.usage.completion_tokens > 0, plain

voted = client.chat.completions.create(model=f"majority:{policy}", messages=QUESTION, seed=1, max_tokens=96,
                                       extra_body={"outthink": {"budget": 2}})
assert voted.choices[0].message.content.strip(), voted

text = ""
for chunk in client.chat.completions.create(model=policy, messages=QUESTION, seed=1, max_tokens=24, stream=True):
    text += "".join(choice.delta.content or "" for choice in chunk.choices)
assert text.strip(), "an empty stream"
print(f"the Python client is served by {policy}: {plain.choices[0].message.content!r}")
