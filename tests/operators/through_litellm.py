"""What clients of LiteLLM get of outthink behind it: through_litellm.py http://HOST:PORT/v1"""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-only-for-this-test")
question = [{"role": "user", "content": r"Evaluate $(17+19)\cdot 4-16$."}]


def ask(model, **more):
    return client.chat.completions.with_raw_response.create(model=model, messages=question, seed=1, **more)


quick = ask("quick").parse()
assert quick.choices[0].message.content and quick.usage.completion_tokens

raw = ask("thorough")
reply = raw.parse()
assert "boxed" in reply.choices[0].message.content
print("outthink in the body:", sorted((getattr(reply, "outthink", None) or {}))[:4])
print("headers:", {name: value for name, value in raw.headers.items() if "outthink" in name})
assert reply.usage.completion_tokens > quick.usage.completion_tokens

seen = ask("thorough", extra_body={"outthink": {"budget": 4}})
print("a client's own budget:", {name: value for name, value in seen.headers.items() if name.endswith("outthink-samples")})

effort = ask("thorough", extra_body={"reasoning_effort": "low"})
print("reasoning_effort:", {name: value for name, value in effort.headers.items() if name.endswith("outthink-samples")})

stream = client.chat.completions.create(model="thorough", messages=question, seed=1, stream=True)
text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
assert text == reply.choices[0].message.content, (text, reply)

try:
    ask("thorough", extra_body={"outthink": {"budget": 0}})
    raise SystemExit("a budget of 0 was taken")
except openai.BadRequestError as error:
    assert "budget" in str(error), error
print("LiteLLM passes searches, streams, usage and errors on")
