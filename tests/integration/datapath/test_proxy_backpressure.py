"""A slow side holds up the other one instead of filling memory."""

from __future__ import annotations

import asyncio

from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

MIB = 1 << 20
TOTAL = 50 * MIB
PIECE = b"x" * 65_536
# What the kernel (two socket pairs) and both transports may hold on loopback; far below TOTAL.
IN_TRANSIT = 24 * MIB


async def stuck(progress: list[int]) -> int:
    """What has been written once nothing moves any more: as often as the loop turns, not as long as a clock says."""
    before, same = -1, 0
    while same < 50:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        same = same + 1 if progress[0] == before else 0
        before = progress[0]
    return progress[0]


@on_uvloop
async def test_trap_40_a_slow_reader_stops_the_upstream() -> None:
    """50 MB for a client that doesn't read: the proxy holds a bounded part, and afterwards all of it arrives."""
    sent = [0]

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOTAL)
        for _ in range(TOTAL // len(PIECE)):
            connection.send(PIECE)
            await connection.writer.drain()
            sent[0] += len(PIECE)

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
        caller.get()
        assert 0 < await stuck(sent) < IN_TRANSIT
        (client,) = proxy.runtime.context.clients
        assert client.unwritten < MIB
        caller.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        assert len((await caller.answer()).body) == TOTAL
        assert proxy.core.in_use == 0


@on_uvloop
async def test_a_slow_upstream_stops_the_client() -> None:
    """An upload that the upstream doesn't read: the same the other way round."""
    sent, go_on = [0], asyncio.Event()

    async def script(connection: Connection) -> None:
        head = await connection.head()
        await go_on.wait()
        connection.answer(b"%d" % len(await connection.body(head)))

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: %d\r\n\r\n" % TOTAL)

        async def upload() -> None:
            for _ in range(TOTAL // len(PIECE)):
                caller.send(PIECE)
                await caller.writer.drain()
                sent[0] += len(PIECE)

        task = asyncio.create_task(upload())
        assert 0 < await stuck(sent) < IN_TRANSIT
        go_on.set()
        await task
        assert (await caller.answer()).body == b"%d" % TOTAL


@on_uvloop
async def test_pipelined_hits_for_a_client_that_doesnt_read_are_bounded() -> None:
    """Requests are cheap, answers aren't: the next one is looked at once there is room for its answer."""
    body = b"y" * 100_000

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(body)

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
        for _ in range(500):
            caller.get(b"/c")
        (client,) = proxy.runtime.context.clients
        hits = [0]
        while (now := proxy.service.figures.hits) != hits[0] or not now:
            hits[0] = now
            await stuck(hits)
        assert client.unwritten < MIB
        caller.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        for _ in range(500):
            assert len((await caller.answer()).body) == len(body)
