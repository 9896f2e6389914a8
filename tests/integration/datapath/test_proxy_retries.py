"""Further attempts over real sockets: only where the call may be made twice, never more than the budget, always in time."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import BreakerRule, Fallback, Limits, Pool, Trip
from slipstream_api.config import Upstream as Destination
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Proxied, cache_rule, invalidation, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream
from tests.fakes.retried import Upstream, ended, fails_until, retrying


@pytest.mark.parametrize("how", ["reset", "502 Bad", "503 Busy", "504 Late", "silent"])
@on_uvloop
async def test_a_read_is_tried_again(how: str) -> None:
    """The caller gets the good answer, and is told how many attempts it took; the breaker hears of each."""
    up = Upstream(fails_until(3, how))
    rule = retrying(try_timeout_ms=60 if how == "silent" else 0)
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(rule,)) as proxy:
        found = await (await proxy.caller()).ask()
        assert (found.status, found.body, found.fields[b"x-slipstream-attempts"]) == (200, b"good", b"3")
        window = proxy.service.circuits.all()[0].window
        assert (len(up), window.calls, window.failures) == (3, 3, 2)
        figures = proxy.service.figures
        assert (figures.retries_made, figures.retries_answered, figures.requests) == (2, 1, 1)
        ended(proxy)


@pytest.mark.parametrize("how", ["reset", "503 Busy"])
@on_uvloop
async def test_without_a_rule_nothing_is_tried_again(how: str) -> None:
    """The control of the test above."""
    up = Upstream(fails_until(3, how))
    async with RawUpstream(up.script) as raw, proxied(raw.port) as proxy:
        found = await (await proxy.caller()).ask()
        assert (found.status in (502, 503), len(up)) == (True, 1)
        assert b"x-slipstream-attempts" not in found.fields
        ended(proxy)


@pytest.mark.parametrize("how", ["500 Oops", "404 No", "501 No"])
@on_uvloop
async def test_an_answer_that_stays_the_same_is_passed_on(how: str) -> None:
    """Only 502, 503 and 504 may be different in a moment."""
    up = Upstream(fails_until(3, how))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),)) as proxy:
        assert ((await (await proxy.caller()).ask()).status, len(up)) == (int(how[:3]), 1)


@pytest.mark.parametrize("how", ["reset", "503 Busy"])
@on_uvloop
async def test_trap_31_a_call_that_may_have_been_made_isnt_made_twice(how: str) -> None:
    """POST: not idempotent, whatever the rule says."""
    up = Upstream(fails_until(2, how))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),)) as proxy:
        caller = await proxy.caller()
        caller.post(b"/w")
        assert ((await caller.answer()).status in (502, 503), len(up)) == (True, 1)
        ended(proxy)


@on_uvloop
async def test_trap_37_a_budget_bounds_what_retries_add() -> None:
    """When everything fails: a fifth more calls, and the reserve of three; counted, so that somebody can see it."""
    clock = ManualClock()
    up = Upstream(fails_until(10_000, "503 Busy"))
    rule = retrying(attempts=2, budget=20)
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(rule,), clock=clock) as proxy:
        caller, calls = await proxy.caller(), 100
        for _ in range(calls):
            caller.get()
            answer = asyncio.ensure_future(caller.answer())
            while not answer.done():
                clock.advance(0.02)
                await asyncio.sleep(0.001)
            assert answer.result().status == 503
        made = len(up) - calls
        assert 20 <= made <= 0.2 * calls + 3 + 1
        figures = proxy.service.figures
        assert (figures.retries_made, figures.retries_refused["budget"]) == (made, calls - made)
        assert figures.retries_answered == 0


@on_uvloop
async def test_no_attempt_after_the_circuit_opened() -> None:
    """The first failure opens it: the caller gets that failure."""
    up = Upstream(fails_until(3, "503 Busy"))
    rule = retrying(trip=Trip(failure_rate_percent=0, consecutive_failures=1))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(rule,)) as proxy:
        found = await (await proxy.caller()).ask()
        assert (found.status, found.body, len(up)) == (503, b"bad", 1)
        assert proxy.service.figures.retries_refused["circuit"] == 1
        ended(proxy)


@pytest.mark.parametrize(("asked", "attempts"), [(b"0", 2), (b"1", 2), (b"6", 1), (b"soon", 2)])
@on_uvloop
async def test_retry_after_is_honoured_or_the_answer_is_passed_on(asked: bytes, attempts: int) -> None:
    """Not sooner than the upstream asks; where it asks for too long, not at all. The clock of the runtime decides."""
    clock = ManualClock()

    def act(connection: Connection, number: int) -> None:
        if number == 1:
            connection.answer(status=b"503 Busy", extra=b"Retry-After: %b\r\n" % asked)
        else:
            connection.answer(b"good")

    up = Upstream(act)
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),), clock=clock) as proxy:
        caller = await proxy.caller()
        caller.get()
        answer = asyncio.ensure_future(caller.answer())
        if attempts == 2:
            await until(lambda: proxy.service.figures.retries_made)
            if asked == b"1":
                clock.advance(0.9)
                await asyncio.sleep(0.06)  # two ticks: the attempt would have begun
                assert len(up) == 1
            clock.advance(1.1)
        found = await answer
        assert (found.status, len(up)) == (200 if attempts == 2 else 503, attempts)
        ended(proxy)


@on_uvloop
async def test_no_attempt_past_the_deadline() -> None:
    """An upstream that asks for longer than the request may take is asked no more."""

    def act(connection: Connection, number: int) -> None:
        connection.answer(status=b"503 Busy", extra=b"Retry-After: 2\r\n")

    up = Upstream(act)
    limits = Limits(request_timeout_ms=1_500, connect_timeout_ms=1_000)
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),), limits=limits) as proxy:
        assert (await (await proxy.caller()).ask()).status == 503
        assert (len(up), proxy.service.figures.retries_refused["deadline"]) == (1, 1)
        ended(proxy)


@on_uvloop
async def test_a_client_that_leaves_between_two_attempts_ends_them() -> None:
    """Nothing more is asked of the upstream, and nothing stays behind."""
    clock = ManualClock()
    up = Upstream(fails_until(2, "503 Busy"))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),), clock=clock) as proxy:
        caller = await proxy.caller()
        caller.get()
        await until(lambda: proxy.service.figures.retries_made)
        caller.leave()
        await until(lambda: not len(proxy.service.state.tracker))
        clock.advance(5)
        await asyncio.sleep(0.06)  # two ticks
        assert len(up) == 1
        ended(proxy)


@on_uvloop
async def test_those_who_wait_for_the_same_read_get_what_the_second_attempt_brings() -> None:
    """One call and one retry for all of them, and its answer is stored."""
    clock = ManualClock()
    up = Upstream(fails_until(2, "503 Busy"))
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(retrying(),), cache=(cache_rule(),), clock=clock) as proxy:
        callers = [await proxy.caller() for _ in range(5)]
        for caller in callers:
            caller.get(b"/c")
        await until(lambda: proxy.service.figures.retries_made and len(proxy.service.state.tracker) == len(callers))
        clock.advance(1)
        assert [(await caller.answer()).body for caller in callers] == [b"good"] * 5
        assert (len(up), len(proxy.service.stores["s"])) == (2, 1)
        ended(proxy)


@on_uvloop
async def test_a_write_whose_first_attempt_may_still_happen_lingers() -> None:
    """PUT, silent at first, then done: what is read meanwhile isn't stored until the first one can't happen any more."""
    up = Upstream(fails_until(2, "silent"))
    put = invalidation("/w")
    rule = retrying(try_timeout_ms=60)
    async with RawUpstream(up.script) as raw, proxied(raw.port, breakers=(rule,), cache=(cache_rule(),), invalidations=(put,)) as proxy:
        caller = await proxy.caller()
        assert (await caller.ask(b"/w", method=b"PUT")).status == 200
        assert proxy.service.cache.generations.writes == 1
        up.act = fails_until(1, "")
        await caller.ask(b"/w")
        assert len(proxy.service.stores["s"]) == 0


def falling_back(attempts: int, **rule: Any) -> BreakerRule:
    return msgspec.structs.replace(retrying(attempts, **rule), fallback=(Fallback(type="Upstream", pool="other"),))


async def with_another(proxy: Proxied, port: int, first: BreakerRule, second: BreakerRule) -> None:
    """`first` rules the pool, `second` the one that it falls back to."""
    config = proxy.config(breaker_rules=(first,))
    other = Pool(name="other", upstream=Destination(host="127.0.0.1", port=port), breaker_rules=(second,))
    await proxy.runtime.apply(msgspec.structs.replace(config, pools=(*config.pools, other)), "Local")


@pytest.mark.parametrize(("good", "told"), [(1, (200, b"good")), (2, (503, b"bad"))])
@on_uvloop
async def test_trap_37_only_the_first_upstream_is_tried_again(good: int, told: tuple[int, bytes]) -> None:
    """Its fallback gets one attempt, though its own rule would make three; the answer says how many there were in all."""
    mine, others = Upstream(fails_until(99, "503 Busy")), Upstream(fails_until(good, "503 Busy"))
    async with RawUpstream(mine.script) as raw, RawUpstream(others.script) as other, proxied(raw.port) as proxy:
        await with_another(proxy, other.port, falling_back(3), retrying(3))
        found = await (await proxy.caller()).ask()
        assert ((found.status, found.body), len(mine), len(others)) == (told, 3, 1)
        assert (found.fields[b"x-slipstream-fallback"], found.fields[b"x-slipstream-attempts"]) == (b"Upstream", b"4")
        figures = proxy.runtime.pools.services["other"].figures
        assert (figures.retries_made, figures.retries_answered) == (0, 0)
        assert proxy.runtime.pools.services["other"].circuits.all()[0].window.calls == 1


@pytest.mark.parametrize(("asked", "told"), [(1, b"2"), (2, None)])
@on_uvloop
async def test_what_a_circuit_refuses_is_no_attempt(asked: int, told: bytes | None) -> None:
    """The second call is elsewhere at once: one attempt, as of any call."""
    mine, others = Upstream(fails_until(99, "503 Busy")), Upstream(fails_until(1, ""))
    first = falling_back(1, trip=Trip(consecutive_failures=1))
    async with RawUpstream(mine.script) as raw, RawUpstream(others.script) as other, proxied(raw.port) as proxy:
        await with_another(proxy, other.port, first, retrying(3))
        caller = await proxy.caller()
        for _ in range(asked):
            found = await caller.ask()
        assert (found.status, found.fields.get(b"x-slipstream-attempts"), len(mine), len(others)) == (200, told, 1, asked)
