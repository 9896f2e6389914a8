"""A name with several addresses: each gets its share, one that fails costs no request, a silent one costs a part of the time."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Limits, Upstream
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.addresses import RESOLUTION_SECONDS
from slipstream_runtime.proxy.dialer import Dialer, DialError
from tests.fakes.addressed import HOME, Names, dialled, servers
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import free_port, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream


async def until(condition: Callable[[], bool]) -> None:
    """Turns of the loop, with what they bring in, until it holds."""
    while not condition():
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


@on_uvloop
async def test_dials_are_spread_over_all_addresses() -> None:
    """In turn, across a new resolution too, whose order may differ."""
    clock, names = ManualClock(), Names(*HOME)
    async with servers(*HOME) as (port, _):
        dialer = Dialer(names, clock)
        assert [await dialled(dialer, port) for _ in range(6)] == HOME * 2
        clock.advance(RESOLUTION_SECONDS)
        assert await dialled(dialer, port) == HOME[0]
        clock.advance(RESOLUTION_SECONDS)
        assert await dialled(dialer, port) == HOME[1]
        assert names.asked == 3


@on_uvloop
async def test_connections_of_a_pool_are_spread() -> None:
    """Nine at once: three a server, and DNS was asked once."""
    names, waiting, go = Names(*HOME), 0, asyncio.Event()

    async def script(connection: Connection) -> None:
        nonlocal waiting
        await connection.request()
        waiting += 1
        if waiting == 9:
            go.set()
        await go.wait()
        connection.answer()

    async with servers(*HOME) as (port, up):
        for server in up.values():
            server.script = script
        async with proxied(port, upstream=Upstream(host="up.example", port=port), resolver=names) as proxy:
            callers = [await proxy.caller() for _ in range(9)]
            assert {found.status for found in await asyncio.gather(*(caller.ask() for caller in callers))} == {200}
    assert {host: server.connections for host, server in up.items()} == dict.fromkeys(HOME, 3)
    assert names.asked == 1


@on_uvloop
async def test_an_address_that_refuses_costs_no_dial() -> None:
    """The next one is tried, and the dead one comes last from then on, until the name is resolved anew."""
    clock = ManualClock()
    async with servers(HOME[1], HOME[2]) as (port, up):
        dialer = Dialer(Names(*HOME), clock)
        found = Counter([await dialled(dialer, port) for _ in range(6)])
        assert set(found) == {HOME[1], HOME[2]}
        async with RawUpstream(host=HOME[0], port=port):
            assert HOME[0] not in {await dialled(dialer, port) for _ in range(6)}
            clock.advance(RESOLUTION_SECONDS)
            assert HOME[0] in {await dialled(dialer, port) for _ in range(3)}
        assert up[HOME[1]].connections > 0


@on_uvloop
async def test_a_caller_notices_nothing_of_a_dead_address() -> None:
    """Through the whole proxy."""
    async with (
        servers(HOME[2]) as (port, _),
        proxied(port, upstream=Upstream(host="up.example", port=port), resolver=Names(*HOME)) as proxy,
    ):
        assert (await (await proxy.caller()).ask()).status == 200


@on_uvloop
async def test_a_silent_address_takes_its_share_of_the_time_and_no_more() -> None:
    """A listener whose queue is full answers no SYN, as a host that is gone: the other address still gets half of the timeout."""
    with socket.socket() as full, socket.socket() as filler:
        full.bind((HOME[0], 0))
        full.listen(0)
        port = full.getsockname()[1]
        filler.setblocking(False)
        filler.connect_ex((HOME[0], port))
        async with RawUpstream(host=HOME[1], port=port) as up:
            dialer = Dialer(Names(HOME[0], HOME[1]), ManualClock())
            assert await dialled(dialer, port, 0.4) == HOME[1]
            assert await dialled(dialer, port, 0.4) == HOME[1]
            await until(lambda: up.connections == 2)
        with pytest.raises(DialError) as refused:  # both gone: one refuses, one is silent
            await dialled(dialer, port, 0.2)
    assert refused.value.failure is failures.CONNECT_TIMEOUT


@on_uvloop
async def test_no_address_left_resolves_the_name_at_once() -> None:
    """It may have moved, as a Service that was made anew."""
    clock, names = ManualClock(), Names(HOME[0], HOME[1])
    async with servers(HOME[2]) as (port, _):
        dialer = Dialer(names, clock)
        with pytest.raises(DialError) as refused:
            await dialled(dialer, port)
        assert refused.value.failure is failures.CONNECT_REFUSED
        names.addresses = [HOME[2]]
        assert await dialled(dialer, port) == HOME[2]
        assert names.asked == 2


@on_uvloop
async def test_one_dial_given_up_doesnt_end_the_question_of_the_others() -> None:
    """And with the last one it ends."""
    names = Names(HOME[0])
    names.hold.clear()
    async with servers(HOME[0]) as (port, _):
        dialer = Dialer(names, ManualClock())
        hasty, patient = (asyncio.create_task(dialled(dialer, port)) for _ in range(2))
        await until(lambda: names.asked > 0)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        names.hold.set()
        assert (await patient, names.asked) == (HOME[0], 1)
        names.hold.clear()
        dialer = Dialer(names, ManualClock())
        before = asyncio.all_tasks()
        with pytest.raises(DialError) as refused:
            await dialled(dialer, port, 0.01)
        assert refused.value.failure is failures.DNS_ERROR
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("fate", ["connects", "fails"])
@on_uvloop
async def test_a_client_that_leaves_while_its_connection_is_dialled_leaks_nothing(fate: str) -> None:
    """Its place in the queue goes at once; the connection is kept idle for the next caller, and its slot was never in doubt."""
    names = Names(HOME[0])
    names.hold.clear()
    async with servers(*HOME[:1] if fate == "connects" else ()) as (port, up):
        upstream = Upstream(host="up.example", port=port)
        async with proxied(port, upstream=upstream, resolver=names, limits=Limits(max_connections=1)) as proxy:
            caller, other = await proxy.caller(), await proxy.caller()
            caller.get()
            await until(lambda: names.asked > 0)
            assert (proxy.core.connecting, proxy.core.waiting) == (1, 1)
            caller.leave()
            await until(lambda: not proxy.core.waiting)
            assert (proxy.core.connecting, proxy.core.in_use, len(proxy.service.state.tracker)) == (1, 0, 0)
            names.hold.set()
            await until(lambda: not proxy.core.connecting)
            assert (proxy.core.size, proxy.core.idle) == ((1, 1) if fate == "connects" else (0, 0))
            assert (await other.ask()).status == (200 if fate == "connects" else 502)
            assert proxy.service.figures.cancelled == 1
            assert proxy.core.in_use == 0
    assert [server.connections for server in up.values()] == ([1] if fate == "connects" else [])


@on_uvloop
async def test_a_dial_goes_where_the_fewest_connections_are() -> None:
    """An address that was restarted, and lost its connections, gets them back first; in turn it would get every third one."""
    names = Names(*HOME)

    async def hold(connection: Connection) -> None:
        while True:
            await connection.request()
            await released.wait()
            connection.answer()

    released = asyncio.Event()
    async with AsyncExitStack() as stack:
        port, up = free_port(), {}
        for host in HOME:
            up[host] = await stack.enter_async_context(RawUpstream(hold, host=host, port=port))
        upstream = Upstream(host="up.example", port=port)
        async with proxied(port, upstream=upstream, resolver=names, limits=Limits(max_connections=12)) as proxy:
            callers = [await proxy.caller() for _ in range(12)]
            for caller in callers[:6]:
                caller.get()
            await until(lambda: sum(server.connections for server in up.values()) == 6)
            loads = proxy.service.pool._loads
            assert loads == dict.fromkeys(HOME, 2)
            for task in list(up[HOME[1]]._tasks):
                task.cancel()
            await until(lambda: HOME[1] not in loads)
            for caller in callers[6:8]:
                caller.get()
            await until(lambda: up[HOME[1]].connections == 4)
            assert loads == dict.fromkeys(HOME, 2)
            released.set()
            for caller in callers[:2]:
                await caller.answer()
    await until(lambda: not loads)


@on_uvloop
async def test_a_failed_dial_loads_nobody() -> None:
    """Refused, or given up."""
    names = Names(*HOME)
    async with servers(HOME[2]) as (port, _):
        loads: dict[str, int] = {}
        dialer = Dialer(names, ManualClock())
        for n in range(4):
            await dialer.connect(Tagged, Upstream(host="up.example", port=port), 2.0, loads)
            assert loads == {HOME[2]: n + 1}
    with pytest.raises(DialError):
        await dialer.connect(Tagged, Upstream(host="up.example", port=port), 2.0, loads)
    assert loads == {HOME[2]: 4}


class Tagged(asyncio.Protocol):
    address = ""
