"""A slow side holds up the other one instead of filling memory."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from slipstream_runtime.proxy import sockets
from slipstream_runtime.proxy.acceptor import AT_ONCE, Acceptor
from slipstream_runtime.wire.wires import make_wires
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

MIB = 1 << 20
TOTAL = 50 * MIB
PIECE = b"x" * 65_536
# What the kernel (two socket pairs) and both transports may hold on loopback; far below TOTAL.
IN_TRANSIT = 24 * MIB
SIOCOUTQNSD = 0x894B  # how much of a socket's data the kernel holds and hasn't sent


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


@on_uvloop
async def test_a_client_that_is_slow_to_take_the_end_doesnt_stop_the_connection_for_the_next() -> None:
    """The last of an answer may be more than the client takes; its connection is the next caller's by then. Sizes around what sockets hold,
    since only an answer whose end overflows the client's buffer shows it."""

    async def script(connection: Connection) -> None:
        while True:
            size = int((await connection.head()).split(b" ")[1][1:])
            connection.answer(bytes(size))

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        for size in range(100_000, 2_000_000, 60_000):
            await slow_and_quick(proxy, size)


async def slow_and_quick(proxy: Proxied, size: int) -> None:
    asked, slow = proxy.service.figures.requests, await proxy.caller()
    slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
    slow.get(b"/%d" % size)
    await until(lambda: proxy.service.figures.requests > asked)
    (client,) = proxy.runtime.context.clients
    await until(lambda: not client.writable or client.exchange is None)
    quick = await proxy.caller()
    assert (await asyncio.wait_for(quick.ask(b"/9"), 5)).body == bytes(9)
    slow.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
    assert len((await slow.answer()).body) == size
    slow.leave()
    quick.leave()
    await until(lambda: not proxy.runtime.context.clients)


def descriptor(transport: asyncio.Transport) -> int:
    """Its socket's, whoever made it."""
    sock = transport.get_extra_info("socket")
    return int(transport.fileno() if sock is None else sock.fileno())  # type: ignore[attr-defined]  # the poller's


async def unsent_in_kernel() -> int:
    """Bytes that the kernel holds, unsent, for a caller that doesn't read."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(bytes(TOTAL))

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
        caller.get()
        await until(lambda: proxy.service.figures.requests)
        (client,) = proxy.runtime.context.clients
        await until(lambda: not client.writable)
        assert client.transport is not None
        where = descriptor(client.transport)
        unsent = int(struct.unpack("i", fcntl.ioctl(where, SIOCOUTQNSD, bytes(4)))[0])
        caller.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        assert len((await caller.answer()).body) == TOTAL
        return unsent


@on_uvloop
async def test_the_kernel_holds_little_for_a_reader_that_is_slow() -> None:
    assert 0 < await unsent_in_kernel() <= 2 * sockets.UNSENT


def test_without_the_limit_the_kernel_holds_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the test before."""
    monkeypatch.setattr(sockets, "UNSENT", 1 << 30)

    @on_uvloop
    async def run() -> None:
        assert await unsent_in_kernel() > 4 * 131_072

    run()


class _Silent(asyncio.Protocol):
    """Keeps its transport until it is told."""

    def __init__(self, made: list[asyncio.BaseTransport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.append(transport)


@pytest.fixture
def waiting() -> Iterator[tuple[socket.socket, int]]:
    """A listening socket, and how many connections wait there."""
    with ExitStack() as stack:
        place = stack.enter_context(sockets.listening("127.0.0.1", 0, 100))
        for _ in range(AT_ONCE // 2):
            stack.enter_context(socket.create_connection(place.getsockname()))
        yield place, AT_ONCE // 2


async def turns(made: list[asyncio.BaseTransport], wanted: int) -> int:
    """How often the loop turns until as many connections are there."""
    count = 0
    while len(made) < wanted:
        await asyncio.sleep(0)
        count += 1
    for transport in made:
        transport.abort()  # type: ignore[attr-defined]  # a write transport
    return count


def test_connections_that_come_together_are_accepted_together(waiting: tuple[socket.socket, int]) -> None:
    place, wanted = waiting

    @on_uvloop
    async def run() -> None:
        made: list[asyncio.BaseTransport] = []
        acceptor = Acceptor(place, lambda: _Silent(made), make_wires())
        assert await turns(made, wanted) < wanted / 2
        acceptor.close()

    run()


def test_a_server_of_uvloop_takes_a_turn_for_each(waiting: tuple[socket.socket, int]) -> None:
    """The negative control of the test before; when it fails, the acceptor of our own has had its day."""
    place, wanted = waiting

    @on_uvloop
    async def run() -> None:
        made: list[asyncio.BaseTransport] = []
        server = await asyncio.get_running_loop().create_server(lambda: _Silent(made), sock=place)
        assert await turns(made, wanted) >= wanted
        server.close()

    run()
