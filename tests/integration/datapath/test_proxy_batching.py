"""Reads that are asked together: who waits, whom a batch is for, and what each gets."""

from __future__ import annotations

import json

from slipstream_api.clock import ManualClock
from slipstream_api.config import Batch
from tests.fakes.batched import BY_SESSION, Items, asking, batched, bodies, counters, serving
from tests.fakes.loops import on_uvloop
from tests.fakes.proxied import Answer, cache_rule, invalidation, until
from tests.fakes.raw_upstream import Connection


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
async def test_answers_past_their_time_are_fetched_in_a_batch_too() -> None:
    """Those that no upstream could confirm; and what it refuses by then isn't kept as a stale one."""
    items, clock = Items(), ManualClock()
    items.gate.set()
    async with serving(items, batched(stale_if_error_ms=600_000), clock=clock) as proxy:
        caller = await proxy.caller()
        for one in ("1", "2", "3", "4"):
            await caller.ask(b"/items/" + one.encode())
        clock.advance(61)
        items.gate.clear()
        items.answering = lambda connection, head, ids, body: connection.answer(b'[{"id":"2"},null,{"id":"4"}]')
        items.refused = "3"
        callers = await asking(proxy, "1", "2", "3", "4")
        items.gate.set()
        answers = [await caller.answer() for caller in callers]
        assert [answer.status for answer in answers] == [200, 200, 403, 200]
        assert answers[1].fields[b"cache-status"] == b"slipstream; fwd=stale; stored; collapsed; detail=batch"
        assert len(proxy.service.stores["s"]) == 3
    assert items.batches == [["2", "3", "4"]]


@on_uvloop
async def test_in_shadow_nothing_waits_and_nothing_is_batched() -> None:
    """Nobody's answer changes."""
    items = Items()
    async with serving(items, batched(mode="Shadow"), clock=ManualClock()) as proxy:
        callers = await asking(proxy, "1", "2", "3")
        await until(lambda: len(items.singles) == 3)
        items.gate.set()
        await bodies(callers)
    assert items.batches == []
