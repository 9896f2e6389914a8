"""What an upstream does wrong costs the caller at most one honest answer, and never a slot of the pool."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Limits, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream


def leaves_nothing(proxy: Proxied) -> None:
    """No slot, deadline, permit or waiter of a request that is over."""
    assert (proxy.core.in_use, proxy.core.waiting, len(proxy.service.state.tracker), len(proxy.service.flights)) == (0, 0, 0, 0)


def stale_after_one(reset: bool) -> object:
    """Answers one request on the first connection and closes on the second one's bytes; later connections behave."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(b"%d" % connection.number)
        if connection.number > 1:
            await connection.gone()
            return
        await connection.request()
        if reset:
            connection.reset()

    return script


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@on_uvloop
async def test_trap_31_a_read_on_a_connection_that_died_idle_is_sent_once_more(reset: bool) -> None:
    """On a new connection; the caller sees nothing of it."""
    async with RawUpstream(stale_after_one(reset)) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        assert (await caller.ask()).body == b"1"
        assert (await caller.ask()).body == b"2"
        assert (up.connections, proxy.service.figures.retries) == (2, 1)
        leaves_nothing(proxy)


@on_uvloop
async def test_a_write_is_never_sent_twice() -> None:
    """Nobody knows whether it was done: 502, and one connection only."""
    async with RawUpstream(stale_after_one(False)) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        await caller.ask()
        caller.post(b"/w")
        found = await caller.answer()
        assert (found.status, found.fields[b"proxy-status"]) == (502, b"slipstream; error=connection_terminated")
        assert up.connections == 1
        leaves_nothing(proxy)


@on_uvloop
async def test_a_new_connection_that_closes_isnt_tried_again() -> None:
    """Only one that idled may have died of old age."""

    async def script(connection: Connection) -> None:
        await connection.request()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        assert (await (await proxy.caller()).ask()).status == 502
        assert up.connections == 1
        leaves_nothing(proxy)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", b"connection_terminated"),
        (b"HTTP/1.1 200", b"connection_terminated"),
        (b"SSH-2.0-x\r\n\r\n", b"http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"http_protocol_error"),
        (b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", b"http_protocol_error"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", b"http_protocol_error"),
    ],
)
@on_uvloop
async def test_a_broken_answer_is_a_502_that_says_why(answer: bytes, error: bytes) -> None:
    """The client's own connection goes on."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(answer)

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            found = await caller.ask()
            assert (found.status, found.fields[b"proxy-status"]) == (502, b"slipstream; error=" + error)
        leaves_nothing(proxy)


@pytest.mark.parametrize("answer", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"])
@on_uvloop
async def test_trap_15_half_an_answer_is_never_taken_for_a_whole(answer: bytes) -> None:
    """The client's connection is cut, and nothing is stored."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + answer)

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.get(b"/c")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.answer()
        assert len(proxy.service.stores["s"]) == 0
        leaves_nothing(proxy)


@on_uvloop
async def test_bytes_after_an_answer_end_its_connection() -> None:
    """They would be taken for the next caller's answer."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(b"mine")
        connection.answer(b"poison")
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for _ in range(3):
            assert (await caller.ask()).body == b"mine"
        assert up.connections == 3


@on_uvloop
async def test_nobody_listening_is_a_502() -> None:
    """With the cause, for a first and for a later request."""
    async with proxied(free_port()) as proxy:
        caller = await proxy.caller()
        found = await caller.ask()
        assert (found.status, found.fields[b"proxy-status"]) == (502, b"slipstream; error=connection_refused")
        assert (await caller.ask()).status == 502
        leaves_nothing(proxy)


@on_uvloop
async def test_an_upstream_that_stalls_is_a_504_at_the_deadline() -> None:
    """The clock of the runtime decides, and the connection isn't reused."""
    asked, clock = asyncio.Event(), ManualClock()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port, clock=clock) as proxy:
        caller = await proxy.caller()
        caller.get()
        await asked.wait()
        clock.advance(29.9)
        assert len(proxy.service.state.tracker) == 1
        clock.advance(0.2)
        found = await caller.answer()
        assert (found.status, found.fields[b"proxy-status"]) == (504, b"slipstream; error=http_response_timeout")
        leaves_nothing(proxy)
        assert proxy.core.idle == 0


@on_uvloop
async def test_a_full_pool_refuses_and_a_long_wait_ends() -> None:
    """503 with Retry-After: at once behind maxPending, after acquireTimeout within it. Neither is the upstream's failure."""
    asked, clock = asyncio.Event(), ManualClock()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await connection.gone()

    limits = Limits(max_connections=1, max_pending=1, acquire_timeout_ms=1_000)
    breaker = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=1, minimum_calls=1))
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, limits=limits, breakers=(breaker,)) as proxy:
        first, second, third = [await proxy.caller() for _ in range(3)]
        first.get()
        await asked.wait()
        second.get()
        found = await third.ask() if await queued(proxy, second) else None
        assert found is not None
        assert (found.status, found.fields[b"x-slipstream-reason"], found.fields[b"retry-after"]) == (503, b"PoolFull", b"1")
        clock.advance(1.1)
        found = await second.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"AcquireTimeout")
        assert proxy.service.circuits.all()[0].state(clock.now()) == "Closed"
        first.leave()


async def queued(proxy: Proxied, caller: object) -> bool:
    """The request of another connection has been read: a full round trip through the loop brings it in."""
    while not proxy.core.waiting:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    return True


@pytest.mark.parametrize("phase", ["queued", "asked", "streaming", "sending"])
@on_uvloop
async def test_trap_33_a_client_that_leaves_gives_everything_back(phase: str) -> None:
    """Whenever it does; the upstream's connection is closed, never reused, and no breaker hears of it."""
    reached, gone = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        if phase == "streaming":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        reached.set()
        await connection.gone()
        gone.set()

    breaker = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=1, minimum_calls=1))
    async with RawUpstream(script) as up, proxied(up.port, limits=Limits(max_connections=1), breakers=(breaker,)) as proxy:
        caller, other = await proxy.caller(), await proxy.caller()
        if phase == "sending":
            caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 100\r\n\r\nhalf")
        else:
            caller.get()
        await reached.wait()
        if phase == "streaming":
            await caller.reader.readuntil(b"half")
        if phase == "queued":
            other.get()
            await queued(proxy, other)
            other.leave()
            while proxy.core.waiting:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            assert proxy.core.in_use == 1
        caller.leave()
        await gone.wait()
        leaves_nothing(proxy)
        circuit = proxy.service.circuits.all()[0]
        assert (circuit.state(proxy.runtime.context.now), circuit.window.calls) == ("Closed", 0)


@on_uvloop
async def test_a_circuit_opens_refuses_with_its_fallback_and_closes_again() -> None:
    """Static text and Retry-After while open, no call to the upstream; probes close it."""
    clock, broken = ManualClock(), True
    calls = 0

    async def script(connection: Connection) -> None:
        nonlocal calls
        while True:
            await connection.request()
            calls += 1
            connection.answer(status=b"500 Oops" if broken else b"200 OK")

    rule = BreakerRule(
        name="b",
        policy="p",
        window=Window(type="Count", calls=4, minimum_calls=4),
        fallback=(Fallback(type="Static", status=418, body='{"degraded":true}', retry_after_ms=5_000),),
    )
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, breakers=(rule,)) as proxy:
        caller = await proxy.caller()
        assert [(await caller.ask()).status for _ in range(4)] == [500] * 4
        found = await caller.ask()
        assert (found.status, found.body, found.fields[b"retry-after"], calls) == (418, b'{"degraded":true}', b"5", 4)
        assert found.fields[b"x-slipstream-reason"] == b"CircuitOpen"
        broken = False
        clock.advance(61)
        assert [(await caller.ask()).status for _ in range(4)] == [200] * 4
        assert proxy.service.circuits.all()[0].state(clock.now()) == "Closed"


@on_uvloop
async def test_a_connection_too_many_is_answered_and_closed() -> None:
    """503 without a question; those that are there go on, and when one leaves another may come."""
    async with RawUpstream() as up, proxied(up.port) as proxy:
        proxy.runtime.context.max_clients = 2
        first, second = await proxy.caller(), await proxy.caller()
        assert [(await caller.ask()).status for caller in (first, second)] == [200, 200]
        third = await proxy.caller()
        found = await third.answer()
        assert (found.status, found.fields[b"x-slipstream-reason"], found.fields[b"connection"]) == (503, b"TooManyClients", b"close")
        assert await third.ended()
        assert b"slipstream_clients_refused_total 1.0" in proxy.runtime.metrics()
        assert (await first.ask()).status == 200
        second.leave()
        await until(lambda: len(proxy.runtime.context.clients) == 1)
        assert (await (await proxy.caller()).ask()).status == 200
