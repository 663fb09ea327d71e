#!/usr/bin/env python3
"""Answers as llama-server does, with the same words for ever. FAKE says how it fails; every start adds a line to STARTS: its own
process, one that it has started itself, and its arguments."""
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

fake = os.environ.get("FAKE")
flag = {name: value for name, value in zip(sys.argv[1:], sys.argv[2:]) if name.startswith("-")}
worker = subprocess.Popen(["sleep", "1000"])
with open(os.environ["STARTS"], "a") as starts:
    starts.write(json.dumps([os.getpid(), worker.pid, sys.argv[1:]]) + "\n")
print("loading", flag["-m"], "with", " ".join(sys.argv[1:]), flush=True)
if fake == "dies":
    sys.exit("error: out of memory")

# The last token is the one that ends the answer.
WORDS = [b"The", b" answer", b" is", b" $\\boxed{144}$.", b""]


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, reply):
        body = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            model = {"id": flag["--alias"], "object": "model", "owned_by": "llamacpp", "meta": {"n_params": 1000}}
            self.say({"object": "list", "data": [model]})
        elif self.path == "/props":
            self.say({"total_slots": 4, "default_generation_settings": {"n_ctx": 2048}, "build_info": "fake"})
        else:
            self.say({"status": "ok"})

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if fake == "hangs":
            time.sleep(1000)
        if self.path == "/apply-template":
            self.say({"prompt": "question"})
        elif self.path == "/tokenize":
            self.say({"tokens": [7, 8, 9]})
        else:
            drawn = [{"id": at, "bytes": list(word), "logprob": -0.5} for at, word in enumerate(WORDS)]
            self.say({
                "content": b"".join(WORDS).decode(), "tokens": list(range(len(WORDS))), "stop": True, "stop_type": "eos",
                "tokens_predicted": len(WORDS), "tokens_evaluated": 3, "timings": {"cache_n": 2},
                "completion_probabilities": drawn,
            })


ThreadingHTTPServer((flag["--host"], int(flag["--port"])), Server).serve_forever()
