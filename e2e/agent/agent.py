"""The agent of the stories: a plain program that calls its memory server by URL and counts; knows nothing of sidecars or policies.

Standard library only: it is mounted into a pod from a ConfigMap. It listens on 0.0.0.0:$PORT, as any web application does:
    GET /ask?method=&url=&body=&header=Name:value       one call, its answer as JSON {status, headers, body}
    GET /steady/start?url=&rate=&session=               numbered writes, one after another at `rate` per second, never retried
    GET /wait?ms=500                                    answers after that time, and not before
    GET /steady/stop                                    {sent, acknowledged, failed: [{number, error}], longest: seconds between two acks}
    GET /env                                            the environment variables that start with SLIPSTREAM_
"""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def call(method: str, url: str, headers: dict[str, str], body: str = "", timeout: float = 20.0) -> dict[str, Any]:
    """One HTTP call with a new connection; an answer of any status is an answer, `status` 0 is a failure of the transport."""
    data = body.encode() if body else None
    if data is not None:
        headers = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return {"status": answer.status, "headers": dict(answer.headers), "body": answer.read().decode("utf-8", "replace")}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "headers": dict(error.headers), "body": error.read().decode("utf-8", "replace")}
    except OSError as error:
        return {"status": 0, "headers": {}, "body": "", "error": str(error)}


class Steady:
    """A client that counts: numbered writes at a steady pace, each either acknowledged or failed, none sent twice."""

    def __init__(self, url: str, rate: float, session: str) -> None:
        self.url, self.pause, self.session = url, 1.0 / rate, session
        self.sent = 0
        self.acknowledged: list[int] = []
        self.failed: list[dict[str, Any]] = []
        self.longest = 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        last = due = time.monotonic()
        while not self.over.is_set():
            number, self.sent = self.sent, self.sent + 1
            body = json.dumps({"text": f"steady number {number}"})
            answer = call("POST", self.url, {"X-Session-Id": self.session}, body)
            now = time.monotonic()
            if 200 <= answer["status"] < 300:
                self.acknowledged.append(number)
                self.longest, last = max(self.longest, now - last), now
            else:
                self.failed.append({"number": number, "status": answer["status"], "error": answer.get("error", answer["body"][:200])})
            due += self.pause
            self.over.wait(max(0.0, due - time.monotonic()))

    def stop(self) -> dict[str, Any]:
        self.over.set()
        self.thread.join(30)
        return {"sent": self.sent, "acknowledged": len(self.acknowledged), "failed": self.failed, "longest": self.longest}


class Agent(BaseHTTPRequestHandler):
    steady: Steady | None = None

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = urllib.parse.parse_qs(query)
        answer = json.dumps(self.answer(path, asked)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, path: str, asked: dict[str, list[str]]) -> Any:
        one = {key: values[0] for key, values in asked.items()}
        if path == "/ask":
            headers = dict(line.split(":", 1) for line in asked.get("header", []))
            return call(one.get("method", "GET"), one["url"], headers, one.get("body", ""))
        if path == "/steady/start":
            Agent.steady = Steady(one["url"], float(one.get("rate", "20")), one.get("session", "steady"))
            return {"started": True}
        if path == "/steady/stop":
            return Agent.steady.stop() if Agent.steady else {"error": "not started"}
        if path == "/wait":
            time.sleep(float(one["ms"]) / 1000)
        if path == "/env":
            return {key: value for key, value in os.environ.items() if key.startswith("SLIPSTREAM_")}
        return {"ok": True}

    def log_message(self, *args: Any) -> None:
        """Nothing: the stories read counters, not logs."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "9000"))), Agent).serve_forever()
