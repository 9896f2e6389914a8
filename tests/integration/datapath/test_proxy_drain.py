"""The end of a runtime: nobody who had connected, or had asked, before it began is reset."""

from __future__ import annotations

import asyncio
import socket

import pytest

from slipstream_runtime.proxy.acceptor import AT_ONCE
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import proxied
from tests.fakes.raw_upstream import RawUpstream

REQUEST = b"GET /%d HTTP/1.1\r\nHost: up\r\n\r\n"


def connected(port: int) -> socket.socket:
    """A connection that the kernel has made and nobody has accepted: this loop had no turn meanwhile."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


async def everything(sock: socket.socket) -> bytes:
    """What the other side said until it ended; raises ConnectionResetError."""
    sock.setblocking(False)
    said = b""
    while piece := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65_536), 10):
        said += piece
    sock.close()
    return said


@on_uvloop
async def test_connections_that_wait_to_be_accepted_are_answered() -> None:
    """More than one turn would accept. Each is told that the connection ends."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        waiting = [connected(proxy.port) for _ in range(AT_ONCE + 20)]
        for number, sock in enumerate(waiting):
            sock.sendall(REQUEST % number)
        assert not proxy.runtime.context.clients
        draining = asyncio.create_task(proxy.runtime.drain(10))
        for number, said in enumerate(await asyncio.gather(*map(everything, waiting))):
            head, _, body = said.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), said
            assert b"\r\nConnection: close" in head
            assert body == b"GET /%d HTTP/1.1|" % number
        assert await draining
        with pytest.raises(ConnectionRefusedError):
            connected(proxy.port)


@on_uvloop
async def test_a_request_that_has_come_on_a_kept_connection_is_answered() -> None:
    """Idle as far as anyone has read, yet its next request is here already."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        loop = asyncio.get_running_loop()
        sock = connected(proxy.port)
        sock.setblocking(False)
        await loop.sock_sendall(sock, REQUEST % 1)
        first = b""
        while not first.endswith(b"GET /1 HTTP/1.1|"):
            first += await loop.sock_recv(sock, 65_536)
        assert sock.send(REQUEST % 2)
        assert await proxy.runtime.drain(10)  # begins at once: the loop has had no turn since
        assert (await everything(sock)).endswith(b"GET /2 HTTP/1.1|")


@on_uvloop
async def test_connections_that_never_ask_hold_no_drain() -> None:
    """Accepted at its beginning, closed like all idle ones."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        waiting = [connected(proxy.port) for _ in range(3)]
        assert await proxy.runtime.drain(10)
        assert await asyncio.gather(*map(everything, waiting)) == [b"", b"", b""]
