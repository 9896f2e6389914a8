"""Callers with a deadline of their own and an older answer at hand: it comes in time, where policy allows it, and the call goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Limits, Match, Retry, Trip, Window
from tests.fakes.batched import Items, asking, batched, serving
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, cache_rule, invalidation, proxied, until
from tests.fakes.raw_upstream import RawUpstream
from tests.integration.datapath.test_proxy_cache import status_of
from tests.integration.datapath.test_proxy_revalidation import Origin

HURRY = b"X-Envoy-Expected-Rq-Timeout-Ms: 400\r\n"
GRACE = cache_rule(stale_if_error_ms=300_000)
LATE = b"slipstream; hit; ttl=-2; detail=DeadlineExceeded"
NEVER_OPENS = Window(type="Count", calls=1_000, minimum_calls=1_000)


def chain(*types: str, attempts: int = 1, **retry: Any) -> BreakerRule:
    steps = tuple(Fallback(type=kind, status=418) for kind in types)  # type: ignore[arg-type]  # of Fallback's
    policy = Retry(max_attempts=attempts, budget_percent=100, **retry)
    return BreakerRule(name="b", policy="p", match=Match(), window=NEVER_OPENS, fallback=steps, retry=policy)


def ended(proxy: Proxied) -> None:
    state = proxy.service.state
    assert (proxy.core.in_use, proxy.core.waiting, len(state.tracker), len(proxy.service.flights)) == (0, 0, 0, 0)
    assert not state.tracker._alarms


async def hung(proxy: Proxied, clock: ManualClock, origin: Origin) -> Caller:
    """A caller that has an answer from before; the upstream hangs from now on, and what is stored is past its time."""
    caller = await proxy.caller()
    await caller.ask(b"/c")
    clock.advance(61)
    origin.version, origin.gate = b"b", asyncio.Event()
    return caller


async def hurried(caller: Caller, origin: Origin, extra: bytes = HURRY) -> None:
    """It has asked, and the upstream was asked."""
    before = len(origin.seen)
    caller.get(b"/c", extra)
    await until(lambda: len(origin.seen) > before)


@on_uvloop
async def test_a_caller_in_a_hurry_gets_what_is_at_hand_while_it_listens() -> None:
    """Before its time is over, and not long before; the call goes on, and the next caller has what it brought."""
    clock, origin = ManualClock(), Origin(validates=False)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,)) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        clock.advance(0.34)
        await asyncio.sleep(0.06)  # two ticks
        assert proxy.service.cache.counters("p").stale == 0
        clock.advance(0.02)
        found = await caller.answer()
        assert (found.status, found.body, status_of(found)) == (200, b"a", LATE)
        assert (len(proxy.service.flights), proxy.service.figures.errors) == (1, 0)
        assert sum(proxy.service.figures.operations["GET /c"].buckets) == 2  # with the one before
        assert origin.gate is not None
        origin.gate.set()
        await until(lambda: not len(proxy.service.flights))
        found = await caller.ask(b"/c")
        assert (found.body, status_of(found)[:15], len(origin.seen)) == (b"b", b"slipstream; hit", 2)
        assert sum(proxy.service.figures.operations["GET /c"].buckets) == 2  # what went on was nobody's
        ended(proxy)


@pytest.mark.parametrize(
    ("rule", "breakers"),
    [
        (cache_rule(stale_if_error_ms=0), ()),
        (cache_rule(stale_if_error_ms=1_000), ()),
        (GRACE, (chain("Static"),)),
        (GRACE, (chain("FailFast", "StaleCache"),)),
    ],
    ids=["no-grace", "grace-is-over", "a-chain-without-it", "a-chain-that-comes-to-an-end-before"],
)
@on_uvloop
async def test_where_policy_doesn_t_allow_it_the_deadline_is_an_error(rule: Any, breakers: tuple[BreakerRule, ...]) -> None:
    """At the deadline, as ever, and the call ends with it."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(rule,), breakers=breakers) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        clock.advance(0.39)
        await asyncio.sleep(0.06)  # two ticks
        assert len(proxy.service.flights) == 1
        clock.advance(0.02)
        found = await caller.answer()
        assert (found.fields[b"x-slipstream-reason"], found.body == b"a") == (b"DeadlineExceeded", False)
        ended(proxy)


@on_uvloop
async def test_a_chain_that_names_it_first_serves_it() -> None:
    """And a text after it is for who has nothing at hand."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,), breakers=(chain("StaleCache", "Static"),)) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        clock.advance(0.36)
        assert status_of(await caller.answer()) == LATE


@on_uvloop
async def test_a_deadline_of_nothing_gets_what_is_at_hand_without_a_call() -> None:
    """Nothing can be asked in no time."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,)) as proxy:
        caller = await hung(proxy, clock, origin)
        found = await caller.ask(b"/c", b"X-Envoy-Expected-Rq-Timeout-Ms: 0\r\n")
        assert (found.body, status_of(found), len(origin.seen)) == (b"a", LATE.replace(b"-2", b"-1"), 1)
        ended(proxy)


@pytest.mark.parametrize("first_hurries", [True, False])
@on_uvloop
async def test_of_those_who_wait_for_one_call_each_has_its_own_time(first_hurries: bool) -> None:
    """Who waits longer gets the new one, whoever made the call."""
    clock, origin = ManualClock(), Origin(validates=False)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,)) as proxy:
        first, second = await hung(proxy, clock, origin), await proxy.caller()
        await hurried(first, origin, HURRY if first_hurries else b"")
        second.get(b"/c", b"" if first_hurries else HURRY)
        await until(lambda: len(proxy.service.state.tracker) == 2)
        clock.advance(0.36)
        quick, patient = (first, second) if first_hurries else (second, first)
        assert status_of(await quick.answer()) == LATE
        assert origin.gate is not None
        origin.gate.set()
        found = await patient.answer()
        assert (found.body, len(origin.seen)) == (b"b", 2)
        ended(proxy)


@on_uvloop
async def test_what_a_write_ended_meanwhile_isn_t_at_hand_any_more() -> None:
    """An error then, at the deadline, and nothing stale."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,), invalidations=(invalidation(),)) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        proxy.service.cache.generations.bump_tags(("t",))
        clock.advance(0.36)
        await asyncio.sleep(0.06)  # two ticks
        assert len(proxy.service.flights) == 1
        clock.advance(0.05)
        assert (await caller.answer()).status == 504
        ended(proxy)


@on_uvloop
async def test_an_attempt_s_own_time_still_counts_after_its_caller_was_answered() -> None:
    """The call that goes on is tried again when perTryTimeout is over, and its answer is stored."""
    clock, origin = ManualClock(), Origin(validates=False)
    breakers = (chain(attempts=2, per_try_timeout_ms=700),)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,), breakers=breakers) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        clock.advance(0.36)
        assert status_of(await caller.answer()) == LATE
        clock.advance(0.36)
        await until(lambda: proxy.service.figures.retries_made == 1)
        assert origin.gate is not None
        origin.gate.set()
        clock.advance(1)
        await until(lambda: not len(proxy.service.flights))
        assert (await caller.ask(b"/c")).body == b"b"
        ended(proxy)


@on_uvloop
async def test_a_call_that_goes_on_ends_at_request_timeout_and_is_the_upstream_s_failure() -> None:
    """It isn't anybody's answer, and leaves nothing behind."""
    clock, origin = ManualClock(), Origin()
    rule = BreakerRule(name="b", policy="p", match=Match(), window=Window(type="Count", calls=9), trip=Trip(consecutive_failures=1))
    limits = Limits(request_timeout_ms=5_000)
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, cache=(GRACE,), breakers=(rule,), limits=limits) as proxy:
        caller = await hung(proxy, clock, origin)
        await hurried(caller, origin)
        clock.advance(0.36)
        assert status_of(await caller.answer()) == LATE
        assert proxy.service.circuits.all()[0].state(clock.now()) == "Closed"
        clock.advance(5)
        await until(lambda: not len(proxy.service.flights))
        assert proxy.service.circuits.all()[0].state(clock.now()) == "Open"
        ended(proxy)


@on_uvloop
async def test_who_waits_for_a_batch_is_in_a_hurry_too() -> None:
    """It waits for company while the first one's call hangs; what it waited for is done without it."""
    clock, items = ManualClock(), Items()
    items.gate.set()
    async with serving(items, batched(stale_if_error_ms=600_000), clock=clock) as proxy:
        caller = await proxy.caller()
        for one in (b"1", b"2"):
            await caller.ask(b"/items/" + one)
        clock.advance(61)
        items.gate.clear()
        first = await asking(proxy, "1")
        caller.get(b"/items/2", HURRY)
        await until(lambda: len(proxy.service.state.tracker) == 2)
        clock.advance(0.36)
        found = await caller.answer()
        assert (found.status, status_of(found)) == (200, LATE)
        items.gate.set()
        assert (await first[0].answer()).status == 200
        ended(proxy)
