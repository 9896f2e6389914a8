"""A caller's own deadline over real sockets: passed on, met, and nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Limits, Match, Retry, Trip, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream, echo

EXPECTED = b"X-Envoy-Expected-Rq-Timeout-Ms"
OVERRIDE = b"X-Envoy-Upstream-Rq-Timeout-Ms"


def ended(proxy: Proxied) -> None:
    state = proxy.service.state
    assert (proxy.core.in_use, proxy.core.waiting, len(state.tracker), len(proxy.service.flights)) == (0, 0, 0, 0)
    assert not state.tracker._alarms


class Silent:
    """Remembers what it is asked and answers nothing until told to."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.go = asyncio.Event()

    async def script(self, connection: Connection) -> None:
        while True:
            self.heads.append(await connection.head())
            await self.go.wait()
            connection.answer(b"late", extra=b"Cache-Control: max-age=60\r\n")


async def heads(connection: Connection) -> None:
    """Answers with the head that it was sent."""
    while True:
        connection.answer(await connection.head())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (EXPECTED + b": 5000\r\n", 5_000),
        (OVERRIDE + b": 5000\r\n", 5_000),
        (OVERRIDE + b": 5000\r\n" + EXPECTED + b": 700\r\n", 700),
        (OVERRIDE.lower() + b": 900000\r\n", 900_000),
        (OVERRIDE + b": 0\r\n", None),
        (EXPECTED + b": soon\r\n", None),
        (EXPECTED + b": -5\r\n", None),
        (EXPECTED + b": 99999999999999999999\r\n", None),
        (b"", None),
    ],
)
@on_uvloop
async def test_what_is_left_of_the_time_is_passed_on(lines: bytes, told: int | None) -> None:
    """In one header, renewed; what isn't a time isn't passed on, and changes nothing."""
    async with RawUpstream(heads) as up, proxied(up.port, clock=ManualClock()) as proxy:
        sent = (await (await proxy.caller()).ask(extra=lines)).body.split(b"\r\n")
        found = [line for line in sent if b"rq-timeout" in line.lower()]
        assert found == ([] if told is None else [EXPECTED + b": %d" % told])
        assert sent[0] == b"GET / HTTP/1.1"
        ended(proxy)


@on_uvloop
async def test_a_deadline_of_nothing_is_refused_at_once() -> None:
    """Nothing is asked of the upstream; but what is stored is served."""
    async with RawUpstream(echo) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        for path in (b"/", b"/c"):
            found = await caller.ask(path, EXPECTED + b": 0\r\n")
            assert (found.status, found.fields[b"x-slipstream-reason"]) == (504, b"DeadlineExceeded")
        assert up.connections == 0
        await caller.ask(b"/c")
        assert (await caller.ask(b"/c", EXPECTED + b": 0\r\n")).status == 200
        ended(proxy)


@on_uvloop
async def test_a_callers_deadline_ends_its_call() -> None:
    """504 then, not at requestTimeout, and the client's connection goes on; the next call without one waits as ever."""
    clock, up = ManualClock(), Silent()
    async with RawUpstream(up.script) as raw, proxied(raw.port, clock=clock) as proxy:
        caller = await proxy.caller()
        caller.get(extra=OVERRIDE + b": 400\r\n")
        await until(lambda: up.heads)
        clock.advance(0.39)
        await asyncio.sleep(0.06)  # two ticks
        assert len(proxy.service.state.tracker) == 1
        clock.advance(0.02)
        found = await caller.answer()
        assert (found.status, found.fields[b"proxy-status"]) == (504, b"slipstream; error=http_response_timeout")
        assert sum(proxy.service.figures.operations["GET *"].buckets) == 1  # it had an answer, and that took its time
        assert proxy.service.figures.operations["GET *"].seconds == pytest.approx(0.41)
        ended(proxy)
        caller.get()
        await until(lambda: len(up.heads) == 2)
        clock.advance(1)
        up.go.set()
        assert (await caller.answer()).status == 200


@on_uvloop
async def test_a_deadline_holds_in_the_queue_too() -> None:
    """While another has the only connection; and acquireTimeout is no shorter for the others."""
    clock, up = ManualClock(), Silent()
    async with RawUpstream(up.script) as raw, proxied(raw.port, clock=clock, limits=Limits(max_connections=1)) as proxy:
        first, second, third = [await proxy.caller() for _ in range(3)]
        first.get()
        await until(lambda: up.heads)
        second.get(extra=EXPECTED + b": 300\r\n")
        third.get()
        await until(lambda: proxy.core.waiting == 2)
        clock.advance(0.31)
        assert (await second.answer()).fields[b"x-slipstream-reason"] == b"DeadlineExceeded"
        assert proxy.core.waiting == 1
        up.go.set()
        assert [(await caller.answer()).status for caller in (first, third)] == [200, 200]
        ended(proxy)


@on_uvloop
async def test_a_slow_upload_doesnt_outlive_its_callers_deadline() -> None:
    """The body isn't complete: the deadline counts from the head."""
    clock, up = ManualClock(), Silent()
    async with RawUpstream(up.script) as raw, proxied(raw.port, clock=clock) as proxy:
        caller = await proxy.caller()
        caller.send(b"POST / HTTP/1.1\r\nHost: up\r\nContent-Length: 100\r\n%b: 300\r\n\r\nhalf" % EXPECTED)
        await until(lambda: up.heads)
        clock.advance(0.31)
        assert (await caller.answer()).status == 504
        ended(proxy)


@pytest.mark.parametrize("hurried", ["leader", "follower"])
@on_uvloop
async def test_one_callers_deadline_is_not_that_of_those_who_wait_for_the_same_read(hurried: str) -> None:
    """The hurried one gets its 504; the call goes on, and is answered and stored for the others."""
    clock, up = ManualClock(), Silent()
    async with RawUpstream(up.script) as raw, proxied(raw.port, clock=clock, cache=(cache_rule(),)) as proxy:
        first, second = await proxy.caller(), await proxy.caller()
        hurry = EXPECTED + b": 200\r\n"
        first.get(b"/c", hurry if hurried == "leader" else b"")
        await until(lambda: up.heads)
        second.get(b"/c", hurry if hurried == "follower" else b"")
        await until(lambda: len(proxy.service.state.tracker) == 2)
        clock.advance(0.21)
        one, other = (first, second) if hurried == "leader" else (second, first)
        assert (await one.answer()).status == 504
        up.go.set()
        found = await other.answer()
        assert (found.status, found.body, len(up.heads)) == (200, b"late", 1)
        assert len(proxy.service.stores["s"]) == 1
        ended(proxy)


@pytest.mark.parametrize(("seconds", "state"), [(0.5, "Closed"), (2.5, "Open")])
@on_uvloop
async def test_callers_in_a_hurry_dont_open_a_circuit_but_a_hanging_upstream_does(seconds: float, state: str) -> None:
    """Only what the rule would call slow is the upstream's fault."""
    clock, up = ManualClock(), Silent()
    rule = BreakerRule(name="b", policy="p", match=Match(), window=Window(type="Count", calls=9), trip=Trip(consecutive_failures=1))
    async with RawUpstream(up.script) as raw, proxied(raw.port, clock=clock, breakers=(rule,)) as proxy:
        caller = await proxy.caller()
        caller.get(extra=EXPECTED + b": %d\r\n" % (seconds * 1_000))
        await until(lambda: up.heads)
        clock.advance(seconds + 0.01)
        assert (await caller.answer()).status == 504
        assert proxy.service.circuits.all()[0].state(clock.now()) == state
        ended(proxy)


@on_uvloop
async def test_an_answer_in_time_may_flow_beyond_the_deadline() -> None:
    """It is for the answer's head, as requestTimeout is."""
    clock, go = ManualClock(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await go.wait()
        connection.send(b"rest")

    async with RawUpstream(script) as up, proxied(up.port, clock=clock) as proxy:
        caller = await proxy.caller()
        caller.get(extra=EXPECTED + b": 200\r\n")
        await until(lambda: proxy.service.figures.by_class[2])
        clock.advance(0.5)
        await asyncio.sleep(0.06)  # two ticks
        go.set()
        assert (await caller.answer()).body == b"halfrest"
        ended(proxy)


@on_uvloop
async def test_many_deadlines_leave_nothing_behind() -> None:
    """Alarms of requests that ended long before them don't pile up."""
    async with RawUpstream(echo) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        for _ in range(500):
            await caller.ask(extra=EXPECTED + b": 100000\r\n")
        assert len(proxy.service.state.tracker._heap) <= 70
        ended(proxy)


@on_uvloop
async def test_no_attempt_begins_that_the_callers_deadline_would_end() -> None:
    """The upstream asks for two seconds, the caller has one: the answer is passed on at once."""

    async def script(connection: Connection) -> None:
        await connection.head()
        connection.answer(status=b"503 Busy", extra=b"Retry-After: 2\r\n")

    rule = BreakerRule(name="b", policy="p", retry=Retry(max_attempts=2))
    async with RawUpstream(script) as up, proxied(up.port, breakers=(rule,)) as proxy:
        found = await (await proxy.caller()).ask(extra=EXPECTED + b": 1000\r\n")
        assert (found.status, found.fields[b"retry-after"]) == (503, b"2")
        assert proxy.service.figures.retries_refused["deadline"] == 1
        ended(proxy)
