"""Asks a running `slipstream run` over its Unix socket. Knows the socket's place and the requests; prints nothing."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode


class NotRunning(Exception):  # noqa: N818 - an answer, not a malfunction
    """Nobody listens at the socket; the message says what to do."""


def default_socket() -> Path:
    """${XDG_RUNTIME_DIR}/slipstream.sock, or a folder of the user's own in /tmp."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "slipstream.sock") if runtime else Path(f"/tmp/slipstream-{os.getuid()}", "slipstream.sock")  # noqa: S108 - mode 0700


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10.0)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10.0)
        self.sock.connect(str(self.path))


def get(path: Path, url: str, query: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Any:
    """The JSON answer of a GET; raises NotRunning, or ValueError with the answer's own words."""
    return json.loads(body(path, url, query, headers))


def body(path: Path, url: str, query: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> bytes:
    """As `get`, whatever the answer is made of."""
    return _ask(path, "GET", f"{url}?{urlencode(query)}" if query else url, headers or {}, None)


def post(path: Path, url: str, value: Any) -> Any:
    """The JSON answer of a POST of JSON; raises as `get`."""
    data = json.dumps(value).encode()
    return json.loads(_ask(path, "POST", url, {"content-type": "application/json", "content-length": str(len(data))}, data))


def _ask(path: Path, method: str, target: str, headers: dict[str, str], data: bytes | None) -> bytes:
    connection = _UnixConnection(path)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)  # no field of our own
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(data)
        answer = connection.getresponse()
        found = answer.read()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(
            f"no `slipstream run` at {path}: start one with `slipstream run -f manifests/samples`, or name its socket with --socket"
        ) from None
    except PermissionError:
        raise NotRunning(f"{path} belongs to another user: name your own with --socket") from None
    except OSError as error:
        raise NotRunning(f"{path} can't be asked: {error}; name the socket of your `slipstream run` with --socket") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(_words(found) or f"HTTP {answer.status}")
    return found


def _words(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip()
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""
