"""What a breaker hears of calls over real sockets: the upstream's time, and nothing of what callers and our own queue take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, HalfOpen, Limits, Open, StoreConfig, Trip, Window
from slipstream_runtime.cores.breaker import Breaker
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

SLOW = Trip(failure_rate_percent=0, slow_call_rate_percent=50, slow_call_duration_ms=500)
LARGE = 24 << 20  # more than sockets hold on loopback
UPLOAD = b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 2\r\n\r\nx"


class Held:
    """An upstream that answers each call when it is told to, in two steps: the head with half of the body, and the rest."""

    def __init__(self) -> None:
        self.asked = 0
        self.heads = asyncio.Semaphore(0)
        self.rests = asyncio.Semaphore(0)
        self.whole = True

    async def script(self, connection: Connection) -> None:
        while True:
            await connection.request()
            self.asked += 1
            await self.heads.acquire()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
            if not self.whole:
                await self.rests.acquire()
            connection.send(b"rest")


@asynccontextmanager
async def held(**settings: Any) -> AsyncIterator[tuple[Held, Proxied, ManualClock]]:
    up, clock = Held(), ManualClock()
    rule = {"window": Window(type="Count", calls=20, minimum_calls=2), "trip": SLOW, "open": Open(duration_ms=60_000)}
    rule |= settings.pop("rule", {})
    async with (
        RawUpstream(up.script) as raw,
        proxied(raw.port, clock=clock, breakers=(BreakerRule(name="b", policy="p", **rule),), **settings) as proxy,
    ):
        yield up, proxy, clock


def breaker_of(proxy: Proxied) -> Breaker:
    found: Breaker = proxy.service.circuits.all()[0]
    return found


def heard(proxy: Proxied) -> tuple[str, int, int]:
    """The state that calls and time made; how many trips; how many calls were counted."""
    breaker = breaker_of(proxy)
    return breaker.state(proxy.runtime.context.now), breaker.trips, breaker.window.calls


@pytest.mark.parametrize(("seconds", "found"), [(0.3, ("Closed", 0, 5)), (0.6, ("Open", 1, 0))])
@on_uvloop
async def test_trap_35_the_wait_for_a_connection_is_no_slowness_of_the_upstream(seconds: float, found: tuple[str, int, int]) -> None:
    """Five callers share one connection: the last waits four calls long. The control: an upstream that is slow itself."""
    async with held(limits=Limits(max_connections=1)) as (up, proxy, clock):
        callers = [await proxy.caller() for _ in range(5)]
        for number, caller in enumerate(callers):
            caller.get()
            await until(lambda number=number: proxy.core.in_use + proxy.core.waiting > number)
        for number, caller in enumerate(callers):
            await until(lambda number=number: up.asked > number)
            clock.advance(seconds)
            up.heads.release()
            assert (await caller.answer()).status == 200
        assert heard(proxy) == found


@pytest.mark.parametrize(("waited", "failures"), [(4.0, 0), (1.0, 1)])
@on_uvloop
async def test_trap_35_a_timeout_after_a_long_wait_in_the_queue_is_no_outcome(waited: float, failures: int) -> None:
    """Of five seconds the upstream had one. The control: it had four."""
    limits = Limits(max_connections=1, request_timeout_ms=5_000, acquire_timeout_ms=5_000)
    async with held(limits=limits, rule={"window": Window(type="Count", calls=9, minimum_calls=9), "trip": Trip()}) as (up, proxy, clock):
        first, second = await proxy.caller(), await proxy.caller()
        first.get()
        await until(lambda: up.asked == 1)
        second.get()
        await until(lambda: proxy.core.waiting)
        clock.advance(waited)
        up.heads.release()
        await first.answer()
        await until(lambda: up.asked == 2)
        clock.advance(5.1 - waited)
        answer = await second.answer()
        assert (answer.status, answer.fields[b"x-slipstream-reason"]) == (504, b"RequestTimeout")
        assert breaker_of(proxy).window.failures == failures


@pytest.mark.parametrize(("seconds", "found"), [(0.0, ("Closed", 0, 3)), (0.6, ("Open", 1, 0))])
@on_uvloop
async def test_trap_33_a_caller_that_is_slow_to_send_is_no_slowness_of_the_upstream(seconds: float, found: tuple[str, int, int]) -> None:
    """Its clock starts with the last byte of the body. The control: it is slow after that."""
    async with held() as (up, proxy, clock):
        callers = [await proxy.caller() for _ in range(3)]
        for caller in callers:
            caller.send(UPLOAD)
        await until(lambda: proxy.core.in_use == 3)
        clock.advance(0.7)
        for caller in callers:
            caller.send(b"y")
        await until(lambda: up.asked == 3)
        clock.advance(seconds)
        for _ in callers:
            up.heads.release()  # which of them is answered first is the sockets' affair
        for caller in callers:
            assert (await caller.answer()).status == 200
        assert heard(proxy) == found


@pytest.mark.parametrize(("before", "found"), [(0.0, ("Closed", 0, 3)), (0.6, ("Open", 1, 0))])
@on_uvloop
async def test_trap_33_how_long_a_body_flows_is_no_slowness_of_the_upstream(before: float, found: tuple[str, int, int]) -> None:
    """Nobody can say who holds it up; its clock ends with the head. The control: the head is late."""
    async with held() as (up, proxy, clock):
        up.whole = False
        callers = [await proxy.caller() for _ in range(3)]
        for caller in callers:
            caller.get()
        await until(lambda: up.asked == 3)
        clock.advance(before)
        for _ in callers:
            up.heads.release()
        for caller in callers:
            await caller.reader.readuntil(b"half")
        assert heard(proxy) == ("Closed", 0, 0)  # it may still be cut short
        clock.advance(0.7)
        for _ in callers:
            up.rests.release()
        for caller in callers:
            await caller.reader.readuntil(b"rest")
        await until(lambda: not proxy.core.in_use)
        assert heard(proxy) == found


@pytest.mark.parametrize(
    ("reads", "sent", "cached", "failures"), [(False, LARGE, False, 0), (True, 9, False, 2), (False, LARGE - 9, True, 2)]
)
@on_uvloop
async def test_trap_33_a_caller_that_doesnt_read_is_no_failure_of_the_upstream(reads: bool, sent: int, cached: bool, failures: int) -> None:
    """Its connection is cut, and others are served. The controls: the upstream sends no more though we'd read it, and so it does where
    what it sends is collected for others, however slow this one reads."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            if b"/c" in head:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
                connection.send(bytes(sent))
            else:
                connection.answer()

    clock = ManualClock()
    rule = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=20, minimum_calls=10))
    cache = (cache_rule(),) if cached else ()
    async with RawUpstream(script) as up, proxied(up.port, clock=clock) as proxy:
        proxy.store = StoreConfig(name="s", max_bytes=8 * LARGE, max_entry_bytes=2 * LARGE)
        await proxy.apply(breaker_rules=(rule,), limits=Limits(request_timeout_ms=700), cache_rules=cache)
        for number in (1, 2):
            caller = await proxy.caller()
            if not reads:
                caller.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
            caller.get(b"/c")
            await until(lambda number=number: proxy.service.figures.by_class[2] == number and (reads or not client_of(proxy).writable))
            while proxy.core.in_use:
                clock.advance(0.8)
                await asyncio.sleep(0.06)  # two ticks
            caller.leave()
            await until(lambda: not proxy.runtime.context.clients)
        assert breaker_of(proxy).window.failures == failures
        assert (await (await proxy.caller()).ask()).status == 200
        assert breaker_of(proxy).window.calls == failures + 1


def client_of(proxy: Proxied) -> Any:
    (client,) = proxy.runtime.context.clients
    return client


@pytest.mark.parametrize(("drips", "found"), [(True, ("HalfOpen", 1)), (False, ("Open", 2))])
@on_uvloop
async def test_trap_34_a_probe_whose_caller_drips_its_body_says_nothing(drips: bool, found: tuple[str, int]) -> None:
    """Its place is given to another when its lease is over, and the circuit closes by that one's answer. The control: a probe that the
    upstream has and doesn't answer."""
    rule = {
        "window": Window(type="Count", calls=1, minimum_calls=1),
        "trip": Trip(slow_call_rate_percent=50, slow_call_duration_ms=500),
        "open": Open(duration_ms=1_000, jitter_percent=0),
        "half_open": HalfOpen(max_probes=1, minimum_probes=1, success_rate_percent=100),
    }
    async with held(rule=rule, limits=Limits(request_timeout_ms=60_000)) as (up, proxy, clock):
        await open_up(up, proxy, clock)
        probe = await proxy.caller()
        probe.send(UPLOAD if drips else UPLOAD + b"y")
        await until(lambda: proxy.core.in_use)
        clock.advance(66)  # its lease is requestTimeout and five seconds; no sweep comes between
        breaker = breaker_of(proxy)
        breaker.expire(clock.now())
        assert (breaker.state(clock.now()), breaker.trips) == found


async def open_up(up: Held, proxy: Proxied, clock: ManualClock) -> None:
    caller: Caller = await proxy.caller()
    caller.get()
    await until(lambda: up.asked == 1)
    clock.advance(0.6)
    up.heads.release()
    await caller.answer()
    clock.advance(1.1)
    assert breaker_of(proxy).state(clock.now()) == "HalfOpen"
