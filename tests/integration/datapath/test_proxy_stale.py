"""After its time: served while a new one is fetched, instead of an error, longer while the circuit is open, and never what is forbidden."""

from __future__ import annotations

import asyncio

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Partition, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, invalidation, proxied
from tests.fakes.raw_upstream import RawUpstream
from tests.integration.datapath.test_proxy_cache import settled, status_of, waiting
from tests.integration.datapath.test_proxy_revalidation import Origin

SERVED = b"detail=stale-while-revalidate"


async def refreshed(proxy: Proxied) -> None:
    while len(proxy.service.refreshes):
        await settled()


@on_uvloop
async def test_a_stale_answer_is_served_while_a_new_one_is_fetched() -> None:
    """The caller doesn't wait; a hundred of them are one refresh; afterwards the new one is there."""
    clock, origin = ManualClock(), Origin()
    rule = cache_rule(stale_while_revalidate_ms=30_000)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
        callers = [await proxy.caller() for _ in range(100)]
        await callers[0].ask(b"/c")
        clock.advance(61)
        origin.version, origin.gate = b"b", asyncio.Event()
        found = [await caller.ask(b"/c") for caller in callers]
        assert {(answer.body, status_of(answer)) for answer in found} == {(b"a", b"slipstream; hit; ttl=-1; " + SERVED)}
        origin.gate.set()
        await refreshed(proxy)
        assert (await callers[0].ask(b"/c")).body == b"b"
        assert origin.conditions == [b"", b'"a"']
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.misses, counters.stale, counters.refreshed) == (1, 1, 100, 1)
        assert (proxy.core.in_use, len(proxy.service.flights), len(proxy.service.state.tracker)) == (0, 0, 0)


@on_uvloop
async def test_the_upstreams_own_word_is_enough_and_the_policy_bounds_it() -> None:
    """RFC 5861 §3: stale-while-revalidate of the answer, where the rule sets none; 0 forbids it."""
    for rule, served in ((cache_rule(), True), (cache_rule(stale_while_revalidate_ms=0), False)):
        clock, origin = ManualClock(), Origin(b"Cache-Control: max-age=10, stale-while-revalidate=20\r\n")
        async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
            caller = await proxy.caller()
            await caller.ask(b"/c")
            clock.advance(15)
            assert status_of(await caller.ask(b"/c")).endswith(SERVED) == served
            await refreshed(proxy)


@on_uvloop
async def test_trap_12_a_failed_refresh_replaces_nothing_and_waits() -> None:
    """A 5xx, or an upstream that is gone: the old answer stays, and one refresh a second at most is tried."""
    clock, origin = ManualClock(), Origin()
    rule = cache_rule(stale_while_revalidate_ms=300_000, stale_if_error_ms=0)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.status = b"503 Busy"
        for _ in range(10):
            assert (await caller.ask(b"/c")).body == b"a"
            await refreshed(proxy)
        assert len(origin.seen) == 2
        clock.advance(1)
        assert (await caller.ask(b"/c")).body == b"a"
        await refreshed(proxy)
        assert (len(origin.seen), proxy.service.refreshes.failed, proxy.service.figures.errors) == (3, 2, 0)
        origin.status = b""
        clock.advance(2)
        await caller.ask(b"/c")
        await refreshed(proxy)
        assert status_of(await caller.ask(b"/c")) == b"slipstream; hit; ttl=60"


@on_uvloop
async def test_trap_12_a_write_during_a_refresh_wins() -> None:
    """What the refresh brings was read before the write, so it isn't stored; and nothing stale is served any more."""
    clock, origin = ManualClock(), Origin(validates=False)
    rule = cache_rule(stale_while_revalidate_ms=300_000)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,), invalidations=(invalidation(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.gate = asyncio.Event()
        assert status_of(await caller.ask(b"/c")).endswith(SERVED)
        await settled()
        proxy.service.cache.generations.bump_tags(("t",))
        origin.gate.set()
        await refreshed(proxy)
        assert (proxy.service.refreshes.failed, len(proxy.service.stores["s"])) == (1, 1)
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"


@on_uvloop
async def test_trap_12_a_refresh_is_made_with_the_askers_credentials() -> None:
    """And is for its partition only."""
    clock, origin = ManualClock(), Origin(validates=False)
    rule = cache_rule(stale_while_revalidate_ms=300_000, partition=Partition(type="PerCaller"))
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c", b"Authorization: one\r\n")
        await caller.ask(b"/c", b"Authorization: two\r\n")
        clock.advance(61)
        await caller.ask(b"/c", b"Authorization: two\r\n")
        await refreshed(proxy)
        assert [b"Authorization: two" in head for head in origin.seen] == [False, True, True]
        assert status_of(await caller.ask(b"/c", b"Authorization: two\r\n")) == b"slipstream; hit; ttl=60"
        assert status_of(await caller.ask(b"/c", b"Authorization: one\r\n")).endswith(SERVED)
        await refreshed(proxy)


@on_uvloop
async def test_who_comes_too_late_for_the_stale_one_joins_the_refresh() -> None:
    """The grace is over while the refresh is under way: its call is waited for, not made twice."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(stale_while_revalidate_ms=5_000),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        origin.version, origin.gate = b"b", asyncio.Event()
        await caller.ask(b"/c")
        clock.advance(10)
        caller.get(b"/c")
        await waiting(proxy, 2)
        origin.gate.set()
        found = await caller.answer()
        assert (found.body, status_of(found)) == (b"b", b"slipstream; fwd=stale; stored; collapsed")
        assert len(origin.seen) == 2


@on_uvloop
async def test_while_the_circuit_is_open_answers_serve_longer() -> None:
    """staleWhileOpen: past staleIfError a plain failure is told, an open circuit isn't."""
    clock, origin = ManualClock(), Origin()
    breaker = BreakerRule(
        name="b", policy="p", window=Window(type="Count", calls=4, minimum_calls=2), fallback=(Fallback(type="StaleCache"),)
    )
    rule = cache_rule(stale_if_error_ms=5_000, stale_while_open_ms=600_000)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,), breakers=(breaker,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(70)
        origin.status = b"503 Busy"
        while (found := await caller.ask(b"/c")).status == 503:
            pass
        assert (found.body, status_of(found)) == (b"a", b"slipstream; hit; ttl=-10; detail=CircuitOpen")
        clock.advance(600)
        assert (await caller.ask(b"/c")).status == 503


@on_uvloop
async def test_what_must_be_revalidated_is_never_served_stale() -> None:
    """RFC 9111 §4.2.4: not for an error, not meanwhile, not for max-stale."""
    clock, origin = ManualClock(), Origin(b"Cache-Control: max-age=10, must-revalidate, stale-while-revalidate=99\r\n")
    rule = cache_rule(stale_if_error_ms=600_000)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(15)
        origin.status = b"503 Busy"
        assert (await caller.ask(b"/c", b"Cache-Control: max-stale\r\n")).status == 503


@on_uvloop
async def test_trap_04_who_may_no_longer_see_it_gets_the_refusal_and_nothing_old_afterwards() -> None:
    """A 403 to the same caller ends what was stored for it: no later failure is answered with it."""
    clock, origin = ManualClock(), Origin()
    rule = cache_rule(stale_if_error_ms=600_000, partition=Partition(type="PerCaller"))
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,)) as proxy:
        caller = await proxy.caller()
        asker = b"Authorization: one\r\n"
        await caller.ask(b"/c", asker)
        clock.advance(61)
        origin.status = b"503 Busy"
        assert (await caller.ask(b"/c", asker)).body == b"a"
        origin.status = b"403 Forbidden"
        assert (await caller.ask(b"/c", asker)).status == 403
        origin.status = b"503 Busy"
        assert (await caller.ask(b"/c", asker)).status == 503


@on_uvloop
async def test_a_request_may_take_what_is_past_its_time() -> None:
    """max-stale: without a call to the upstream; only-if-cached with it is content too."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(70)
        found = await caller.ask(b"/c", b"Cache-Control: max-stale=20, only-if-cached\r\n")
        assert (found.body, status_of(found)) == (b"a", b"slipstream; hit; ttl=-10; detail=max-stale")
        assert (await caller.ask(b"/c", b"Cache-Control: max-stale=5, only-if-cached\r\n")).status == 504
        assert len(origin.seen) == 1


@on_uvloop
async def test_not_found_is_remembered_where_the_rule_says_so() -> None:
    """negativeTtl, and no longer."""
    clock, origin = ManualClock(), Origin()
    origin.status = b"404 Not Found"
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(cache_rule(negative_ttl_ms=5_000),)) as proxy:
        caller = await proxy.caller()
        assert [(await caller.ask(b"/c")).status for _ in range(3)] == [404] * 3
        assert len(origin.seen) == 1
        clock.advance(5)
        origin.status = b""
        assert (await caller.ask(b"/c")).status == 200
