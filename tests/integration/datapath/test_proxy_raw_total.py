"""Connections of raw ports within the bound over all connections, over real sockets: they have a place each, give it back, and make others
wait; who can't have one is turned away."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Bind, Limits, Pool, RuntimeConfig, Upstream
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, free_port, metrics, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream


async def talks(connection: Connection) -> None:
    """A protocol of its own: says what it was told, until one of both leaves."""
    while line := await connection.reader.readline():
        if line == b"bye\n":
            return
        connection.send(line)


class Mixed:
    """The runtime of `proxied`, whose pool `m` speaks HTTP, and a port that is forwarded raw."""

    def __init__(self, proxy: Proxied, port: int) -> None:
        self.proxy, self.port = proxy, port
        self.budget = proxy.runtime.context.budget
        self.raw = proxy.runtime.places.raw_ports

    async def connected(self) -> Caller:
        """A raw connection; it may be turned away."""
        self.proxy.callers.append(await Caller.open(self.port))
        return self.proxy.callers[-1]

    @property
    def counted(self) -> tuple[int, int]:
        """Raw connections, and all."""
        return self.raw.in_use, self.budget.used


@asynccontextmanager
async def mixed(port: int, raw_port: int, total: int, host: str = "127.0.0.1", limits: Limits | None = None) -> AsyncIterator[Mixed]:
    async with proxied(port) as proxy:
        proxy.runtime.context.budget.limit = total
        own, bound = proxy.config(limits=limits or Limits()), free_port()
        raw = Pool(
            name="raw",
            upstream=Upstream(protocol="PostgreSQL", host=host, port=raw_port),
            binds=(Bind(kind="Local", address="127.0.0.1", port=bound),),
        )
        await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, raw), stores=own.stores), "Local")
        found = Mixed(proxy, bound)
        yield found
        for caller in proxy.callers:
            caller.leave()
        await until(lambda: not found.raw.in_use and not proxy.core.in_use)
        assert (found.budget.used, found.budget.waiting, proxy.runtime.context.tunnels) == (proxy.core.idle, 0, 0)


async def says(caller: Caller, line: bytes) -> bytes:
    caller.send(line)
    return await caller.reader.readline()


def resets(caller: Caller) -> None:
    """RST instead of FIN, after which there is nobody to hear an answer."""
    caller.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.leave()


async def turned_away(caller: Caller) -> bool:
    """Reset or closed, without a byte."""
    try:
        return await caller.reader.read() == b""
    except ConnectionResetError:
        return True


@on_uvloop
async def test_a_raw_connection_has_a_place_until_it_ends() -> None:
    """That is of both sides: who has said its last may still be told something. Status and metrics tell."""
    async with RawUpstream() as up, RawUpstream(talks) as other, mixed(up.port, other.port, 5) as both:
        first, second = await both.connected(), await both.connected()
        assert [await says(caller, b"hello\n") for caller in (first, second)] == [b"hello\n"] * 2
        assert (await (await both.proxy.caller()).ask()).status == 200
        assert (both.counted, both.proxy.runtime.status().connections) == ((2, 3), 3)
        page = metrics(both.proxy)
        assert (page["slipstream_raw_connections"][()], page["slipstream_connections"][()]) == (2.0, 3.0)
        assert page["slipstream_raw_connections_refused_total"][()] == 0.0
        first.leave()
        await until(lambda: both.counted == (1, 2))
        assert await says(second, b"bye\n") == b""
        assert both.counted == (1, 2)
        second.leave()
        await until(lambda: both.counted == (0, 1))


@on_uvloop
async def test_an_idle_connection_of_a_pool_makes_room_for_a_raw_one() -> None:
    """And when it ends a request has its place."""
    async with RawUpstream() as up, RawUpstream(talks) as other, mixed(up.port, other.port, 1) as both:
        caller = await both.proxy.caller()
        assert (await caller.ask()).status == 200
        raw = await both.connected()
        assert await says(raw, b"hello\n") == b"hello\n"
        assert (both.counted, both.proxy.core.idle, both.proxy.core.stats.connections_evicted) == ((1, 1), 0, 1)
        caller.get()
        await until(lambda: both.proxy.core.waiting == 1)
        raw.leave()
        assert (await caller.answer()).status == 200
        assert both.counted == (0, 1)


@on_uvloop
async def test_who_has_no_place_is_turned_away_counted_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Those that are there go on; nobody dials for it, and it isn't in anybody's way afterwards."""
    async with RawUpstream() as up, RawUpstream(talks) as other, mixed(up.port, other.port, 1) as both:
        first = await both.connected()
        assert await says(first, b"hello\n") == b"hello\n"
        for _ in range(3):
            assert await turned_away(await both.connected())
        assert (both.raw.refused, both.budget.waiting, both.counted, other.connections) == (3, 0, (1, 1), 1)
        assert metrics(both.proxy)["slipstream_raw_connections_refused_total"][()] == 3.0
        found = [record for record in caplog.records if record.message == "no place for a raw connection"]
        assert [(record.levelname, vars(record)["upstream"], vars(record)["limit"]) for record in found] == [
            ("WARNING", f"127.0.0.1:{other.port}", 1)
        ]
        assert await says(first, b"again\n") == b"again\n"
        first.leave()
        await until(lambda: both.counted == (0, 0))
        assert await says(await both.connected(), b"hello\n") == b"hello\n"


@on_uvloop
async def test_requests_that_wait_for_a_place_are_before_a_raw_connection() -> None:
    """First come, first served: it doesn't overtake them, and they have the place that comes free."""

    async def holds(connection: Connection) -> None:
        await connection.head()
        await gate.wait()
        connection.answer()

    gate = asyncio.Event()
    async with RawUpstream(holds) as up, RawUpstream(talks) as other, mixed(up.port, other.port, 1) as both:
        first, second = await both.proxy.caller(), await both.proxy.caller()
        first.get()
        await until(lambda: both.proxy.core.in_use == 1)
        second.get()
        await until(lambda: both.budget.waiting == 1)
        assert await turned_away(await both.connected())
        assert (both.budget.waiting, both.raw.refused) == (1, 1)
        gate.set()
        assert [(await caller.answer()).status for caller in (first, second)] == [200, 200]


@on_uvloop
async def test_a_dial_that_fails_gives_its_place_back() -> None:
    """The caller sees a reset, as it would without us."""
    async with RawUpstream() as up, mixed(up.port, free_port(), 1) as both:
        for _ in range(3):
            assert await turned_away(await both.connected())
        await until(lambda: both.counted == (0, 0))
        assert both.raw.refused == 0
        assert (await (await both.proxy.caller()).ask()).status == 200


@on_uvloop
async def test_who_leaves_before_its_upstream_is_there_gives_its_place_back() -> None:
    """While a name is looked up, and before anything was begun."""

    class Slow:
        def __init__(self) -> None:
            self.asked = 0

        async def resolve(self, host: str, port: int) -> list[str]:
            self.asked += 1
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

    slow = Slow()
    async with proxied(1, clock=ManualClock(), resolver=slow, upstream=Upstream(protocol="PostgreSQL", host="up.test", port=1)) as proxy:
        ports, context = proxy.runtime.places.raw_ports, proxy.runtime.context
        caller = await proxy.caller()
        await until(lambda: slow.asked)
        assert (ports.in_use, context.budget.used) == (1, 1)
        resets(caller)
        await until(lambda: not ports.in_use)
        resets(await proxy.caller())
        await until(lambda: not context.tunnels and not ports.in_use)
        assert (context.budget.used, ports.refused) == (0, 0)
