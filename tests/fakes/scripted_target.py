"""A real HTTP server on loopback whose paths misbehave each in one way: what a load generator has to tell apart. Holds no expectations."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class ScriptedTarget:
    """The server's side: where it listens, and what it has seen."""

    url: str = ""
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def echo(request: Request) -> bytes:
    """Who asked, and what: an answer that can be checked."""
    session = request.headers.get("x-session-id", "")
    return json.dumps({"target": request.target, "session": session, "body": request.body.decode()}).encode()


@asynccontextmanager
async def scripted_target(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedTarget]:
    """Runs the server for the length of a test; with TLS under the name localhost."""
    target = ScriptedTarget()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while (request := await _read(reader)) is not None:
                target.requests.append(request)
                if not await _respond(target, request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    target.url = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
    try:
        yield target
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


async def _respond(target: ScriptedTarget, request: Request, writer: asyncio.StreamWriter) -> bool:
    """Answers as the path says; False ends the connection."""
    if request.path == "/stall":
        await asyncio.sleep(3600)
    if request.path == "/slow":
        await asyncio.sleep(int(request.query["ms"]) / 1000)
    if request.path == "/reset":
        writer.transport.abort()
        return False
    if request.path == "/split":
        for at in range(0, len(whole := answer(echo(request))), 7):
            writer.write(whole[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        return True
    if request.path == "/drip":
        whole = answer(echo(request))
        writer.write(whole[:-5])
        await asyncio.sleep(0.01)
        writer.write(whole[-5:])
        return True
    if request.path == "/cached":
        hit = request.target in target.seen
        target.seen.add(request.target)
        outcome = "hit; ttl=300" if hit else "fwd=uri-miss; stored"
        writer.write(answer(echo(request), headers=f"cache-status: slipstream; {outcome}\r\n"))
        return True
    script = _SCRIPTS.get(request.path, _plain)
    data, goes_on = script(request)
    writer.write(data)
    await writer.drain()
    return goes_on


def _plain(request: Request) -> tuple[bytes, bool]:
    return answer(b"" if request.method == "HEAD" else echo(request)), True


def _head(request: Request) -> tuple[bytes, bool]:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", True


def _chunked(request: Request) -> tuple[bytes, bool]:
    body = echo(request)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (body[:5], body[5:])) + b"0\r\n\r\n", True


_SCRIPTS: dict[str, Callable[[Request], tuple[bytes, bool]]] = {
    "/status/503": lambda r: (answer(b"no", status="503 Service Unavailable"), True),
    "/ticket": lambda r: (answer(b'{"id": "t 1", "owner": {"n": 7}}', headers="X-Ticket: h-9\r\nX-Kind: a\r\n"), True),
    "/close": lambda r: (answer(echo(r), headers="Connection: close\r\n"), False),
    "/half": lambda r: (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of", False),
    "/half-head": lambda r: (b"HTTP/1.1 200 OK\r\nContent-Le", False),
    "/nothing": lambda r: (b"", False),
    "/garbage": lambda r: (b"\x00\x01\x02 this is no HTTP\r\n\r\n", True),
    "/endless-head": lambda r: (b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 100_000, True),
    "/twice": lambda r: (answer(echo(r)) + answer(b"another one's"), True),
    "/interim": lambda r: (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(echo(r)), True),
    "/until-close": lambda r: (b"HTTP/1.1 200 OK\r\n\r\n" + echo(r), False),
    "/other-session": lambda r: (answer(echo(Request(r.method, r.target, {"x-session-id": "somebody-else"}, b""))), True),
    "/chunked": _chunked,
    "/head": _head,
}
