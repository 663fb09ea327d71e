"""What clients get of outthink behind a proxy: through_proxy.py DIRECT PROXIED KEY, both http://HOST:PORT"""

import http.client
import json
import re
import sys
import time
from urllib.parse import urlsplit

DIRECT, PROXIED, KEY = sys.argv[1:]
QUESTION = [{"role": "user", "content": r"Evaluate $(17+19)\cdot 4-16$."}]


def ask(base, body, key=KEY, **headers):
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"} | headers
    connection.request("POST", "/v1/chat/completions", json.dumps({"messages": QUESTION, "seed": 1} | body), headers)
    return connection, connection.getresponse()


def whole(base, body, **more):
    _, reply = ask(base, body, **more)
    return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


def metric(pattern):
    connection = http.client.HTTPConnection(urlsplit(DIRECT).netloc, timeout=60)
    connection.request("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"})
    found = re.findall(rf"^{pattern} (\S+)$", connection.getresponse().read().decode(), flags=re.M)
    return sum(map(float, found))


SEARCH = {"model": "beam:micro-1.6m", "outthink": {"budget": 16}}
status, head, body = whole(PROXIED, SEARCH, **{"x-request-id": "mine-1"})
assert status == 200, (status, body)
assert head["x-request-id"] == "mine-1" and head["x-outthink-method"].startswith("beam") and head["x-outthink-samples"] == "16", head
answer = json.loads(body)["choices"][0]["message"]["content"]
assert answer == json.loads(whole(DIRECT, SEARCH)[2])["choices"][0]["message"]["content"]

status, head, body = whole(PROXIED, SEARCH | {"stream": True})
assert status == 200 and head["content-type"].startswith("text/event-stream"), head
events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
assert events[-1] == "[DONE]", events[-1]
text = "".join(choice["delta"].get("content") or "" for event in events[:-1] for choice in json.loads(event).get("choices", []))
assert text == answer, (text, answer)

# Errors with their messages, and without a second try.
before = metric(r"outthink_requests_total\{.*\}")
status, _, body = whole(PROXIED, SEARCH | {"outthink": {"budget": 0}})
assert status == 400 and "budget" in json.loads(body)["error"]["message"], (status, body)
assert whole(PROXIED, SEARCH, key="ot-wrong")[0] == 401
assert metric(r"outthink_requests_total\{.*\}") - before <= 3, "a request that failed came more than once"
big = SEARCH | {"messages": [{"role": "user", "content": "x" * 2_000_000}]}
status, _, body = whole(PROXIED, big)
assert status == 400 and "error" in json.loads(body), (status, body[:200])

# A stream arrives while its search runs, and a client that leaves ends it behind the proxy, too.
long = {"model": "beam:micro-1.6m", "stream": True, "outthink": {"budget": 256, "trace": True}}
left = metric(r'gen_ai_server_request_duration_seconds_count\{.*error_type="cancelled".*\}')
connection, reply = ask(PROXIED, long)
assert reply.readline(), "a stream without a line"
assert metric(r"outthink_searches_running(?:\{.*\})?") >= 1, "the stream came when its search was over"
reply.close()
connection.close()
for _ in range(200):
    if metric(r'gen_ai_server_request_duration_seconds_count\{.*error_type="cancelled".*\}') > left:
        break
    time.sleep(0.1)
else:
    raise SystemExit("the client left and its search went on")

connection = http.client.HTTPConnection(urlsplit(PROXIED).netloc, timeout=60)
connection.request("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"})
assert connection.getresponse().status == 404
print("searches, streams, headers, errors and clients that leave pass through")
