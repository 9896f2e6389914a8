"""Reads that are asked together: whom a batch is for, what each gets, and what becomes of them when it fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Batch, BreakerRule, CacheRule, Match, Partition, Window
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, Caller, Proxied, cache_rule, invalidation, proxied, until
from tests.fakes.raw_upstream import Connection, RawUpstream

BATCH = Batch(item="id", path="/items", max_wait_ms=10_000)
BY_SESSION = Partition(type="Header", headers=("X-Session-Id",))
Answering = Callable[[Connection, bytes, list[str], bytes], None]


def batched(**changes: Any) -> CacheRule:
    match = Match(protocol="HTTP", methods=("GET",), path_kind="Template", path="/items/{id}")
    return cache_rule(**{"match": match, "batch": BATCH, **changes})


def as_list(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
    """A list in the order asked for, each with who asked."""
    session = head.split(b"X-Session-Id: ")[-1].split(b"\r\n")[0].decode() if b"X-Session-Id" in head else ""
    answer = json.dumps([None if one == "none" else {"id": one, "for": session} for one in ids]).encode()
    connection.answer(answer, b"Content-Type: application/json\r\n")


class Items:
    """An upstream of items, which answers a batch as it is told to; `gate` holds back the reads of single ones."""

    def __init__(self, answering: Answering = as_list) -> None:
        self.answering = answering
        self.singles: list[str] = []
        self.batches: list[list[str]] = []
        self.heads: list[bytes] = []
        self.gate = asyncio.Event()
        self.batch_gate = asyncio.Event()
        self.batch_gate.set()

    async def __call__(self, connection: Connection) -> None:
        while True:
            head, body = await connection.request()
            target = head.split(b" ")[1].decode()
            self.heads.append(head)
            if target.startswith("/items/"):
                self.singles.append(target[7:])
                await self.gate.wait()
                session = head.split(b"X-Session-Id: ")[-1].split(b"\r\n")[0].decode() if b"X-Session-Id" in head else ""
                missing = target.endswith(("none", "bad"))
                connection.answer(
                    b"no such item" if missing else json.dumps({"id": target[7:], "for": session}).encode(),
                    status=b"404 Not Found" if missing else b"200 OK",
                )
            elif target.startswith("/items"):
                ids = json.loads(body)["ids"] if body else target.partition("ids=")[2].split(",")
                self.batches.append(ids)
                await self.batch_gate.wait()
                self.answering(connection, head, ids, body)
            else:
                connection.answer(b"done")


@asynccontextmanager
async def serving(items: Items, *rules: CacheRule, **settings: Any) -> AsyncIterator[Proxied]:
    async with RawUpstream(items) as up, proxied(up.port, cache=rules or (batched(),), **settings) as proxy:
        yield proxy


async def asking(proxy: Proxied, *ids: str, extra: bytes = b"") -> list[Caller]:
    """A caller each, all of whose reads are under way."""
    callers = []
    for one in ids:
        caller = await proxy.caller()
        under_way = len(proxy.service.state.tracker)
        caller.get(b"/items/" + one.encode(), extra)
        await until(lambda: len(proxy.service.state.tracker) > under_way)  # noqa: B023 - it is awaited here
        callers.append(caller)
    return callers


async def bodies(callers: list[Caller]) -> list[Any]:
    return [json.loads((await caller.answer()).body) for caller in callers]


def counters(proxy: Proxied) -> tuple[int, int, int]:
    found = proxy.service.cache.counters("p")
    return found.misses, found.batches, found.batched


@on_uvloop
async def test_trap_43_a_lone_read_is_asked_at_once_and_by_itself() -> None:
    """With a clock that stands still no wait could ever end."""
    items = Items()
    items.gate.set()
    async with serving(items, clock=ManualClock()) as proxy:
        caller = await proxy.caller()
        for one in ("1", "2", "3"):
            assert json.loads((await caller.ask(b"/items/" + one.encode())).body)["id"] == one
    assert (items.singles, items.batches) == (["1", "2", "3"], [])


@on_uvloop
async def test_reads_that_come_meanwhile_are_asked_as_one_and_stored_each() -> None:
    """The first by itself, the others in a batch when it is answered; each says so, and is a hit from then on."""
    items = Items()
    async with serving(items) as proxy:
        callers = await asking(proxy, "1", "3", "2", "4")
        items.gate.set()
        answers = [await caller.answer() for caller in callers]
        assert [json.loads(answer.body)["id"] for answer in answers] == ["1", "3", "2", "4"]
        assert [answer.fields[b"cache-status"] for answer in answers] == [
            b"slipstream; fwd=uri-miss; stored",
            *[b"slipstream; fwd=uri-miss; stored; collapsed; detail=batch"] * 3,
        ]
        assert answers[1].fields[b"content-type"] == b"application/json"
        assert (items.singles, items.batches) == (["1"], [["3", "2", "4"]])
        assert counters(proxy) == (4, 1, 3)
        again = await callers[0].ask(b"/items/2")
        assert again.fields[b"cache-status"].startswith(b"slipstream; hit")
        assert again.body == answers[2].body
        assert len(proxy.service.state.gathering) == 0
        assert not proxy.core.in_use


@on_uvloop
async def test_a_batch_is_full_at_its_size_and_goes_while_the_first_call_is_under_way() -> None:
    """Nobody waits for the longest wait, and the next one gathers anew."""
    items = Items()
    async with serving(items, batched(batch=Batch(item="id", path="/items", max_size=2, max_wait_ms=10_000))) as proxy:
        callers = await asking(proxy, "1", "2")
        last = await proxy.caller()
        last.get(b"/items/3")
        await until(lambda: items.batches)
        assert [one["id"] for one in await bodies([callers[1], last])] == ["2", "3"]
        items.gate.set()
        assert (await bodies(callers[:1]))[0]["id"] == "1"
    assert items.batches == [["2", "3"]]


@on_uvloop
async def test_the_longest_wait_ends_a_gathering() -> None:
    """The first call hangs; the others don't wait for it."""
    items = Items()
    async with serving(items, batched(batch=Batch(item="id", path="/items", max_wait_ms=1))) as proxy:
        callers = await asking(proxy, "1")
        late = [await proxy.caller(), await proxy.caller()]
        late[0].get(b"/items/2")
        late[1].get(b"/items/3")
        assert [one["id"] for one in await bodies(late)] == ["2", "3"]
        items.gate.set()
        await bodies(callers)


@on_uvloop
async def test_trap_02_and_43_a_batch_is_one_partitions() -> None:
    """Six sessions at once: each gets its own answers, from calls with its own header."""
    items = Items()
    async with serving(items, batched(partition=BY_SESSION)) as proxy:
        sessions = [b"s%d" % n for n in range(6)]
        callers = {session: await asking(proxy, "1", "2", "3", extra=b"X-Session-Id: %b\r\n" % session) for session in sessions}
        items.gate.set()
        for session in sessions:
            assert {one["for"] for one in await bodies(callers[session])} == {session.decode()}
    assert items.batches == [["2", "3"]] * 6


@on_uvloop
async def test_the_check_for_mixed_partitions_can_fail() -> None:
    """Negative control: of a Shared rule whose answers do differ by session, somebody gets another's."""
    items = Items()
    async with serving(items, batched()) as proxy:
        first = await asking(proxy, "1", extra=b"Authorization: a\r\n")
        others = await asking(proxy, "2", "3", extra=b"Authorization: b\r\n") + await asking(proxy, "4", extra=b"Authorization: c\r\n")
        items.gate.set()
        await bodies(first + others)
    assert any(b"Authorization: b" in head and b"ids=2,3,4" in head for head in items.heads)


@on_uvloop
async def test_shared_but_private_answers_of_a_batch_go_to_the_asker_alone() -> None:
    """Callers with credentials of their own share a batch; what the upstream calls private isn't given to another of them."""

    def private(connection: Connection, head: bytes, ids: list[str], body: bytes) -> None:
        who = head.split(b"Authorization: ")[1].split(b"\r\n")[0].decode()
        connection.answer(json.dumps([{"id": one, "for": who} for one in ids]).encode(), b"Cache-Control: private\r\n")

    items = Items(private)
    async with serving(items) as proxy:
        first = await asking(proxy, "1", extra=b"Authorization: a\r\n")
        others = [
            *await asking(proxy, "2", extra=b"Authorization: b\r\n"),
            *await asking(proxy, "3", extra=b"Authorization: c\r\n"),
        ]
        items.gate.set()
        await bodies(first)
        assert [one["for"] for one in await bodies(others)] == ["b", ""]
    assert items.batches == [["2", "3"]]
    assert items.singles == ["1", "3"]


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
async def test_trap_09_a_batch_that_a_write_overtook_is_given_to_those_who_waited_and_not_stored() -> None:
    """The write began and ended while the batch was under way."""
    items = Items()
    items.batch_gate.clear()
    async with serving(items, invalidations=(invalidation(),)) as proxy:
        callers = await asking(proxy, "1", "2", "3")
        items.gate.set()
        await callers[0].answer()
        await until(lambda: items.batches)
        writer = await proxy.caller()
        writer.post(b"/w")
        await writer.answer()
        items.batch_gate.set()
        answers = [await caller.answer() for caller in callers[1:]]
        assert [answer.fields[b"cache-status"] for answer in answers] == [b"slipstream; fwd=uri-miss; collapsed; detail=invalidated"] * 2
        again: Answer = await callers[0].ask(b"/items/2")
        assert b"hit" not in again.fields[b"cache-status"]


@on_uvloop
async def test_items_in_a_body_are_asked_for_by_post_which_is_no_write() -> None:
    """What is stored of that path stays."""
    items = Items()
    rules = (cache_rule("/items", name="all"), batched(batch=Batch(item="id", path="/items", items_in="Body", max_wait_ms=10_000)))
    async with serving(items, *rules) as proxy:
        reader = await proxy.caller()
        await reader.ask(b"/items")
        callers = await asking(proxy, "1", "2", "3")
        items.gate.set()
        assert [one["id"] for one in await bodies(callers)] == ["1", "2", "3"]
        assert (await reader.ask(b"/items")).fields[b"cache-status"].startswith(b"slipstream; hit")
    head = next(head for head in items.heads if head.startswith(b"POST "))
    assert items.batches[-1] == ["2", "3"]
    assert b"Content-Type: application/json\r\n" in head


@on_uvloop
async def test_reads_that_differ_in_more_than_the_item_are_not_one_batch() -> None:
    """Another query, another language; what is a request's own makes no difference."""
    items = Items()
    async with serving(items) as proxy:
        callers = await asking(proxy, "1", "2", extra=b"traceparent: 00-a\r\n")
        callers += await asking(proxy, "3", extra=b"traceparent: 00-b\r\n")
        callers += await asking(proxy, "4", extra=b"Accept-Language: de\r\n")
        callers += await asking(proxy, "5?lang=de")
        items.gate.set()
        assert [(await caller.answer()).status for caller in callers] == [200] * 5
    assert items.batches == [["2", "3"]]


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
