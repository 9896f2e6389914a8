"""Another upstream as a fallback over real sockets: when, for whom, in what time, and that nothing of it is stored here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipstream_api.clock import Clock, ManualClock
from slipstream_api.config import BreakerRule, CacheRule, Fallback, Limits, Pool, Retry, RuntimeConfig, Trip, Upstream, Window
from slipstream_runtime.proxy.service import HttpService
from slipstream_runtime.runtime import ConfigRefused
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

OTHER = Fallback(type="Upstream", pool="other")
STATIC = Fallback(type="Static", status=418, body="static")


def rule(*chain: Fallback, attempts: int = 1, **settings: Any) -> BreakerRule:
    fields: dict[str, Any] = {"window": Window(type="Count", calls=1_000, minimum_calls=1_000), **settings}
    return BreakerRule(name="b", policy="p", fallback=chain, retry=Retry(max_attempts=attempts, budget_percent=100), **fields)


@asynccontextmanager
async def two(
    port: int,
    other_port: int,
    *chain: Fallback,
    clock: Clock | None = None,
    limits: Limits | None = None,
    cache: tuple[CacheRule, ...] = (),
    other: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Proxied]:
    """A pool whose chain may lead to a second one."""
    async with proxied(port, clock=clock) as proxy:
        own = proxy.config(breaker_rules=(rule(*chain, **settings),), cache_rules=cache, limits=limits or Limits())
        second = Pool(name="other", upstream=Upstream(host="127.0.0.1", port=other_port), **(other or {}))
        await proxy.runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(*own.pools, second), stores=own.stores), "Local")
        yield proxy
        for service in (proxy.service, other_of(proxy)):
            core, state = service.pool.core, service.state
            assert (core.in_use, core.waiting, len(state.tracker), len(service.flights)) == (0, 0, 0, 0)
            assert not state.tracker._alarms


def other_of(proxy: Proxied) -> HttpService:
    return proxy.runtime.pools.services["other"]


def answering(text: bytes, status: bytes = b"200 OK", seen: list[bytes] | None = None) -> Any:
    async def script(connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            if seen is not None:
                seen.append(head)
            connection.answer(text, status=status, extra=b"Cache-Control: max-age=60\r\n")

    return script


async def hangs(connection: Connection) -> None:
    await connection.head()
    await connection.gone()


@on_uvloop
async def test_another_upstream_answers_where_nobody_listens() -> None:
    """The same request; the answer says who gave it and why."""
    seen: list[bytes] = []
    async with RawUpstream(answering(b"other", seen=seen)) as up, two(free_port(), up.port, OTHER) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            found = await caller.ask(b"/a?b=c", b"X-Mine: 1\r\n")
            assert (found.status, found.body, found.fields[b"x-slipstream-fallback"]) == (200, b"other", b"Upstream")
            assert found.fields[b"proxy-status"].startswith(b"slipstream; error=connection_refused; next-hop=other")
        assert b"GET /a?b=c HTTP/1.1" in seen[0]
        assert b"X-Mine: 1" in seen[0]
        assert (proxy.service.figures.errors, other_of(proxy).figures.requests) == (2, 2)


@pytest.mark.parametrize("status", [b"500 Oops", b"502 Bad", b"503 Busy", b"504 Late"])
@pytest.mark.parametrize("attempts", [1, 2])
@on_uvloop
async def test_another_upstream_answers_in_place_of_one_in_trouble(status: bytes, attempts: int) -> None:
    """After the retries that the rule allows; the breaker of the first one heard what it said."""
    async with (
        RawUpstream(answering(b"bad", status)) as bad,
        RawUpstream(answering(b"other")) as up,
        two(bad.port, up.port, OTHER, attempts=attempts) as proxy,
    ):
        found = await (await proxy.caller()).ask()
        assert (found.status, found.body) == (200, b"other")
        window = proxy.service.circuits.all()[0].window
        assert (window.calls, window.failures) == (attempts if status != b"500 Oops" else 1,) * 2
        assert proxy.service.figures.by_class[5] == window.calls


@pytest.mark.parametrize("status", [b"404 No", b"429 Slow"])
@on_uvloop
async def test_an_answer_that_isnt_trouble_stays(status: bytes) -> None:
    """The control."""
    async with (
        RawUpstream(answering(b"mine", status)) as bad,
        RawUpstream(answering(b"other")) as up,
        two(bad.port, up.port, OTHER) as proxy,
    ):
        assert ((await (await proxy.caller()).ask()).body, up.connections) == (b"mine", 0)


@on_uvloop
async def test_an_open_circuit_and_a_full_pool_lead_there_too() -> None:
    """At once, without a call to the first one."""
    closed = {"trip": Trip(consecutive_failures=1)}
    async with (
        RawUpstream(answering(b"bad", b"503 Busy")) as bad,
        RawUpstream(answering(b"other")) as up,
        two(bad.port, up.port, OTHER, **closed) as proxy,
    ):
        caller = await proxy.caller()
        caller.send(b"GET /1 HTTP/1.1\r\nHost: up\r\n\r\nGET /2 HTTP/1.1\r\nHost: up\r\n\r\nGET /3 HTTP/1.1\r\nHost: up\r\n\r\n")
        found = [await caller.answer() for _ in range(3)]
        assert [answer.body for answer in found] == [b"other"] * 3
        assert b"destination_unavailable" in found[2].fields[b"proxy-status"]
        assert bad.connections == 1


@pytest.mark.parametrize(("method", "body"), [("POST", b"x"), ("PUT", b"x"), ("DELETE", b""), ("GET", b"x")])
@on_uvloop
async def test_only_a_safe_request_without_a_body_goes_elsewhere(method: str, body: bytes) -> None:
    """A write would be done in the wrong place, or twice: the next step of the chain answers."""
    async with RawUpstream(answering(b"other")) as up, two(free_port(), up.port, OTHER, STATIC) as proxy:
        caller = await proxy.caller()
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        caller.send(b"%b / HTTP/1.1\r\nHost: up\r\n%b\r\n%b" % (method.encode(), length, body))
        assert ((await caller.answer()).status, up.connections) == (418, 0)


@on_uvloop
async def test_nothing_of_it_is_stored_and_each_who_waits_asks_for_itself() -> None:
    """The first upstream's key never gets the other's answer; when it is back, its own answer is stored."""
    port = free_port()
    async with RawUpstream(answering(b"other")) as up, two(port, up.port, OTHER, cache=(cache_rule(),)) as proxy:
        callers = [await proxy.caller() for _ in range(3)]
        for caller in callers:
            caller.get(b"/c")
        assert [(await caller.answer()).body for caller in callers] == [b"other"] * 3
        assert len(proxy.service.stores["s"]) == 0
        async with RawUpstream(answering(b"mine"), port=port):
            for _ in range(500):  # until the pool dials again
                if (await callers[0].ask(b"/c")).body == b"mine":
                    break
                await asyncio.sleep(0.01)
            assert (await callers[1].ask(b"/c")).body == b"mine"
            assert len(proxy.service.stores["s"]) == 1


@pytest.mark.parametrize("first", ["stale", "other"])
@on_uvloop
async def test_the_order_of_the_chain_decides_between_stale_and_elsewhere(first: str) -> None:
    """For an answer that says trouble."""
    clock, state = ManualClock(), {"status": b"200 OK"}

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            connection.answer(b"mine", status=state["status"])

    stale = Fallback(type="StaleCache")
    chain = (stale, OTHER) if first == "stale" else (OTHER, stale)
    cached = (cache_rule(ttl_ms=1_000, stale_if_error_ms=60_000),)
    async with (
        RawUpstream(script) as mine,
        RawUpstream(answering(b"other")) as up,
        two(mine.port, up.port, *chain, cache=cached, clock=clock) as proxy,
    ):
        caller = await proxy.caller()
        assert (await caller.ask(b"/c")).body == b"mine"
        clock.advance(2)
        state["status"] = b"503 Busy"
        found = await caller.ask(b"/c")
        assert (found.status, found.body) == (200, b"mine" if first == "stale" else b"other")


@on_uvloop
async def test_what_is_only_wanted_from_the_cache_goes_nowhere() -> None:
    """Nor does a request to a sidecar that stops."""
    async with RawUpstream(answering(b"other")) as up, two(free_port(), up.port, OTHER, cache=(cache_rule(),)) as proxy:
        found = await (await proxy.caller()).ask(b"/c", b"Cache-Control: only-if-cached\r\n")
        assert (found.status, up.connections) == (504, 0)


@on_uvloop
async def test_the_second_upstream_has_what_is_left_of_the_time() -> None:
    """One deadline over both, and the second one is told how much of it there is, where the caller told us."""
    clock, go, seen = ManualClock(), asyncio.Event(), list[bytes]()

    async def breaks(connection: Connection) -> None:
        await connection.head()
        await go.wait()

    async def silent(connection: Connection) -> None:
        seen.append(await connection.head())
        await connection.gone()

    limits = Limits(request_timeout_ms=1_000, connect_timeout_ms=1_000)
    async with (
        RawUpstream(breaks) as first,
        RawUpstream(silent) as second,
        two(first.port, second.port, OTHER, clock=clock, limits=limits) as proxy,
    ):
        caller = await proxy.caller()
        caller.get(extra=b"X-Envoy-Expected-Rq-Timeout-Ms: 5000\r\n")
        await until(lambda: first.connections and proxy.core.in_use)
        clock.advance(0.4)
        go.set()
        await until(lambda: seen)
        assert b"X-Envoy-Expected-Rq-Timeout-Ms: 600\r\n" in seen[0] or b"X-Envoy-Expected-Rq-Timeout-Ms: 599\r\n" in seen[0]
        clock.advance(0.5)
        await asyncio.sleep(0.06)  # two ticks
        assert len(other_of(proxy).state.tracker) == 1
        clock.advance(0.11)
        found = await caller.answer()
        assert (found.status, found.fields[b"x-slipstream-fallback"]) == (504, b"Upstream")


@on_uvloop
async def test_a_client_that_leaves_ends_the_call_there() -> None:
    """As anywhere else."""
    async with RawUpstream(hangs) as up, two(free_port(), up.port, OTHER) as proxy:
        caller = await proxy.caller()
        caller.get()
        await until(lambda: up.connections and other_of(proxy).pool.core.in_use)
        caller.leave()
        await until(lambda: not len(other_of(proxy).state.tracker))


@on_uvloop
async def test_a_client_hears_of_the_second_upstream_even_where_the_first_was_never_asked() -> None:
    """Its circuit is open, so the request is elsewhere before it was anywhere: its client's leaving ends it all the same."""
    async with (
        RawUpstream(answering(b"bad", b"503 Busy")) as bad,
        RawUpstream(hangs) as up,
        two(bad.port, up.port, OTHER, trip=Trip(consecutive_failures=1)) as proxy,
    ):
        for number in (1, 2):
            caller = await proxy.caller()
            caller.get()
            await until(lambda number=number: up.connections == number and other_of(proxy).pool.core.in_use)
            caller.leave()
            await until(lambda: not len(other_of(proxy).state.tracker))
        assert bad.connections == 1


@on_uvloop
async def test_a_failure_there_is_answered_from_its_own_chain() -> None:
    """Both are down: the second one's static text, with both failures told."""
    async with two(free_port(), free_port(), OTHER, other={"breaker_rules": (rule(STATIC),)}) as proxy:
        found = await (await proxy.caller()).ask()
        assert (found.status, found.body) == (418, b"static")


@pytest.mark.parametrize("pools", [("m", "m"), ("m", "gone")])
@on_uvloop
async def test_a_configuration_that_leads_nowhere_or_back_is_refused(pools: tuple[str, str]) -> None:
    """The compiler leaves such a step out; whoever sends one all the same is told so, and the old one stays."""
    async with proxied(free_port()) as proxy:
        with pytest.raises(ConfigRefused, match="falls back to"):
            await proxy.apply(breaker_rules=(rule(Fallback(type="Upstream", pool=pools[1])),))


@on_uvloop
async def test_so_many_calls_of_a_rule_are_under_way_at_once() -> None:
    """One more is answered 503 at once, though the pool has room; a place comes back with the end of a call, and no breaker hears of it."""
    go = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        await go.wait()
        connection.answer()

    async with RawUpstream(script) as up, proxied(up.port, breakers=(rule(max_concurrent_calls=2),)) as proxy:
        callers = [await proxy.caller() for _ in range(3)]
        callers[0].get()
        callers[1].get()
        await until(lambda: up.connections == 2)
        found = await callers[2].ask()
        assert (found.status, found.fields[b"x-slipstream-reason"]) == (503, b"TooManyCalls")
        breaker = proxy.service.circuits.all()[0]
        assert (breaker.under_way, breaker.window.calls) == (2, 0)
        callers[0].leave()
        await until(lambda: breaker.under_way == 1)
        callers[2].get()
        await until(lambda: up.connections == 3)
        go.set()
        assert [(await caller.answer()).status for caller in callers[1:]] == [200, 200]
        assert breaker.under_way == 0
