"""Stored answers: whose they are, when they die, who waits for whom, and what stands in for an error."""

from __future__ import annotations

import asyncio

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Partition, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Caller, Proxied, cache_rule, invalidation, proxied
from tests.fakes.raw_upstream import Connection, RawUpstream

BY_SESSION = cache_rule(partition=Partition(type="Header", headers=("X-Session-Id",)))


async def settled() -> None:
    """Whatever was written to a socket has been read by this loop: both ends live in it."""
    for _ in range(20):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


async def waiting(proxy: Proxied, number: int) -> None:
    while len(proxy.service.state.tracker) < number:
        await settled()


def status_of(found: object) -> bytes:
    return found.fields.get(b"cache-status", b"")  # type: ignore[attr-defined]


@on_uvloop
async def test_a_repeated_read_is_a_hit_with_its_age() -> None:
    """The upstream is asked once; Age and what is left of the TTL are told."""
    clock = ManualClock()
    async with RawUpstream() as up, proxied(up.port, clock=clock, cache=(cache_rule(),)) as proxy:
        caller = await proxy.caller()
        first = await caller.ask(b"/c")
        assert (status_of(first), b"age" in first.fields) == (b"slipstream; fwd=uri-miss; stored", False)
        clock.advance(7.5)
        second = await caller.ask(b"/c")
        assert (status_of(second), second.fields[b"age"], second.body) == (b"slipstream; hit; ttl=52", b"7", first.body)
        clock.advance(60)
        assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"
        assert status_of(await caller.ask(b"/other")) == b"slipstream; fwd=bypass; detail=no-rule"


@on_uvloop
async def test_a_request_without_identity_goes_past_a_partitioned_cache() -> None:
    """And its answer says so."""
    async with RawUpstream() as up, proxied(up.port, cache=(BY_SESSION,)) as proxy:
        caller = await proxy.caller()
        for _ in range(2):
            assert status_of(await caller.ask(b"/c")) == b"slipstream; fwd=bypass; detail=no-identity"


async def ask_as(proxy: Proxied, session: bytes, times: int, leak: list[bytes]) -> None:
    caller = await proxy.caller()
    for _ in range(times):
        found = await caller.ask(b"/c", b"X-Session-Id: %b\r\n" % session)
        if found.body != session:
            leak.append(found.body)


async def per_session(connection: Connection) -> None:
    """Answers with the asker's session, and only after another one asks, so that flights overlap."""
    while True:
        head = await connection.head()
        await settled()
        connection.answer(head.split(b"X-Session-Id: ")[1].split(b"\r\n")[0])


@on_uvloop
async def test_trap_02_sessions_never_see_each_others_answers() -> None:
    """Many at once, cold and warm: each answer carries who asked."""
    leak: list[bytes] = []
    async with RawUpstream(per_session) as up, proxied(up.port, cache=(BY_SESSION,)) as proxy:
        sessions = [b"s%d" % (n % 10) for n in range(40)]
        await asyncio.gather(*(ask_as(proxy, session, 10, leak) for session in sessions))
        counters = proxy.service.cache.counters("p")
        assert counters.misses == 10
        assert counters.hits + counters.coalesced == 390
    assert leak == []


@on_uvloop
async def test_the_check_for_leaks_can_fail() -> None:
    """Negative control: a Shared partition for the same traffic is caught."""
    leak: list[bytes] = []
    async with RawUpstream(per_session) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        await asyncio.gather(*(ask_as(proxy, b"s%d" % n, 3, leak) for n in range(5)))
    assert leak


@on_uvloop
async def test_trap_13_a_herd_on_a_cold_key_asks_the_upstream_once() -> None:
    """And goes on when the one who asked leaves."""
    release, calls = asyncio.Event(), 0

    async def script(connection: Connection) -> None:
        nonlocal calls
        while True:
            await connection.request()
            calls += 1
            await release.wait()
            connection.answer(b"shared")

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        leader, *others = [await proxy.caller() for _ in range(100)]
        leader.get(b"/c")
        await waiting(proxy, 1)
        for other in others:
            other.get(b"/c")
        await waiting(proxy, 100)
        leader.leave()
        await settled()
        release.set()
        found = [await other.answer() for other in others]
        assert {answer.body for answer in found} == {b"shared"}
        assert {status_of(answer) for answer in found} == {b"slipstream; fwd=uri-miss; stored; collapsed"}
        assert calls == 1
        assert (proxy.core.in_use, len(proxy.service.flights)) == (0, 0)


@on_uvloop
async def test_the_call_is_cancelled_when_the_last_one_leaves() -> None:
    """Nobody wants the answer: the upstream is spared."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await connection.gone()
        gone.set()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        callers = [await proxy.caller() for _ in range(3)]
        for caller in callers:
            caller.get(b"/c")
        await waiting(proxy, 3)
        await asked.wait()  # a connection that opens after all have left isn't closed: it idles
        callers[0].leave()
        await settled()
        assert not gone.is_set()
        for caller in callers[1:]:
            caller.leave()
        await gone.wait()
        assert (proxy.core.in_use, len(proxy.service.flights), len(proxy.service.state.tracker)) == (0, 0, 0)


@on_uvloop
async def test_an_answer_that_cant_be_shared_sends_the_others_on_their_way() -> None:
    """no-store: each gets its own, none waits for another."""
    calls, release = 0, asyncio.Event()

    async def script(connection: Connection) -> None:
        nonlocal calls
        while True:
            await connection.request()
            calls += 1
            number = calls
            await release.wait()
            connection.answer(b"%d" % number, b"Cache-Control: no-store\r\n")

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        callers = [await proxy.caller() for _ in range(5)]
        for caller in callers:
            caller.get(b"/c")
        await waiting(proxy, 5)
        release.set()
        bodies = [(await caller.answer()).body for caller in callers]
        assert sorted(bodies) == [b"1", b"2", b"3", b"4", b"5"]


@on_uvloop
async def test_a_failed_call_fails_all_who_wait_and_isnt_repeated() -> None:
    """A thousand callers of a dead upstream aren't a thousand calls."""
    release, calls = asyncio.Event(), 0

    async def script(connection: Connection) -> None:
        nonlocal calls
        await connection.request()
        calls += 1
        await release.wait()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),)) as proxy:
        callers = [await proxy.caller() for _ in range(20)]
        for caller in callers:
            caller.get(b"/c")
        await waiting(proxy, 20)
        release.set()
        assert {(await caller.answer()).status for caller in callers} == {502}
        assert calls == 1


@on_uvloop
async def test_a_write_kills_what_was_stored_and_what_is_being_read() -> None:
    """A read begun before the write is answered, but neither stored nor served afterwards."""
    reading, release, calls = asyncio.Event(), asyncio.Event(), 0

    async def script(connection: Connection) -> None:
        nonlocal calls
        while True:
            head, _ = await connection.request()
            if head.startswith(b"GET"):
                calls += 1
                number = calls
                if number == 2:
                    reading.set()
                    await release.wait()
                connection.answer(b"v%d" % number)
            else:
                connection.answer()

    async with RawUpstream(script) as up, proxied(up.port, cache=(cache_rule(),), invalidations=(invalidation(),)) as proxy:
        reader, writer = await proxy.caller(), await proxy.caller()
        assert (await reader.ask(b"/c")).body == b"v1"
        await written(writer)
        reader.get(b"/c")
        await reading.wait()
        await written(writer)
        release.set()
        overtaken = await reader.answer()
        assert (overtaken.body, status_of(overtaken)) == (b"v2", b"slipstream; fwd=uri-miss; detail=invalidated")
        assert (await reader.ask(b"/c")).body == b"v3"
        assert (await reader.ask(b"/c")).body == b"v3"


@on_uvloop
async def test_a_write_without_an_answer_counts_as_under_way_for_a_request_timeout() -> None:
    """Its client has left, the upstream may still carry it out: what is read meanwhile is not kept. Afterwards it is again."""
    clock, begun, value = ManualClock(), asyncio.Event(), b"old"

    async def script(connection: Connection) -> None:
        while True:
            head, _ = await connection.request()
            if head.startswith(b"GET"):
                connection.answer(value)
            else:
                begun.set()  # and carried out later, without an answer

    rules = {"cache": (cache_rule(),), "invalidations": (invalidation(),)}
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, **rules) as proxy:
        reader, writer = await proxy.caller(), await proxy.caller()
        writer.post(b"/w")
        await begun.wait()
        writer.leave()
        while proxy.service.figures.cancelled == 0:
            await settled()
        overlapping = await reader.ask(b"/c")
        assert (overlapping.body, status_of(overlapping)) == (b"old", b"slipstream; fwd=uri-miss; detail=write-in-flight")
        value = b"new"  # the late effect
        assert (await reader.ask(b"/c")).body == b"new"
        clock.advance(proxy.service.config.limits.request_timeout_ms / 1_000 + 1)
        proxy.service.state.sweep(clock.now())
        assert status_of(await reader.ask(b"/c")) == b"slipstream; fwd=uri-miss; stored"


async def written(writer: Caller) -> None:
    writer.post(b"/w")
    assert (await writer.answer()).status == 200


@on_uvloop
async def test_a_stale_answer_stands_in_for_an_error() -> None:
    """Within staleIfError: for a 5xx, for a dead upstream, and for an open circuit. Afterwards the error is told."""
    clock, mode = ManualClock(), "good"

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            if mode == "dead":
                return
            connection.answer(b"good" if mode == "good" else b"bad", status=b"200 OK" if mode == "good" else b"503 Busy")

    breaker = BreakerRule(
        name="b", policy="p", window=Window(type="Count", calls=4, minimum_calls=3), fallback=(Fallback(type="StaleCache"),)
    )
    rule = cache_rule(stale_if_error_ms=600_000)
    async with RawUpstream(script) as up, proxied(up.port, clock=clock, cache=(rule,), breakers=(breaker,)) as proxy:
        caller = await proxy.caller()
        await caller.ask(b"/c")
        clock.advance(61)
        for now, why in (("busy", b"status-503"), ("dead", b"ConnectionLost"), ("dead", b"CircuitOpen")):
            mode = now
            found = await caller.ask(b"/c")
            assert (found.status, found.body, found.fields[b"age"]) == (200, b"good", b"61")
            assert status_of(found) == b"slipstream; hit; ttl=-1; detail=" + why
        clock.advance(700)
        assert (await caller.ask(b"/c")).status == 502


@on_uvloop
async def test_shadow_changes_nothing_but_the_figures() -> None:
    """Every read reaches the upstream, and Cache-Status says that it did."""
    async with RawUpstream() as up, proxied(up.port, cache=(cache_rule(mode="Shadow"),)) as proxy:
        caller = await proxy.caller()
        found = [await caller.ask(b"/c") for _ in range(3)]
        assert [(status_of(answer), b"age" in answer.fields) for answer in found] == [(b"slipstream; fwd=bypass; detail=shadow", False)] * 3
        counters = proxy.service.cache.counters("p")
        assert (counters.hits, counters.misses, proxy.service.figures.hits) == (2, 1, 0)
