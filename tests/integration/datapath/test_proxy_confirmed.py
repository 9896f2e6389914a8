"""Answers that the upstream wants to confirm before each use (`no-cache`, `max-age=0`): kept, asked about, and served to nobody unasked."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Partition, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.integration.datapath.test_proxy_cache import settled, status_of, waiting
from tests.integration.datapath.test_proxy_revalidation import Origin

LIFELESS = (b"no-cache", b"max-age=0", b"max-age=0, must-revalidate")
# A rule that grants whatever it can.
GENEROUS = cache_rule(stale_while_revalidate_ms=60_000, stale_if_error_ms=60_000, stale_while_open_ms=60_000)


def saying(value: bytes) -> Origin:
    return Origin(b"Cache-Control: %b\r\n" % value)


@pytest.mark.parametrize("value", LIFELESS)
@on_uvloop
async def test_each_use_is_asked_about_and_costs_no_body(value: bytes) -> None:
    """The upstream hears our conditions each time; a new version takes the place of the old one at once."""
    origin = saying(value)
    async with RawUpstream(origin) as up, proxied(up.port, cache=(GENEROUS,)) as proxy:
        caller = await proxy.caller()
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"
        for _ in range(2):
            found = await caller.ask(b"/c")
            assert (found.status, found.body) == (200, b"a")
            assert status_of(found) == b"slipstream; fwd=stale; fwd-status=304; stored"
        origin.version = b"b"
        assert (await caller.ask(b"/c")).body == b"b"
        found = await caller.ask(b"/c", b'If-None-Match: "b"\r\n')
        assert (found.status, found.body) == (304, b"")
        assert origin.conditions == [b"", b'"a"', b'"a"', b'"a"', b'"b"']
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.stale, counters.revalidated, counters.rejected) == (0, 0, 3, 0)


@on_uvloop
async def test_without_a_validator_it_isnt_kept() -> None:
    """Control: there's nothing to ask with."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(extra=b"Cache-Control: no-cache\r\n")

    async with RawUpstream(script) as up, proxied(up.port, cache=(GENEROUS,)) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; detail=no-cache"
        assert len(proxy.service.stores["s"]) == 0


@pytest.mark.parametrize("value", LIFELESS)
@pytest.mark.parametrize("stored", [False, True])
@on_uvloop
async def test_who_waits_for_such_an_answer_asks_for_itself(value: bytes, stored: bool) -> None:
    """Of a herd nobody is handed what another's call brought, be it the answer or its confirmation; the control shares one call."""
    for said, calls in ((value, 5), (b"max-age=60", 1)):
        clock, origin = ManualClock(), saying(said)
        async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GENEROUS,)) as proxy:
            callers = [await proxy.caller() for _ in range(5)]
            if stored:
                await callers[0].ask(b"/c")
                clock.advance(200)  # long enough that the control has no grace left; and no key is marked any more
                origin.seen.clear()
            origin.gate = asyncio.Event()
            for caller in callers:
                caller.get(b"/c")
            await waiting(proxy, 5)
            origin.gate.set()
            found = [await caller.answer() for caller in callers]
            assert {answer.body for answer in found} == {b"a"}
            assert len(origin.seen) == calls
            assert sum(b"collapsed" in status_of(answer) for answer in found) == 5 - calls
            if stored and calls == 5:
                assert origin.conditions == [b'"a"'] * 5
            assert (proxy.core.in_use, len(proxy.service.flights), len(proxy.service.state.tracker)) == (0, 0, 0)


@pytest.mark.parametrize("value", LIFELESS)
@on_uvloop
async def test_it_stands_in_for_nothing(value: bytes) -> None:
    """Neither for a trouble nor while the circuit is open nor for who takes stale ones, though the rule grants each; HEAD asks, too."""
    clock, origin = ManualClock(), saying(value)
    breaker = BreakerRule(
        name="b", policy="p", window=Window(type="Count", calls=1, minimum_calls=1), fallback=(Fallback(type="StaleCache"),)
    )
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GENEROUS,), breakers=(breaker,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        found = await caller.ask(b"/c", b"Cache-Control: max-stale\r\n")
        assert status_of(found) == b"slipstream; fwd=stale; fwd-status=304; stored"
        caller.get(b"/c", method=b"HEAD")
        assert status_of(await caller.answer(b"HEAD")) == b"slipstream; fwd=stale"
        assert (await caller.ask(b"/c", b"Cache-Control: only-if-cached\r\n")).status == 504
        assert len(origin.seen) == 3
        origin.status = b"503 Busy"
        assert (await caller.ask(b"/c")).status == 503
        found = await caller.ask(b"/c")
        assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"CircuitOpen")


@on_uvloop
async def test_what_it_grants_itself_counts() -> None:
    """RFC 5861: `max-age=0` with a stale-while-revalidate is served at once and fetched anew, one refresh each."""
    clock, origin = ManualClock(), saying(b"max-age=0, stale-while-revalidate=10")
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(3)
        for _ in range(3):
            assert b"detail=stale-while-revalidate" in status_of(await caller.ask(b"/c"))
            while len(proxy.service.refreshes):
                await settled()
        assert origin.conditions == [b"", b'"a"', b'"a"', b'"a"']
        assert (proxy.service.refreshes.succeeded, proxy.service.refreshes.failed) == (3, 0)
        clock.advance(11)
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=stale; fwd-status=304; stored"


@on_uvloop
async def test_trap_02_another_session_is_asked_for_by_itself() -> None:
    """The upstream never hears one session's tag from another; in Shadow nothing is asked about at all."""
    by_session = Partition(type="Header", headers=("X-Session-Id",))
    for mode, heard in (("Enforce", [b"", b"", b'"a"']), ("Shadow", [b"", b"", b""])):
        origin = saying(b"no-cache")
        async with RawUpstream(origin) as up, proxied(up.port, cache=(cache_rule(partition=by_session, mode=mode),)) as proxy:
            caller = await proxy.caller()
            for session in (b"s1", b"s2", b"s1"):
                assert (await caller.ask(b"/c", b"X-Session-Id: %b\r\n" % session)).body == b"a"
            assert origin.conditions == heard
            assert proxy.service.cache.counters("p").hits == 0


@on_uvloop
async def test_an_answer_that_gets_a_life_has_one() -> None:
    """And one that loses it is asked about from then on."""
    origin = saying(b"no-cache")
    async with RawUpstream(origin) as up, proxied(up.port, clock=ManualClock(), cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        origin.extra = b"Cache-Control: max-age=30\r\n"
        await caller.ask(b"/c")
        assert status_of(await caller.ask(b"/c")) == b"slipstream; hit; ttl=30"
        origin.extra = b"Cache-Control: no-cache\r\n"
        await caller.ask(b"/c", b"Cache-Control: no-cache\r\n")
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=stale; fwd-status=304; stored"


@on_uvloop
async def test_a_fast_confirmation_doesnt_end_what_was_slow_to_get() -> None:
    """`minLatency` is about what the answer itself cost; of a whole answer that comes fast it still is."""
    clock, origin = ManualClock(), saying(b"no-cache")
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(min_latency_ms=50),)) as proxy:
        caller = await proxy.caller()
        origin.gate = asyncio.Event()
        caller.get(b"/c")
        await waiting(proxy, 1)
        while not origin.seen:
            await settled()
        clock.advance(0.1)
        origin.gate.set()
        assert status_of(await caller.answer()) == b"slipstream; fwd=uri-miss; stored"
        for _ in range(3):
            assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=stale; fwd-status=304; stored"
        origin.version = b"b"
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=stale; detail=fast"
        assert len(proxy.service.stores["s"]) == 0
