"""One bound over the connections of all pools, over real sockets: who waits for whom, and what a caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slipstream_api.clock import Clock, ManualClock
from slipstream_api.config import Bind, BreakerRule, Limits, Pool, RuntimeConfig, Trip, Upstream, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

TOUCHY = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=1, minimum_calls=1), trip=Trip(consecutive_failures=1))


class Two:
    """The runtime of `proxied`, its pool `m`, and a second pool `other` with a port of its own."""

    def __init__(self, proxy: Proxied, port: int) -> None:
        self.proxy, self.port = proxy, port
        self.budget = proxy.runtime.context.budget

    async def callers(self, mine: int, others: int) -> list[Caller]:
        more = [await Caller.open(self.port) for _ in range(others)]
        self.proxy.callers += more
        return [await self.proxy.caller() for _ in range(mine)] + more

    def core(self, name: str) -> Any:
        return self.proxy.runtime.pools.services[name].pool.core


@asynccontextmanager
async def two(port: int, other_port: int, total: int, *, clock: Clock | None = None, limits: Limits | None = None) -> AsyncIterator[Two]:
    async with proxied(port, clock=clock) as proxy:
        proxy.runtime.context.budget.limit = total
        own, bound = proxy.config(breaker_rules=(TOUCHY,), limits=limits or Limits()), free_port()
        second = Pool(
            name="other",
            upstream=Upstream(host="127.0.0.1", port=other_port),
            binds=(Bind(kind="Local", address="127.0.0.1", port=bound),),
            breaker_rules=(TOUCHY,),
            limits=limits or Limits(),
        )
        await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, second), stores=own.stores), "Local")
        found = Two(proxy, bound)
        yield found
        cores = [found.core(name) for name in ("m", "other")]  # a dial that nobody waits for any more still ends
        await until(lambda: all((core.in_use, core.waiting, core.connecting) == (0, 0, 0) for core in cores))
        assert found.budget.used == found.core("m").idle + found.core("other").idle


async def holds(connection: Connection) -> None:
    """Never answers."""
    await connection.head()
    await connection.gone()


@on_uvloop
async def test_a_crowd_of_two_pools_gets_along_with_three_connections() -> None:
    """Everybody is answered, and at no moment are there more; without the bound there would be."""
    most = 0

    async def script(connection: Connection) -> None:
        nonlocal most
        while True:
            await connection.request()
            most = max(most, pair.budget.used)
            await asyncio.sleep(0)
            connection.answer()

    async with RawUpstream(script) as up, RawUpstream(script) as other, two(up.port, other.port, 3) as pair:
        callers = await pair.callers(10, 10)
        for _ in range(5):
            answers = await asyncio.gather(*[caller.ask() for caller in callers])
            assert [found.status for found in answers] == [200] * 20
        assert most == 3
        pair.budget.limit = 100
        await asyncio.gather(*[caller.ask() for caller in callers])
        assert most > 3


@on_uvloop
async def test_an_idle_connection_of_another_pool_makes_room() -> None:
    """Its upstream sees it closed; status and metrics tell."""
    async with RawUpstream() as up, RawUpstream() as other, two(up.port, other.port, 1) as pair:
        mine, foreign = await pair.callers(1, 1)
        for caller in (mine, foreign, foreign, mine):
            assert (await caller.ask()).status == 200
        assert (up.connections, other.connections) == (2, 1)
        runtime = pair.proxy.runtime
        status = runtime.status()
        assert (status.connections, status.max_connections) == (1, 1)
        assert {pool.name: pool.connections.evicted_total for pool in status.pools} == {"m": 1, "other": 1}
        page = runtime.metrics()
        assert b"slipstream_connections 1.0" in page
        assert b"slipstream_connections_limit 1.0" in page
        assert b'slipstream_pool_connections_evicted_total{pool="other"} 1.0' in page


@on_uvloop
async def test_trap_35_who_had_no_place_in_time_hears_why_and_no_circuit_does() -> None:
    """503 after acquireTimeout: the other pool's connection is in use all the while. The control: a refused connection does open it."""
    clock = ManualClock()
    limits = Limits(acquire_timeout_ms=1_000)
    async with RawUpstream(holds) as up, RawUpstream() as other, two(up.port, other.port, 1, clock=clock, limits=limits) as pair:
        mine, foreign = await pair.callers(1, 1)
        mine.get()
        await until(lambda: pair.core("m").in_use)
        foreign.get()
        await until(lambda: pair.core("other").waiting)
        clock.advance(2)
        found = await foreign.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"TooManyConnections")
        assert found.fields[b"proxy-status"] == b"slipstream; error=connection_limit_reached"
        circuit = pair.proxy.runtime.pools.services["other"].circuits.all()[0]
        assert (circuit.state(clock.now()), circuit.window.calls) == ("Closed", 0)
        mine.leave()
        await until(lambda: not pair.core("m").in_use)
        assert (await foreign.ask()).status == 200
    async with RawUpstream() as up, two(up.port, free_port(), 1) as pair:
        _, foreign = await pair.callers(1, 1)
        assert (await foreign.ask()).status == 502
        assert pair.proxy.runtime.pools.services["other"].circuits.all()[0].state(pair.proxy.runtime.context.clock.now()) == "Open"


@on_uvloop
async def test_who_leaves_while_it_waits_takes_no_place() -> None:
    """The next in the queue has it."""
    async with RawUpstream(holds) as up, RawUpstream() as other, two(up.port, other.port, 1) as pair:
        mine, gone, stays = await pair.callers(1, 2)
        mine.get()
        await until(lambda: pair.core("m").in_use)
        gone.get()
        await until(lambda: pair.core("other").waiting == 1)
        stays.get()
        await until(lambda: pair.core("other").waiting == 2)
        gone.leave()
        await until(lambda: pair.core("other").waiting == 1)
        mine.leave()
        assert (await stays.answer()).status == 200


@on_uvloop
async def test_a_pool_that_is_removed_gives_its_places_back() -> None:
    """With the answer that was under way."""
    async with RawUpstream() as up, RawUpstream() as other, two(up.port, other.port, 2) as pair:
        mine, foreign = await pair.callers(1, 1)
        assert [(await caller.ask()).status for caller in (mine, foreign)] == [200, 200]
        budget = pair.budget
        assert budget.used == 2
        before = pair.proxy.runtime.effective()
        assert before is not None
        await pair.proxy.apply()
        assert budget.used == 1
        await pair.proxy.runtime.apply(before, "Local")
