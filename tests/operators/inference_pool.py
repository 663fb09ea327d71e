"""A stand-in for an InferencePool: a gateway with an endpoint picker in front of three vLLM servers of micro-24k's vocabulary, whose
"model" draws digits. Prints its address, and at the end, when its standard input closes, what it saw, as JSON.

    inference_pool.py [--text-prompts]

What the picker does is that of llm-d's router 0.10: of bodies it reads those of OpenAI's routes only, and answers others with 400; it
sends a prompt to the replica that read most of its blocks. With --text-prompts it reads no token ids, as before its version 0.9.
"""

import json
import random
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "micro-24k"
REPLICAS = 3
BLOCK = 4
# Of models/micro/micro-24k/tokenizer.json.
STEP, BOXED, ANSWER, DIGITS, DOLLAR, DOT, CLOSE, END = 6, 7, 18, range(23, 33), 40, 41, 43, 3
READ = ("/chat/completions", "/completions", "/embeddings", "/responses", "/conversations")

lock = threading.Lock()
draw = random.Random(1)
held = [set() for _ in range(REPLICAS)]
seen = Counter()
headers = Counter()
refused = Counter()


def blocks(tokens):
    return [tuple(tokens[:end]) for end in range(BLOCK, len(tokens) + 1, BLOCK)]


def pick(tokens):
    """The replica with the longest cached prefix; any of those that are equal."""
    scores = [sum(block in cache for block in blocks(tokens)) for cache in held]
    best = draw.choice([place for place, score in enumerate(scores) if score == max(scores)])
    return best, scores[best] * BLOCK


def completion(body):
    prompt = body["prompt"]
    with lock:
        replica, cached = pick(prompt)
        steps = prompt.count(STEP)
        drawn = [draw.choice(DIGITS) for _ in range(3)] + [STEP]
        reason = ("stop", "\n\n")
        if steps >= 3 or not body.get("stop"):
            drawn = [ANSWER, BOXED, draw.choice(DIGITS[:3]), CLOSE, DOLLAR, DOT, END]
            reason = ("stop", None)
        held[replica].update(blocks(prompt + drawn))
        seen.update({"prompts": 1, "prompt_tokens": len(prompt), "cached_tokens": cached, f"replica_{replica}": 1})
    logprobs = {"token_logprobs": [-1.0] * len(drawn), "tokens": ["?"] * len(drawn)}
    choice = {"index": 0, "text": "", "token_ids": drawn, "logprobs": logprobs, "finish_reason": reason[0], "stop_reason": reason[1]}
    usage = {"prompt_tokens": len(prompt), "completion_tokens": len(drawn), "total_tokens": len(prompt) + len(drawn),
             "prompt_tokens_details": {"cached_tokens": cached}}
    return choice, usage


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, kind="application/json"):
        body = (text if isinstance(text, str) else json.dumps(text)).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        # A request without a body goes to any replica.
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": 512}]})
        else:
            self.answer(404, {"error": {"message": "no such route"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers.update(name.lower() for name in self.headers)
        if not self.path.endswith(READ):
            refused[self.path] += 1
            return self.answer(400, {"error": {"message": f"no parser registered for {self.path}", "code": 400}})
        prompt = body.get("prompt")
        if not prompt or ("--text-prompts" in sys.argv and not isinstance(prompt, str)):
            refused[self.path] += 1
            return self.answer(400, {"error": {"message": "invalid completions request: must have prompt field", "code": 400}})
        choice, usage = completion(body)
        if not body.get("stream"):
            return self.answer(200, {"model": MODEL, "choices": [choice], "usage": usage})
        events = [{"model": MODEL, "choices": [choice]}, {"model": MODEL, "choices": [], "usage": usage}]
        self.answer(200, "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n", "text/event-stream")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that hung up."""


server = Server(("127.0.0.1", 0), Gateway)
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
print(json.dumps({"seen": seen, "headers": sorted(headers), "refused": refused}), flush=True)
