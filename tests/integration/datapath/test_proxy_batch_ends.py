"""What becomes of reads whose batch fails, hangs, can't be used, or is left by its callers."""

from __future__ import annotations

import asyncio
import json

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Batch, BreakerRule, Limits, Match, Retry, Window
from tests.fakes.batched import Answering, Items, as_list, asking, batched, bodies, counters, serving
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import until
from tests.fakes.raw_upstream import Connection


@on_uvloop
async def test_trap_43_one_bad_item_fails_alone() -> None:
    """What a batch has no answer to is asked by itself, and says what the upstream says; the others have theirs."""
    items = Items()
    async with serving(items) as proxy:
        callers = await asking(proxy, "1", "2", "none", "3")
        items.gate.set()
        answers = [await caller.answer() for caller in callers]
        assert [answer.status for answer in answers] == [200, 200, 404, 200]
        assert answers[2].body == b"no such item"
        assert counters(proxy) == (4, 1, 2)
    assert (items.singles, items.batches) == (["1", "none"], [["2", "none", "3"]])


def error(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.answer(b"one of them is bad", status=b"400 Bad Request")


def cut(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[")
    connection.writer.close()


def reset(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.reset()


def cookie(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.answer(json.dumps(ids).encode(), b"Set-Cookie: a=b\r\n")


def short(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.answer(json.dumps(ids[1:]).encode())


def encoded(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    connection.answer(json.dumps(ids).encode(), b"Content-Encoding: gzip\r\n")


@pytest.mark.parametrize("answering", [error, cut, reset, cookie, short, encoded])
@on_uvloop
async def test_trap_43_a_batch_that_failed_or_is_no_use_costs_nobody_an_answer(answering: Answering) -> None:
    """Each is asked by itself; what was said about the whole is nobody's answer."""
    items = Items(answering)
    async with serving(items) as proxy:
        callers = await asking(proxy, "1", "2", "3", "bad")
        items.gate.set()
        answers = [await caller.answer() for caller in callers]
        assert [answer.status for answer in answers] == [200, 200, 200, 404]
        assert [json.loads(answer.body)["id"] for answer in answers[:3]] == ["1", "2", "3"]
        assert counters(proxy)[2] == 0
        assert len(proxy.service.state.gathering) == 0
        assert not proxy.core.in_use
    assert sorted(items.singles) == ["1", "2", "3", "bad"]


@on_uvloop
async def test_a_rule_whose_batch_is_no_use_is_not_batched_for_a_while() -> None:
    """Its reads no longer wait for each other."""
    items = Items(error)
    async with serving(items, clock=ManualClock()) as proxy:
        callers = await asking(proxy, "1", "2", "3")
        items.gate.set()
        await bodies(callers)
        items.gate.clear()
        callers = await asking(proxy, "4", "5", "6")
        await until(lambda: len(items.singles) == 6)
        items.gate.set()
        await bodies(callers)
    assert len(items.batches) == 1


@on_uvloop
async def test_callers_that_leave_take_nobody_with_them_and_the_last_one_ends_the_batch() -> None:
    """One leaves while it waits, one while the batch is under way, then the last."""
    items = Items()
    items.batch_gate.clear()
    async with serving(items) as proxy:
        first, waits, carried, last = await asking(proxy, "1", "2", "3", "4")
        waits.leave()
        await until(lambda: len(proxy.service.state.tracker) == 3)
        items.gate.set()
        await first.answer()
        # "3" and "4" go as a batch of two
        await until(lambda: items.batches)
        carried.leave()
        await until(lambda: len(proxy.service.state.tracker) == 2)  # the last one, and the call
        assert proxy.core.in_use == 1
        last.leave()
        await until(lambda: not len(proxy.service.state.tracker) and not proxy.core.in_use)
        assert len(proxy.service.state.gathering) == 0
    assert items.batches == [["3", "4"]]


@on_uvloop
async def test_each_waiter_keeps_its_own_deadline() -> None:
    """Who has little time is told so in time; the batch goes on for the others."""
    items, clock = Items(), ManualClock()
    items.batch_gate.clear()
    async with serving(items, clock=clock) as proxy:
        (first,) = await asking(proxy, "1")
        (hurried,) = await asking(proxy, "2", extra=b"X-Envoy-Upstream-Rq-Timeout-Ms: 500\r\n")
        (patient,) = await asking(proxy, "3")
        items.gate.set()
        await first.answer()
        await until(lambda: items.batches)
        clock.advance(1.0)
        assert (await hurried.answer()).status == 504
        items.batch_gate.set()
        assert (await bodies([patient]))[0]["id"] == "3"
    assert items.batches == [["2", "3"]]


@on_uvloop
async def test_a_batch_that_hangs_is_a_timeout_for_all_and_the_breaker_hears_of_it() -> None:
    """Each at its own requestTimeout; the call ends with them."""
    items, clock = Items(), ManualClock()
    items.batch_gate.clear()
    breaker = BreakerRule(name="b", policy="p", match=Match(), window=Window(type="Count", calls=2, minimum_calls=2))
    async with serving(items, clock=clock, breakers=(breaker,)) as proxy:
        first, *others = await asking(proxy, "1", "2", "3")
        items.gate.set()
        await first.answer()
        await until(lambda: items.batches)
        clock.advance(31.0)
        assert [(await caller.answer()).status for caller in others] == [504, 504]
        await until(lambda: not proxy.core.in_use)
        assert [circuit.state(clock.now()) for circuit in proxy.service.circuits.all()] == ["Open"]


@on_uvloop
async def test_a_herd_of_many_items_is_answered_right_whatever_is_cut() -> None:
    """Forty callers over ten items, some of which leave: each of the others has its own item."""
    items = Items()
    items.gate.set()
    async with serving(items, batched(batch=Batch(item="id", path="/items", max_size=4, max_wait_ms=1))) as proxy:

        async def one(number: int) -> None:
            caller = await proxy.caller()
            for turn in range(5):
                item = str((number * 7 + turn * 3) % 10 + turn * 100)
                caller.get(b"/items/" + item.encode())
                if number % 9 == 4 and turn == 3:
                    caller.leave()
                    return
                answer = await caller.answer()
                assert json.loads(answer.body)["id"] == item

        await asyncio.gather(*(one(number) for number in range(40)))
        await until(lambda: not len(proxy.service.state.tracker))
        assert len(proxy.service.state.gathering) == 0
        assert not proxy.core.in_use
    assert all(len(batch) <= 4 for batch in items.batches)
    assert all(len(set(batch)) == len(batch) for batch in items.batches)


@on_uvloop
async def test_a_batch_is_tried_again_within_the_budget_of_its_rule() -> None:
    """The call is one call: its waiters make no attempts of their own meanwhile."""
    items = Items()
    failing = [True]

    def once(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
        if failing.pop() if failing else False:
            connection.answer(b"later", b"Retry-After: 0\r\n", status=b"503 Service Unavailable")
        else:
            as_list(connection, head, ids, body)

    items.answering = once
    breaker = BreakerRule(name="b", policy="p", match=Match(), retry=Retry(max_attempts=2, budget_percent=100))
    async with serving(items, breakers=(breaker,)) as proxy:
        callers = await asking(proxy, "1", "2", "3")
        items.gate.set()
        assert [one["id"] for one in await bodies(callers)] == ["1", "2", "3"]
    assert items.batches == [["2", "3"], ["2", "3"]]
    assert items.singles == ["1"]


@on_uvloop
async def test_an_upstream_that_is_gone_is_not_asked_for_each() -> None:
    """Who waited for a batch that can't be sent fails with it, and the pool is asked no more often."""
    items = Items()
    items.gate.set()
    limits = Limits(max_connections=1, max_pending=0)
    async with serving(items, batched(batch=Batch(item="id", path="/items", max_size=2, max_wait_ms=10_000)), limits=limits) as proxy:
        items.gate.clear()
        (first,) = await asking(proxy, "1")
        others = await asking(proxy, "2")
        last = await proxy.caller()
        last.get(b"/items/3")  # the batch is full, and there is no place for it
        assert [(await caller.answer()).status for caller in (*others, last)] == [503, 503]
        items.gate.set()
        assert (await first.answer()).status == 200
        assert proxy.core.stats.requests_num == 2
    assert (items.singles, items.batches) == (["1"], [])
