"""A new configuration is in force for the next request, and costs no connection, no request and no entry that is still valid."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.config import Bind, BreakerRule, FailureOn, Limits, Upstream, Window
from slipstream_runtime.runtime import ConfigRefused
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream


async def ask_until(proxy: Proxied, over: asyncio.Event, counts: list[int]) -> None:
    caller = await proxy.caller()
    while not over.is_set():
        number = counts[0]
        counts[0] += 1
        found = await caller.ask(b"/%d" % number)
        assert (found.status, found.body) == (200, b"GET /%d HTTP/1.1|" % number)
        counts[1] += 1


@on_uvloop
async def test_reloads_under_traffic_lose_nothing() -> None:
    """50 reloads that change every kind of rule while 8 clients ask on kept connections."""
    over, counts = asyncio.Event(), [0, 0]
    async with RawUpstream() as up, proxied(up.port) as proxy:
        clients = [asyncio.create_task(ask_until(proxy, over, counts)) for _ in range(8)]
        for n in range(50):
            before = counts[1]
            await proxy.apply(
                limits=Limits(max_connections=8 + n % 3),
                cache_rules=(cache_rule(ttl_ms=1_000 + n),) if n % 2 else (),
                breaker_rules=(BreakerRule(name="b", policy="p"),) if n % 3 else (),
            )
            while counts[1] < before + 8:
                await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        over.set()
        await asyncio.gather(*clients)
        assert counts[0] == counts[1] >= 400
        assert up.connections <= 10
        assert proxy.core.in_use == 0


@on_uvloop
async def test_entries_and_circuits_that_are_still_valid_stay() -> None:
    """Another limit changes neither; another partition is another key."""

    async def script(connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            connection.answer(status=b"500 Oops" if b"/bad" in head else b"200 OK")

    rule = BreakerRule(name="b", policy="p", window=Window(type="Count", calls=2, minimum_calls=2))
    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),), breakers=(rule,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        await caller.ask(b"/bad")
        assert (await caller.ask(b"/bad")).status == 503
        await proxy.apply(cache_rules=(cache_rule(),), breaker_rules=(rule,), limits=Limits(max_connections=7))
        assert (await caller.ask(b"/c")).fields[b"cache-status"].startswith(b"slipstream; hit")
        assert (await caller.ask(b"/bad")).fields[b"x-slipstream-reason"] == b"CircuitOpen"
        await proxy.apply(cache_rules=(cache_rule(tags=("other",)),))
        assert b"fwd=uri-miss" in (await caller.ask(b"/c")).fields[b"cache-status"]
        assert up.connections == 1


@on_uvloop
async def test_a_request_under_way_ends_as_it_began() -> None:
    """Its pool is gone from the configuration; its answer comes, and then its connection is closed."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await release.wait()
        connection.answer(b"old")
        await connection.gone()

    async with RawUpstream(script) as up, RawUpstream() as other, proxied(up.port) as proxy:
        caller = await proxy.caller()
        caller.get()
        await asked.wait()
        old = proxy.core
        await proxy.apply(upstream=Upstream(host="127.0.0.1", port=other.port))
        release.set()
        assert (await caller.answer()).body == b"old"
        assert (await caller.ask(b"/new")).body == b"GET /new HTTP/1.1|"
        assert old.size == 0


@on_uvloop
async def test_a_configuration_that_cant_be_enforced_changes_nothing() -> None:
    """All or nothing: the one before stays in force, and the status says why."""
    async with RawUpstream() as up, RawUpstream() as blocker, proxied(up.port, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        revision = proxy.runtime.status().revision
        for bad in (
            {"cache_rules": (cache_rule(store="missing"),)},
            {"binds": (Bind(kind="Local", address="127.0.0.1", port=blocker.port),)},
            {"breaker_rules": (BreakerRule(name="b", policy="p", failure_on=FailureOn(statuses=("bogus",))),)},
        ):
            with pytest.raises(ConfigRefused):
                await proxy.apply(**bad)
            status = proxy.runtime.status()
            assert status.revision == revision
            assert status.rejected is not None
            assert status.rejected.reason == "Invalid"
            assert (await caller.ask(b"/c")).fields[b"cache-status"].startswith(b"slipstream; hit")
