"""A port of a pod on this machine, through `kubectl port-forward`; ended with its context. Knows nothing of what is sent."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def forwarded(namespace: str, pod: str, port: int) -> Iterator[str]:
    """The base URL of `port` of a pod."""
    command = ["kubectl", "port-forward", "-n", namespace, f"pod/{pod}", f":{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, f"{' '.join(command)}: {line}{process.stdout.read() if process.poll() is not None else ''}"
        yield f"http://127.0.0.1:{found.group(1)}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def send(method: str, url: str, body: bytes) -> tuple[int, Any]:
    """Status and JSON of one request."""
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
