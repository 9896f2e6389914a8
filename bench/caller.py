"""A client connection of the benchmarks that check answers: reads strictly, tells a whole answer from a cut one; judges no content."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Final, NamedTuple

import marks

PIECE: Final = 8192


class Cut(Exception):  # noqa: N818 - what happens to a request, not a malfunction of ours
    """The connection ended before the answer did."""


class Answer(NamedTuple):
    """One complete answer."""

    status: int
    head: bytes
    body: bytes


class AnswerReader:
    """Bytes in, one answer out, as RFC 9112 frames it; only what has a length or chunks counts as complete."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._head = b""
        self._body = -1  # where the body begins
        self._length = -1

    def feed(self, data: bytes) -> Answer | None:
        self._data += data
        if self._body < 0:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head, self._body = bytes(self._data[:end]), end + 4
            at = self._head.lower().find(b"\r\ncontent-length: ")
            self._length = -1 if at < 0 else int(self._head[at + 18 :].partition(b"\r\n")[0])
        body = self._whole() if self._length >= 0 or b"chunked" in self._head.lower() else None
        return None if body is None else Answer(int(self._head[9:12]), self._head, body)

    def _whole(self) -> bytes | None:
        if self._length >= 0:
            return None if len(self._data) < self._body + self._length else bytes(self._data[self._body :])
        if not self._data.endswith(b"\r\n0\r\n\r\n"):
            return None
        body, at = bytearray(), self._body
        while at < len(self._data):
            end = self._data.find(b"\r\n", at)
            size = int(self._data[at:end], 16)
            if not size:
                return bytes(body) if end + 4 == len(self._data) else None
            body += self._data[end + 2 : end + 2 + size]
            at = end + size + 4
        return None


class Caller(asyncio.Protocol):
    """`await Caller.open(port)`, then `ask` one request at a time."""

    def __init__(self) -> None:
        self._reader = AnswerReader()
        self._waiter: asyncio.Future[Answer] | None = None
        self.open = False

    @classmethod
    async def connect(cls, port: int) -> Caller:
        _, caller = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return caller

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Cut())

    def data_received(self, data: bytes) -> None:
        answer = self._reader.feed(data)
        if answer is not None and self._waiter is not None and not self._waiter.done():
            self._reader = AnswerReader()
            self._waiter.set_result(answer)
            if b"connection: close" in answer.head.lower():
                self.open = False
                self.transport.close()

    async def ask(self, data: bytes) -> Answer:
        """Raises Cut."""
        if not self.open:
            raise Cut
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return await self._waiter


async def slow_exchange(where: socket.socket, sent: list[bytes], step: float, pause: float) -> Answer:
    """One exchange of a client that writes and reads in small pieces: `step` seconds between pieces written, `pause` between those read."""
    loop = asyncio.get_running_loop()
    for piece in sent:
        await loop.sock_sendall(where, piece)
        await asyncio.sleep(step)
    reader = AnswerReader()
    while data := await loop.sock_recv(where, PIECE):
        if (answer := reader.feed(data)) is not None:
            return answer
        await asyncio.sleep(pause)
    raise Cut


async def slow_socket(port: int, window: int) -> socket.socket:
    """A connection whose receive buffer is small, so that what isn't read waits at the sender."""
    where = socket.socket()
    where.setblocking(False)
    where.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    await asyncio.get_running_loop().sock_connect(where, ("127.0.0.1", port))
    return where


async def figures(origin: Caller) -> dict[str, Any]:
    """What the origin at the other end has counted; this question is no request there."""
    found: dict[str, Any] = json.loads((await origin.ask(marks.request(b"GET", b"/figures", b"bench"))).body)
    return found
