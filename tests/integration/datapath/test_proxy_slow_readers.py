"""A client that stopped reading before its next request has an answer: the upstream of that one waits for it, and nobody else does."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_runtime.proxy.client import Client
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

MIB = 1 << 20
TOTAL = 50 * MIB
PIECE = b"x" * 65_536
IN_TRANSIT = 24 * MIB  # what the kernel and both transports may hold on loopback; far below TOTAL
HIT = 10_000  # bytes of an answer from the store
HITS = b"GET /c HTTP/1.1\r\nHost: up\r\n\r\n" * 6  # less than leaves at once, and with what waits more than a buffer may hold


async def full(proxy: Proxied, caller: Caller) -> tuple[Client, int]:
    """A connection whose client reads nothing any more, and how many answers were written there: with HITS it has too much."""
    await caller.ask(b"/c")
    caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
    (client,) = proxy.runtime.context.clients
    hits = 0
    while client.unwritten < HIT:
        caller.get(b"/c")
        hits += 1
        await until(lambda: proxy.service.figures.hits == hits)  # noqa: B023  # asked at once
    assert client.writable
    return client, hits


async def read_on(caller: Caller, hits: int) -> None:
    """The client reads again, first what was written to it before."""
    caller.writer.transport.resume_reading()  # type: ignore[attr-defined]  # a read transport
    for _ in range(hits + 6):
        assert len((await caller.answer()).body) == HIT


async def stuck(progress: list[int]) -> int:
    """What has been written once nothing moves any more: as often as the loop turns, not as long as a clock says."""
    before, same = -1, 0
    while same < 50:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        same = same + 1 if progress[0] == before else 0
        before = progress[0]
    return progress[0]


@pytest.mark.parametrize(
    ("path", "lines", "start"),
    [
        (b"/big", b"", b"200 OK\r\nContent-Length: %d" % TOTAL),
        (b"/c?big", b"", b"200 OK\r\nCache-Control: no-store\r\nContent-Length: %d" % TOTAL),
        (b"/big", b"Connection: Upgrade\r\nUpgrade: x\r\n", b"101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x"),
    ],
)
@on_uvloop
async def test_an_upstream_that_is_dialled_later_waits_for_the_client(path: bytes, lines: bytes, start: bytes) -> None:
    """There was nothing to pause when the client's buffer was full. Past the cache, where the answer isn't stored, and in a tunnel."""
    sent = [0]

    async def script(connection: Connection) -> None:
        head, _ = await connection.request()
        if b"big" not in head:
            connection.answer(bytes(HIT), b"Connection: close\r\n")
            return
        connection.send(b"HTTP/1.1 %b\r\n\r\n" % start)
        for _ in range(TOTAL // len(PIECE)):
            connection.send(PIECE)
            await connection.writer.drain()
            sent[0] += len(PIECE)

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        client, hits = await full(proxy, caller)
        caller.send(HITS + b"GET %b HTTP/1.1\r\nHost: up\r\n%b\r\n" % (path, lines))
        assert 0 < await stuck(sent) < IN_TRANSIT
        assert client.unwritten < MIB
        await read_on(caller, hits)
        assert (await caller.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 " + start[:3])
        assert await caller.reader.readexactly(TOTAL) == PIECE * (TOTAL // len(PIECE))


@on_uvloop
async def test_a_client_that_doesnt_read_holds_up_nobody_who_waits_for_the_same_answer() -> None:
    """Its upstream isn't paused before there is an answer to relay: it would be taken for one that says nothing, too."""
    answers = asyncio.Event()

    async def script(connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            if b"new" in head:
                await answers.wait()
            connection.answer(bytes(HIT))

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        client, hits = await full(proxy, caller)
        caller.send(HITS + b"GET /c?new HTTP/1.1\r\nHost: up\r\n\r\n")
        await until(lambda: not client.writable and client.exchange is not None)
        other = await proxy.caller()
        other.get(b"/c?new")
        await until(lambda: proxy.service.router.plans[0].counters.coalesced)
        answers.set()
        assert len((await asyncio.wait_for(other.answer(), 5)).body) == HIT
        await read_on(caller, hits)
        assert len((await caller.answer()).body) == HIT
        assert up.connections == 1
