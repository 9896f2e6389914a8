"""Tunnels at their edges: what the far side says before both are joined, and what the near one still has to read at the end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest

from slipstream_api.config import Upstream
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.tunnel import RawClient
from slipstream_runtime.wire.wires import make_wires
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.wired import Peer, pair

TAIL = bytes(range(256)) * 240  # less than the proxy keeps for a slow reader


def narrow(transport: Any) -> None:
    """The kernel takes little of what is sent."""
    known = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup((known or transport).fileno())) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5_000)


@on_uvloop
async def test_a_drain_waits_until_the_caller_has_read_what_its_tunnel_said_last() -> None:
    """The upstream's connection has gone by then."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await connection.gone()
        connection.send(TAIL)

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        near = socket.socket()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 5_000)
        near.connect(("127.0.0.1", proxy.port))
        await until(lambda: proxy.runtime.context.clients)
        (client,) = proxy.runtime.context.clients
        narrow(client.transport)
        near.setblocking(False)
        peer = Peer(near)
        await peer.send(b"GET / HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await peer.read(1)
        near.shutdown(socket.SHUT_WR)
        await until(lambda: not proxy.core.in_use)
        assert proxy.runtime.context.tunnels == 1
        draining = asyncio.create_task(proxy.runtime.drain(30))
        assert await peer.read(len(TAIL) + 1) == TAIL
        assert await draining
        assert proxy.runtime.context.tunnels == 0
        near.close()


class Hasty:
    """A dialer whose upstream speaks, and leaves, before whoever dialled is told of the connection; so can one that speaks TLS."""

    def __init__(self, said: bytes, end: str) -> None:
        self._said = said
        self.dialled = asyncio.Event()
        self._end = end

    async def connect(self, factory: Callable[[], Any], upstream: Upstream, timeout: float) -> tuple[Any, Any]:
        far, self.far = pair()
        protocol = factory()
        wires = make_wires()
        wires.accepted(far, lambda: protocol)
        await Peer(self.far).send(self._said)
        if self._end:
            self.far.close()
        await until(lambda: protocol.transport)
        if self._said:
            await until(lambda: protocol._early == self._said)
        elif self._end:
            await until(lambda: protocol._early_end)
        self.dialled.set()
        return protocol.transport, protocol


@pytest.mark.parametrize("end", ["", "closed"])
@pytest.mark.parametrize("said", [b"", b"220 ready"])
@on_uvloop
async def test_what_an_upstream_says_before_its_tunnel_is_joined_arrives(said: bytes, end: str) -> None:
    dialer = Hasty(said, end)
    near, far = pair()
    make_wires().accepted(near, lambda: RawClient(cast("Dialer", dialer), Upstream(host="h", port=1), 1.0))
    peer = Peer(far)
    await dialer.dialled.wait()
    if end:
        assert await peer.read(100) == said
    else:
        assert await peer.read(len(said)) == said
        await peer.send(b"HELO")
        dialer.far.setblocking(False)
        assert await Peer(dialer.far).read(4) == b"HELO"
        dialer.far.close()
    far.close()
