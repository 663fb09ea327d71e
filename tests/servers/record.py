"""Stands between a client and a server and writes down what they say: record.py PORT TARGET FILE

Each line of FILE is {"request": {"method", "path", "body"}, "status", "response"}; the mock servers of the tests replay them.
"""

import http.server
import json
import sys
import urllib.error
import urllib.request

port, target, file = int(sys.argv[1]), sys.argv[2], open(sys.argv[3], "w")


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        sent = self.rfile.read(length)
        request = urllib.request.Request(target + self.path, data=sent or None, method=self.command)
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request) as reply:
                status, body = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        line = {"request": {"method": self.command, "path": self.path, "body": json.loads(sent) if sent else None},
                "status": status, "response": body.decode()}
        # The list of routes and the metrics are long, and little of them is read.
        if self.path == "/openapi.json":
            line["response"] = json.dumps({"paths": {path: {} for path in json.loads(body)["paths"]}})
        if self.path == "/metrics":
            line["response"] = "".join(l for l in body.decode().splitlines(True) if "cache_config_info{" in l)
        file.write(json.dumps(line) + "\n")
        file.flush()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
