"""A connection for tests of wires: a protocol that notes what it hears at one end, a plain socket at the other. Knows no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from slipstream_runtime.wire.wires import Wires
from tests.fakes.proxied import until


class Noted:
    """A protocol that notes what it hears; what it is to do at one of these moments is in `react`."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.got = bytearray()
        self.heard: list[str] = []
        self.errors: list[Exception | None] = []
        self.stays = False
        self.react: dict[str, Callable[[Any], object]] = {}

    def _note(self, what: str) -> None:
        self.heard.append(what)
        if what in self.react:
            self.react[what](self.transport)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.got += data
        self._note("data")

    def eof_received(self) -> bool:
        self._note("eof")
        return self.stays

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.errors.append(error)
        self._note("lost")


class Peer:
    """The other end: a plain socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def read(self, size: int) -> bytes:
        """So many bytes, fewer where the end comes first."""
        found = bytearray()
        while len(found) < size:
            piece = await asyncio.get_running_loop().sock_recv(self.sock, min(size - len(found), 65_536))
            if not piece:
                break
            found += piece
        return bytes(found)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
    near.setblocking(False)
    return near, far


class Line:
    """`async with Line(wires, protocol) as peer`: a connection that ends with the block."""

    def __init__(self, wires: Wires, protocol: Noted) -> None:
        near, far = pair()
        self.protocol, self.peer = protocol, Peer(far)
        wires.accepted(near, lambda: protocol)

    async def __aenter__(self) -> Peer:
        await until(lambda: self.protocol.transport)
        return self.peer

    async def __aexit__(self, *_: object) -> None:
        self.peer.sock.close()
        self.protocol.transport.abort()
        await until(lambda: "lost" in self.protocol.heard)
        assert self.protocol.heard.count("lost") == 1


# What a connection that we dialled has in force: a dead path is found out without a request.
WATCHED = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 15,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 30_000,
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
}
PATIENT = WATCHED | {(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 0}  # where whoever sends may wait longer than that


def in_force(port: int) -> dict[tuple[int, int], int]:
    """The options in WATCHED of this process's socket that is bound to `port` and connected, whoever holds it."""
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(fd))) as sock:
            if sock.getpeername() and sock.family == socket.AF_INET and sock.getsockname()[1] == port:
                return {option: sock.getsockopt(*option) for option in WATCHED}
    raise AssertionError("no such socket")
