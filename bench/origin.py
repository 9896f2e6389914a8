"""The upstream behind the benchmarks that check answers: `python bench/origin.py PORT VERSIONS_FILE [BREAK]`; a process of its own.

GET answers with a body that marks.py describes, POST counts the key's version up and answers likewise; /figures tells how many connections
and requests there were. Versions are in a mapped file, so that they outlive a kill. BREAK=truncated plants answers that are too short.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import socket
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import uvloop

import marks

KEYS: Final = 4096
PLANTED_EVERY: Final = 200
UNSENT: Final = 131_072
LARGE, PIECE = 1_000_000, 65_536
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: "
COUNTER: Final = struct.Struct("<Q")


class Versions:
    """A counter for each key, in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(KEYS * COUNTER.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def of(self, key: int) -> int:
        return int(COUNTER.unpack_from(self._map, key % KEYS * COUNTER.size)[0])

    def count(self, key: int) -> int:
        COUNTER.pack_into(self._map, key % KEYS * COUNTER.size, self.of(key) + 1)
        return self.of(key)


class Figures:
    """What came in."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests = 0
        self.paths: Counter[str] = Counter()


class Origin(asyncio.Protocol):
    """One connection: one request after the other; a body is read to its end before it is answered."""

    def __init__(self, versions: Versions, figures: Figures, broken: str) -> None:
        self._versions, self._figures, self._broken = versions, figures, broken
        self._buffer = bytearray()
        self._left = 0  # of the body of the request under way
        self._head = b""
        self._block = b""  # what a large body repeats
        self._unsent = 0  # bytes of that body
        self._writable = True

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._figures.connections += 1

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
            if not self._left:
                self._answer()
            return
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        self._head = bytes(self._buffer[:end])
        self._left = int(self._field(b"content-length") or 0) - (len(self._buffer) - end - 4)
        self._buffer.clear()
        if not self._left:
            self._answer()

    def _field(self, name: bytes) -> bytes:
        at = self._head.lower().find(b"\r\n" + name + b": ")
        return b"" if at < 0 else self._head[at + len(name) + 4 :].partition(b"\r\n")[0]

    def _answer(self) -> None:
        method, where, _ = self._head.partition(b"\r\n")[0].split(b" ")
        path, _, query = where.decode().partition("?")
        if path == "/figures":
            found = {"connections": self._figures.connections, "requests": self._figures.requests, "paths": self._figures.paths}
            self._send(json.dumps(found).encode(), stored=False, chunked=False)
            return
        self._figures.requests += 1
        self._figures.paths[path] += 1
        asked = {name: int(values[0]) for name, values in parse_qs(query).items()}
        _, kind, key = path.split("/")
        caller = self._field(b"authorization")
        # A write takes effect when it is answered, a read when it begins: the order that is hardest on a cache in between.
        version = self._versions.of(int(key)) if method != b"POST" else 0

        def answer() -> None:
            found = self._versions.count(int(key)) if method == b"POST" else version
            if asked["size"] > LARGE and not asked.get("chunked"):
                self._flow(marks.Mark(caller, int(key), found, asked["size"]))
                return
            body = marks.Mark(caller, int(key), found, asked["size"]).body()
            if self._broken == "truncated" and not self._figures.requests % PLANTED_EVERY:
                body = body[: len(body) // 2]
            self._send(body, kind.startswith("stored") and method == b"GET", bool(asked.get("chunked")))

        if asked.get("delay"):
            asyncio.get_running_loop().call_later(asked["delay"] / 1000, answer)
        else:
            answer()

    def _flow(self, mark: marks.Mark) -> None:
        """A large body, made as it is taken: a thousand whole ones would cost this process gigabytes and the load's core its time."""
        self._block, self._unsent = mark.line() * (PIECE // len(mark.line()) + 1), mark.size
        self._transport.write(HEAD + b"no-store\r\nContent-Length: %d\r\n\r\n" % mark.size)
        self._pump()

    def _pump(self) -> None:
        while self._unsent and self._writable and not self._transport.is_closing():
            piece = self._block if len(self._block) <= self._unsent else self._block[: self._unsent]
            self._unsent -= len(piece)
            self._transport.write(piece)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    def _send(self, body: bytes, stored: bool, chunked: bool) -> None:
        keep = b"public, max-age=3600" if stored else b"no-store"
        head = HEAD + keep
        if chunked:
            half = len(body) // 2
            pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]) if piece)
            self._transport.write(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
        else:
            self._transport.write(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def listening(port: int) -> socket.socket:
    """With small send buffers: its kernel is the proxy's here, and what a thousand slow readers leave would be taken from the proxy."""
    place = socket.create_server(("127.0.0.1", port), backlog=4096)
    place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    place.setblocking(False)
    return place


async def serve(port: int, versions: Versions, broken: str) -> None:
    """All that wait are accepted at once: with one a turn of the loop, as uvloop does it, thousands wait for half a minute."""
    figures, loop, place = Figures(), asyncio.get_running_loop(), listening(port)
    starting: set[asyncio.Task[object]] = set()

    def accept() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                task = loop.create_task(loop.connect_accepted_socket(lambda: Origin(versions, figures, broken), place.accept()[0]))
                starting.add(task)
                task.add_done_callback(starting.discard)

    loop.add_reader(place.fileno(), accept)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Versions(Path(sys.argv[2])), sys.argv[3] if len(sys.argv) > 3 else ""))
