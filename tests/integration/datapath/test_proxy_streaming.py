"""Streams: each piece goes on as it comes, a reader that leaves ends them, and none is stored before it is whole."""

from __future__ import annotations

import asyncio

from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.integration.datapath.test_proxy_cache import settled

EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(number: int) -> bytes:
    data = b"data: %d\n\n" % number
    return b"%x\r\n%b\r\n" % (len(data), data)


@on_uvloop
async def test_trap_40_an_event_is_forwarded_before_the_next_one_is_sent() -> None:
    """Each in its turn, comments that keep the connection alive too; nothing is stored until the stream has ended."""
    go_on = asyncio.Queue[None]()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(EVENTS)
        for number in range(3):
            connection.send(event(number))
            await go_on.get()
        connection.send(b"3\r\n:\n\n\r\n")
        await go_on.get()
        connection.send(b"0\r\n\r\n")

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.get(b"/c")
        await caller.reader.readuntil(b"\r\n\r\n")
        for number in range(3):
            assert await caller.reader.readexactly(len(event(number))) == event(number)
            go_on.put_nowait(None)
        assert await caller.reader.readexactly(8) == b"3\r\n:\n\n\r\n"
        assert len(proxy.service.stores["s"]) == 0
        go_on.put_nowait(None)
        assert await caller.reader.readexactly(5) == b"0\r\n\r\n"
        assert len(proxy.service.stores["s"]) == 1


@on_uvloop
async def test_trap_40_a_reader_that_leaves_ends_the_stream_upstream() -> None:
    """Nobody listens: the upstream is spared, the place in the pool is free, nothing is stored."""
    gone = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(EVENTS + event(0))
        await connection.gone()
        gone.set()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.get(b"/c")
        await caller.reader.readuntil(event(0))
        caller.leave()
        await gone.wait()
        await settled()
        assert (proxy.core.in_use, len(proxy.service.stores["s"]), len(proxy.service.state.tracker)) == (0, 0, 0)
