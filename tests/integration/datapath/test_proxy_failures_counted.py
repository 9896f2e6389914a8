"""What Prometheus reads of requests that failed, and why; and of the counters of pools, circuits and caches that nobody else shows."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.config import BreakerRule, Limits, Trip
from slipstream_runtime.observe.metrics import REASONS
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, metrics, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

FRAGILE = Trip(consecutive_failures=1)


def reasons(proxy: Proxied) -> dict[str, float]:
    """Of failures that there were; their sum is what the pool calls errors."""
    found = metrics(proxy)
    failed = {reason: times for (_, reason), times in found["slipstream_failures_total"].items() if times}
    assert sum(failed.values()) == found["slipstream_errors_total"]["m",]
    assert proxy.runtime.status().pools[0].failures == failed
    return failed


@on_uvloop
async def test_an_open_circuit_is_told_from_the_failure_that_opened_it() -> None:
    """What the circuit refused is counted for its rule, too."""
    async with proxied(free_port(), breakers=(BreakerRule(name="b", policy="b", trip=FRAGILE),)) as proxy:
        assert reasons(proxy) == {}
        caller = await proxy.caller()
        for _ in range(3):
            await caller.ask()
        assert reasons(proxy) == {"ConnectionRefused": 1.0, "CircuitOpen": 2.0}
        found = metrics(proxy)
        await until(lambda: metrics(proxy)["slipstream_circuit_transitions_total"]["m",] == 1.0)
    assert found["slipstream_circuit_refused_total"]["m", "b"] == 2.0
    assert found["slipstream_circuit_would_refuse_total"]["m", "b"] == 0.0
    assert found["slipstream_pool_connections_failed_total"]["m",] == 1.0


@on_uvloop
async def test_what_a_circuit_in_shadow_would_refuse_is_told() -> None:
    """And nothing of it is refused: each call fails by itself."""
    async with proxied(free_port(), breakers=(BreakerRule(name="b", policy="b", mode="Shadow", trip=FRAGILE),)) as proxy:
        caller = await proxy.caller()
        for _ in range(3):
            await caller.ask()
        assert reasons(proxy) == {"ConnectionRefused": 3.0}
        found = metrics(proxy)
        (circuit,) = proxy.runtime.status().pools[0].circuits
    assert found["slipstream_circuit_would_refuse_total"]["m", "b"] == circuit.would_refuse_total == 2.0
    assert found["slipstream_circuit_refused_total"]["m", "b"] == circuit.refused_total == 0.0


@pytest.mark.parametrize(
    ("limits", "rule", "asked", "extra", "reason"),
    [
        (Limits(max_connections=1, max_pending=0), BreakerRule(name="b", policy="b"), b"/", b"", "PoolFull"),
        (Limits(), BreakerRule(name="b", policy="b", max_concurrent_calls=1), b"/", b"", "TooManyCalls"),
        (Limits(max_connections=1, acquire_timeout_ms=60), BreakerRule(name="b", policy="b"), b"/", b"", "AcquireTimeout"),
        (Limits(), BreakerRule(name="b", policy="b"), b"/", b"X-Envoy-Expected-Rq-Timeout-Ms: 60\r\n", "DeadlineExceeded"),
        (Limits(), BreakerRule(name="b", policy="b"), b"/c", b"Cache-Control: only-if-cached\r\n", "OnlyIfCached"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@on_uvloop
async def test_each_way_of_being_refused_has_its_reason(limits: Limits, rule: BreakerRule, asked: bytes, extra: bytes, reason: str) -> None:
    """While another request is under way, which is no failure; every reason was there before, with 0."""
    go = asyncio.Event()

    async def slow(connection: Connection) -> None:
        while True:
            await connection.request()
            await go.wait()
            connection.answer()

    async with RawUpstream(slow) as up, proxied(up.port, limits=limits, breakers=(rule,), cache=(cache_rule(),)) as proxy:
        assert metrics(proxy)["slipstream_failures_total"]["m", reason] == 0.0
        first, second = await proxy.caller(), await proxy.caller()
        first.get()
        await until(lambda: proxy.core.in_use == 1)
        assert (await second.ask(asked, extra)).fields[b"x-slipstream-reason"] == reason.encode()
        go.set()
        await first.answer()
        assert reasons(proxy) == {reason: 1.0}


@on_uvloop
async def test_an_answer_that_is_cut_short_is_a_failure_and_a_client_that_left_is_none() -> None:
    """The one has a reason, the other is counted apart."""

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        if connection.number > 1:
            await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        first, second = await proxy.caller(), await proxy.caller()
        first.get()
        await first.reader.read()
        second.get()
        await second.reader.readuntil(b"half")
        second.leave()
        await until(lambda: metrics(proxy)["slipstream_cancelled_total"]["m",])
        assert reasons(proxy) == {"AnswerIncomplete": 1.0}
        assert proxy.runtime.status().pools[0].cancelled_total == 1


def test_reasons_are_a_few_words_of_our_own() -> None:
    """As many series as there are causes; those that belong to no pool aren't among them."""
    assert {"CircuitOpen", "PoolFull", "QueueTooLong", "TooManyCalls", "RequestTimeout", "BodyTooLong"} <= set(REASONS)
    assert not {"Starting", "TooManyClients"} & set(REASONS)
    assert len(REASONS) < 40


@on_uvloop
async def test_what_is_stored_what_is_not_and_who_shared_is_counted() -> None:
    """A key that proved uncacheable is asked for by each caller alone for a while."""

    async def script(connection: Connection) -> None:
        while True:
            head = await connection.head()
            connection.answer(extra=b"Cache-Control: no-store\r\n" if b"/n " in head else b"")

    rules = (cache_rule(), cache_rule("/n", name="n"))
    async with RawUpstream(script) as up, proxied(up.port, cache=rules) as proxy:
        caller = await proxy.caller()
        for path in (b"/c", b"/c", b"/n", b"/n"):
            await caller.ask(path)
        found = metrics(proxy)
        (figures,) = proxy.runtime.status().pools[0].cache
    flights = {role: times for (_, role), times in found["slipstream_flights_total"].items()}
    assert (found["slipstream_cache_stored_total"]["p", "m"], found["slipstream_cache_rejected_total"]["p", "m"]) == (1.0, 2.0)
    assert (figures.stored, figures.rejected, flights) == (1, 2, {"led": 2.0, "joined": 0.0, "solo": 1.0})


@on_uvloop
async def test_the_pools_own_counters_are_shown_in_seconds_and_in_requests() -> None:
    """A connection that idles and is closed is lost; one that comes back closed is unusable."""
    ends = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        connection.answer(extra=b"Connection: close\r\n" if connection.number == 1 else b"")
        await ends.wait()

    async with RawUpstream(script) as up, proxied(up.port) as proxy:
        caller = await proxy.caller()
        await caller.ask()
        await caller.ask()
        await until(lambda: proxy.core.idle == 1)
        ends.set()
        await until(lambda: proxy.core.idle == 0)
        before = metrics(proxy)
        proxy.core.stats.connections_ms += 1_500.0
        proxy.core.stats.usage_ms += 2_500.0
        after = metrics(proxy)
    pool = ("m",)
    assert after["slipstream_pool_connect_seconds_total"][pool] - before["slipstream_pool_connect_seconds_total"][pool] == pytest.approx(
        1.5
    )
    assert after["slipstream_pool_usage_seconds_total"][pool] - before["slipstream_pool_usage_seconds_total"][pool] == pytest.approx(2.5)
    counted = ("connections_lost", "connections_unusable", "connections_failed", "requests_queued", "requests_refused")
    assert [after[f"slipstream_pool_{name}_total"][pool] for name in counted] == [1.0, 1.0, 0.0, 2.0, 0.0]
    assert after["slipstream_circuits_evicted_total"][pool] == after["slipstream_resent_total"][pool] == 0.0
