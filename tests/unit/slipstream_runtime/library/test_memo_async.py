"""Memoized coroutine functions: who shares a call, and what cancellation and errors do to those who wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from slipstream_runtime.library import memoize
from tests.fakes.memoized import Source, ask, memoized, quiet


async def test_a_thousand_callers_share_one_call() -> None:
    source = Source()
    recall = memoized(source)
    tasks = await ask(recall, "s", "q", number=1000)
    assert len(source.calls) == 1
    source.calls[0].set_result("value")
    assert set(await asyncio.gather(*tasks)) == {"value"}
    stats = recall.stats()
    assert (stats.misses, stats.coalesced, stats.stored, stats.entries) == (1, 999, 1, 1)


async def test_partitions_never_share_and_an_unknown_caller_shares_with_nobody() -> None:
    """Neither what is kept nor what is under way."""
    source = Source()
    recall = memoized(source)
    for session in ("a", "b", None, None, ""):
        await ask(recall, session, "q")
    assert len(source.calls) == 5
    for call in source.calls:
        call.set_result(id(call))
    await quiet()
    assert (recall.stats().entries, recall.stats().bypass) == (2, 3)


async def test_a_cancelled_leader_fails_nobody() -> None:
    source = Source()
    recall = memoized(source)
    leader, other = await ask(recall, "s", "q", number=2)
    leader.cancel()
    await quiet()
    assert not source.cancelled
    source.calls[0].set_result("value")
    assert await other == "value"
    assert leader.cancelled()


async def test_the_last_waiter_to_leave_cancels_the_call() -> None:
    """And whoever comes later starts anew."""
    source = Source()
    recall = memoized(source)
    tasks = await ask(recall, "s", "q", number=3)
    for number, task in enumerate(tasks):
        assert not source.cancelled
        task.cancel()
        await quiet()
        assert source.cancelled == (number == 2)
    (later,) = await ask(recall, "s", "q")
    source.calls[1].set_result("new")
    assert await later == "new"


@pytest.mark.parametrize("joined", [False, True])
async def test_cancellation_at_each_step_leaves_nothing_behind(joined: bool) -> None:
    """Whenever it comes, the next caller is answered."""
    landed = 0
    for steps in range(12):
        source = Source()
        recall = memoized(source)
        others = await ask(recall, "s", "q") if joined else []
        task = asyncio.ensure_future(recall("s", "q"))
        for step in range(steps):
            await asyncio.sleep(0)
            if step == 5:
                source.calls[0].set_result("value")
        task.cancel()
        await quiet()
        landed += not task.cancelled()
        later = await ask(recall, "s", "q")
        for call in source.calls:
            if not call.done():
                call.set_result("value")
        assert await asyncio.gather(*others, *later) == ["value"] * (len(others) + 1)
    assert 0 < landed < 12


async def test_an_error_reaches_all_who_wait_and_is_kept_for_none() -> None:
    source = Source()
    recall = memoized(source)
    tasks = await ask(recall, "s", "q", number=3)
    error = ValueError("no")
    source.calls[0].set_exception(error)
    assert await asyncio.gather(*tasks, return_exceptions=True) == [error] * 3
    await ask(recall, "s", "q")
    assert len(source.calls) == 2


async def test_wrong_arguments_fail_as_ever_and_wedge_nothing() -> None:
    """Also where key= hides them from the key."""

    @memoize(ttl=10, partition="shared", key=lambda *args: "same")
    async def one(a: int) -> int:
        return a

    with pytest.raises(TypeError, match="one"):
        await one()  # type: ignore[call-arg]  # on purpose
    assert await one(1) == 1


async def test_a_function_that_asks_for_itself_fails_instead_of_waiting_for_ever() -> None:
    @memoize(ttl=10, partition="shared")
    async def one() -> int:
        return int(await one())

    with pytest.raises(RecursionError):
        await one()


async def test_a_call_that_cancels_itself_cancels_who_waits() -> None:
    """As it would without memoize."""
    source = Source()
    recall = memoized(source)
    tasks = await ask(recall, "s", "q", number=2)
    source.calls[0].cancel()
    await quiet()
    assert all(task.cancelled() for task in tasks)


def test_values_outlive_an_event_loop_and_calls_do_not_cross_two() -> None:
    calls = []

    @memoize(ttl=10, partition="shared")
    async def one() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        return 1

    async def leave() -> None:
        task = asyncio.ensure_future(one())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    assert asyncio.run(_both(one)) == [1, 1]
    assert asyncio.run(_both(one)) == [1, 1]
    assert len(calls) <= 2


async def _both(function: Any) -> list[int]:
    return list(await asyncio.gather(function(), function()))
