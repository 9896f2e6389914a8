"""Answers that are fetched before anybody asks: within the budget, for their partition, and only where that harms nobody."""

from __future__ import annotations

import asyncio

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Match, Partition, Trip, Warming, WarmRequest, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, proxied
from tests.fakes.raw_upstream import RawUpstream
from tests.integration.datapath.test_proxy_cache import settled, status_of
from tests.integration.datapath.test_proxy_revalidation import Origin

RULE = cache_rule(match=Match(protocol="HTTP", methods=("GET",), path_kind="Prefix", path="/"))


def warming(*paths: str, per_second: int = 1000, headers: tuple[tuple[str, str], ...] = ()) -> Warming:
    requests = tuple(WarmRequest(path=path, headers=headers) for path in paths)
    return Warming(policy="p", requests_per_second=per_second, requests=requests)


async def quiet(proxy: Proxied, ticks: int = 4) -> None:
    """The sweep has looked so often, and what it began has ended."""
    seen: list[float] = []
    original = proxy.service.state.sweep

    def counted(now: float) -> None:
        seen.append(now)
        original(now)

    proxy.service.state.sweep = counted  # type: ignore[method-assign]  # looks, and passes on
    while len(seen) < ticks or len(proxy.service.refreshes):
        await settled()
    proxy.service.state.sweep = original  # type: ignore[method-assign]  # as above


@on_uvloop
async def test_what_is_listed_is_there_before_anybody_asks_and_stays_there() -> None:
    """One call each, and one more shortly before its end; the first caller has a hit, and no call is anybody's miss."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock) as proxy:
        await proxy.apply(cache_rules=(RULE,), warming=(warming("/a", "/b?x=1"),))
        await quiet(proxy)
        assert sorted(head.split(b" ")[1] for head in origin.seen) == [b"/a", b"/b?x=1"]
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.misses, counters.refreshed) == (0, 0, 2)
        caller = await proxy.caller()
        for path in (b"/a", b"/b?x=1"):
            caller.send(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (path, up.port))
            assert status_of(await caller.answer()).startswith(b"slipstream; hit")
        clock.advance(50)
        await quiet(proxy)
        assert len(origin.seen) == 2
        clock.advance(5)
        await quiet(proxy)
        assert len(origin.seen) == 4


@on_uvloop
async def test_trap_44_warming_keeps_to_its_budget() -> None:
    """Two at first, for a budget of two a second; not the whole list at once."""
    clock, origin = ManualClock(), Origin()
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock) as proxy:
        await proxy.apply(cache_rules=(RULE,), warming=(warming(*(f"/{n}" for n in range(20)), per_second=2),))
        await quiet(proxy, 10)
        assert len(origin.seen) == 2
        clock.advance(1.0)
        await quiet(proxy, 10)
        assert len(origin.seen) == 4


@on_uvloop
async def test_trap_44_warming_stops_while_the_circuit_is_open() -> None:
    """An upstream in trouble isn't asked for what nobody asked for; a probe isn't made of it either."""
    clock, origin = ManualClock(), Origin()
    origin.status = b"503 Busy"
    breaker = BreakerRule(
        name="b",
        policy="p",
        window=Window(type="Count", calls=4, minimum_calls=2),
        trip=Trip(failure_rate_percent=0, consecutive_failures=2),
    )
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock, breakers=(breaker,)) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            await caller.ask(b"/x")
        await proxy.apply(cache_rules=(RULE,), breaker_rules=(breaker,), warming=(warming("/a"),))
        for _ in range(3):
            await quiet(proxy)
            clock.advance(30.0)  # past the open time: half-open, which is for callers
        assert len(origin.seen) == 2


@on_uvloop
async def test_trap_44_warming_is_of_one_partition() -> None:
    """The one that its headers name; without an identity there is nothing to store it for, and it isn't asked for."""
    clock, origin = ManualClock(), Origin()
    rule = cache_rule("/c", partition=Partition(type="Header", headers=("X-Team",)))
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock) as proxy:
        mine, nobodys = warming("/c", headers=(("X-Team", "red"),)), warming("/c")
        await proxy.apply(cache_rules=(rule,), warming=(mine, nobodys))
        await quiet(proxy)
        assert [b"X-Team: red" in head for head in origin.seen] == [True]
        assert len(proxy.service.stores["s"]) == 1


@on_uvloop
async def test_a_failed_one_is_tried_again_later() -> None:
    """A second at first, then longer; once it is there, no more."""
    clock, origin = ManualClock(), Origin()
    origin.status = b"500 Trouble"
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock) as proxy:
        await proxy.apply(cache_rules=(RULE,), warming=(warming("/a"),))
        await quiet(proxy)
        assert len(origin.seen) == 1
        origin.status, origin.gate = b"", asyncio.Event()
        clock.advance(1.0)
        while len(origin.seen) < 2:
            await settled()
        origin.gate.set()
        await quiet(proxy)
        clock.advance(2.0)
        await quiet(proxy)
        assert len(origin.seen) == 2


@on_uvloop
async def test_one_that_has_no_life_is_asked_about_now_and_then() -> None:
    """It can't be kept fresh: not once a second for ever."""
    clock, origin = ManualClock(), Origin(b"Cache-Control: no-cache\r\n")
    async with RawUpstream(origin) as up, proxied(up.port, clock=clock) as proxy:
        await proxy.apply(cache_rules=(RULE,), warming=(warming("/a"),))
        for seconds, calls in ((0, 1), (1, 2), (20, 2), (11, 3)):
            clock.advance(seconds)
            await quiet(proxy)
            assert len(origin.seen) == calls
        assert origin.conditions == [b"", b'"a"', b'"a"']
