"""What `/explain` says of a request besides the decision: what a write ends, generations, marks, window, limits, back-off, health."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, HealthCheck, Invalidation, Limits, Match, Partition, Trip, Window
from slipstream_runtime.cores.flight import MARK_SECONDS
from slipstream_runtime.cores.generations import partition_scope, path_scope
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, free_port, metrics, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.stripes import apart


def explained(proxy: Proxied, path: str, method: str = "GET", headers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Of a request as a Caller sends it."""
    return proxy.runtime.explain(method, f"http://up{path}", "m", headers)


def written(name: str, path: str, kind: Any = "Template", **ends: Any) -> Invalidation:
    return Invalidation(name=name, policy="p", match=Match(protocol="HTTP", methods=("POST",), path_kind=kind, path=path), **ends)


DOC = apart("/docs/{}", "/c")
IMPORT = apart("/import{}", "/c", DOC)
WRITES = (
    written("notes", "/notes/{id}", tags=("t",), paths=("/notes/{id}", "/notes/{id}/head")),
    written("list", "/notes/{id}", rules=("r",)),
    written("wide", IMPORT, kind="Exact", paths=("/docs/{any}",)),
)
READS = (
    cache_rule(),
    cache_rule("/docs/{n}", name="docs", match=Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/docs/{n}")),
)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/c", None),
        (
            "POST",
            "/notes/7",
            {"by": ["notes", "list"], "everything": False, "tags": ["t"], "rules": ["r"], "paths": ["/notes/7", "/notes/7/head"]},
        ),
        ("POST", IMPORT, {"by": ["wide"], "everything": False, "tags": [], "rules": ["docs"], "paths": [IMPORT]}),
        ("DELETE", "/x", {"by": [], "everything": False, "tags": [], "rules": [], "paths": ["/x"]}),
        ("POST", "/a/../notes", {"by": [], "everything": True, "tags": [], "rules": [], "paths": ["/a/../notes"]}),
    ],
    ids=["read", "rules", "wide", "unruled", "abnormal"],
)
@on_uvloop
async def test_a_write_says_what_it_would_end(method: str, path: str, expected: dict[str, Any] | None) -> None:
    """By name: rules that it sets off, tags, answers of which rules, and paths. Explaining it ends nothing."""
    async with RawUpstream() as up, proxied(up.port, cache=READS, invalidations=WRITES) as proxy:
        epoch = proxy.service.cache.generations.epoch
        assert explained(proxy, path, method)["invalidates"] == expected
        assert proxy.service.cache.generations.epoch == epoch


@on_uvloop
async def test_what_is_said_to_end_is_what_ends() -> None:
    """And what isn't said stays."""
    async with RawUpstream() as up, proxied(up.port, cache=READS, invalidations=(WRITES[2],)) as proxy:
        caller = await proxy.caller()
        for path in ("/c", DOC):
            await caller.ask(path.encode())
        assert explained(proxy, IMPORT, "POST")["invalidates"]["rules"] == ["docs"]
        caller.post(IMPORT.encode())
        await caller.answer()
        stories = [explained(proxy, path)["cache"] for path in ("/c", DOC)]
    assert [story["decision"] for story in stories] == ["hit", "miss"]
    assert stories[1]["why"] == "a write has invalidated the stored answer"
    dead, kept = stories[1]["generations"], stories[0]["generations"]
    assert dead["rule"] > dead["stored"] >= dead["tags"]["t"]
    assert max(kept["rule"], kept["path"], kept["partition"], kept["everything"], kept["tags"]["t"]) <= kept["stored"]


@on_uvloop
async def test_generations_name_the_last_invalidation_of_each_thing() -> None:
    """Each alone moves only its own; the epoch counts them all."""
    rule = cache_rule(partition=Partition(type="Header", headers=("x-who",)))
    async with RawUpstream() as up, proxied(up.port, cache=(rule,)) as proxy:
        found = proxy.service.cache.generations
        begun = found.epoch
        ann = (("X-Who", "ann"),)
        plan = proxy.service.router.plans[0]
        found.bump_tags(("t",))
        found.bump((path_scope("/c"),))
        found.bump((plan.scope,))
        story = explained(proxy, "/c", headers=ann)["cache"]
        assert "stored" not in story["generations"]
        assert {name: story["generations"][name] - begun for name in ("epoch", "path", "rule")} == {"epoch": 3, "path": 2, "rule": 3}
        assert (story["generations"]["tags"]["t"], story["generations"]["partition"]) == (begun + 1, 0)
        caller = await proxy.caller()
        await caller.ask(b"/c", b"X-Who: ann\r\n")
        (entry,) = [entry for table in proxy.service.stores["s"]._tables for entry in table.values()]
        assert explained(proxy, "/c", headers=ann)["cache"]["generations"]["stored"] == entry.marks >> 20 == begun + 3
        for partition in range(1024):
            found.bump_partition(partition)
        assert explained(proxy, "/c", headers=ann)["cache"]["generations"]["partition"] > begun + 3
        assert max(found.last[partition_scope(partition)] for partition in range(1024)) == found.epoch


@on_uvloop
async def test_a_write_under_way_is_told_where_it_touches_the_answer() -> None:
    """Elsewhere it is only counted."""
    async with RawUpstream() as up, proxied(up.port, cache=READS) as proxy:
        write = proxy.service.cache.generations.begin_write((), "/c")
        stories = [explained(proxy, path)["cache"]["generations"] for path in ("/c", DOC)]
        write.end()
        after = explained(proxy, "/c")["cache"]["generations"]
    assert [(story["writesUnderWay"], story["writeUnderWayHere"]) for story in stories] == [(1, True), (1, False)]
    assert (after["writesUnderWay"], after["writeUnderWayHere"]) == (0, False)


@on_uvloop
async def test_a_key_that_proved_uncacheable_says_so_and_for_how_long() -> None:
    """Until the mark is over; another key has none."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.head()
            connection.answer(extra=b"Cache-Control: no-store\r\n")

    clock = ManualClock()
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        before = explained(proxy, "/c")["cache"]
        await (await proxy.caller()).ask(b"/c", b"")
        clock.advance(MARK_SECONDS / 4)
        marked, other = explained(proxy, "/c")["cache"], explained(proxy, "/c?x=1")["cache"]
        clock.advance(MARK_SECONDS)
        after = explained(proxy, "/c")["cache"]
    assert (marked["decision"], marked["uncacheableForSeconds"]) == ("miss", MARK_SECONDS * 3 / 4)
    assert "each caller asks for itself" in marked["why"]
    for story in (before, other, after):
        assert (story["why"], "uncacheableForSeconds" in story) == ("no such answer is stored", False)


@on_uvloop
async def test_a_call_under_way_is_told_to_who_would_wait_for_it_and_an_answer_beyond_its_grace_is_gone() -> None:
    """A miss either way, for another reason."""
    go = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.head()
        await go.wait()
        connection.answer()
        await connection.gone()

    clock = ManualClock()
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        caller.get(b"/c")
        await until(lambda: proxy.core.in_use)
        assert "would wait for that" in explained(proxy, "/c")["cache"]["why"]
        go.set()
        await caller.answer()
        assert explained(proxy, "/c")["cache"]["decision"] == "hit"
        clock.advance(61)
        story = explained(proxy, "/c")["cache"]
        assert (story["decision"], story["why"]) == ("miss", "the stored answer has expired, and its time of grace is over")


@on_uvloop
async def test_the_circuit_says_what_it_counted_and_what_it_takes() -> None:
    """As of now: calls that have left the window aren't among them. Asking makes no circuit."""
    clock = ManualClock()
    rule = BreakerRule(
        name="b", policy="b", scope="Operation", window=Window(duration_ms=30_000, minimum_calls=3), trip=Trip(failure_rate_percent=60)
    )

    async def script(connection: Connection) -> None:
        for status in (b"200 OK", b"500 Bad", b"500 Bad"):
            await connection.head()
            connection.answer(status=status)
        await connection.gone()

    async with RawUpstream(script) as up, proxied(up.port, clock=clock, breakers=(rule,), limits=Limits(max_connections=1)) as proxy:
        story = explained(proxy, "/x")["breaker"]
        assert (story["state"], story["why"]) == ("Closed", "nobody has made such a call yet")
        assert proxy.service.circuits.all() == []
        caller = await proxy.caller()
        await caller.ask(b"/x")
        await caller.ask(b"/x")
        story = explained(proxy, "/x")["breaker"]
        assert story["window"] == {"calls": 2, "failures": 1, "slow": 0, "minimumCalls": 3, "lastSeconds": 30.0}
        assert (story["trip"]["failureRatePercent"], story["state"]) == (60, "Closed")
        clock.advance(31)
        assert explained(proxy, "/x")["breaker"]["window"]["calls"] == 0
    assert (story["trips"], story["refused"], story["wouldRefuse"], story["maxConcurrentCalls"]) == (0, 0, 0, 0)


@on_uvloop
async def test_an_open_circuit_says_for_how_long_and_how_many_it_refused() -> None:
    """With the trip that opened it."""
    clock = ManualClock()
    rule = BreakerRule(name="b", policy="b", trip=Trip(consecutive_failures=1))
    async with proxied(free_port(), clock=clock, breakers=(rule,)) as proxy:
        caller = await proxy.caller()
        for _ in range(3):
            await caller.ask()
        clock.advance(20)
        story = explained(proxy, "/")["breaker"]
    assert (story["state"], story["forSeconds"], story["retryAfterSeconds"]) == ("Open", 20.0, 40.0)
    assert (story["trips"], story["refused"], story["trip"]["consecutiveFailures"]) == (1, 2, 1)


@on_uvloop
async def test_the_pool_says_its_limits_its_back_off_and_its_health() -> None:
    """A back-off is what makes the next caller fail at once."""
    clock = ManualClock()
    limits = Limits(max_connections=7, max_pending=9, acquire_timeout_ms=1_500)
    async with proxied(free_port(), clock=clock, limits=limits) as proxy:
        proxy.runtime.context.budget.limit = 11
        story = explained(proxy, "/")["connections"]
        assert (story["max"], story["maxPending"], story["acquireTimeoutSeconds"], story["backOffSeconds"]) == (7, 9, 1.5, 0.0)
        assert (story["health"], story["ofAllPools"]) == ("not checked", {"connections": 0, "max": 11})
        await (await proxy.caller()).ask()
        assert 0.0 < explained(proxy, "/")["connections"]["backOffSeconds"] <= 0.05
        clock.advance(1)
        assert explained(proxy, "/")["connections"]["backOffSeconds"] == 0.0
    async with proxied(free_port(), health=HealthCheck(unhealthy_threshold=1, interval_ms=10)) as proxy:
        assert explained(proxy, "/")["connections"]["health"] == "ok"
        await until(lambda: metrics(proxy)["slipstream_pool_healthy"]["m",] == 0.0)
        assert explained(proxy, "/")["connections"]["health"] == "unhealthy"
