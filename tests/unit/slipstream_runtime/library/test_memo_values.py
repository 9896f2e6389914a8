"""What memoize keeps, for how long, in how many bytes, and what an invalidation takes away."""

from __future__ import annotations

import asyncio
import copy
import inspect
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_runtime.cores.generations import Generations, path_scope
from slipstream_runtime.library import memoize
from slipstream_runtime.library.sizes import estimate
from slipstream_runtime.library.values import ENTRY_OVERHEAD, Held, Values
from tests.fakes.memoized import Source, ask, memoized


async def test_a_value_is_kept_for_its_ttl() -> None:
    """Fresh while now < expires, None included."""
    clock = ManualClock()
    calls = []

    @memoize(ttl=10, partition="shared", clock=clock)
    async def one() -> None:
        calls.append(1)

    await one()
    clock.advance(9.99)
    await one()
    assert len(calls) == 1
    clock.advance(0.01)
    await one()
    assert len(calls) == 2
    assert one.stats().expirations == 1
    assert inspect.iscoroutinefunction(one)
    assert one.__name__ == "one"  # type: ignore[attr-defined]  # of functools.wraps


async def test_a_call_that_an_invalidation_overtook_is_not_kept_nor_joined() -> None:
    source = Source()
    recall = memoized(source)
    (early,) = await ask(recall, "s", "q")
    recall.invalidate("events")
    (late,) = await ask(recall, "s", "q")
    assert len(source.calls) == 2
    source.calls[0].set_result("old")
    assert await early == "old"
    assert recall.stats().rejected == 1
    source.calls[1].set_result("new")
    assert await late == "new"
    assert await recall("s", "q") == "new"


@pytest.mark.parametrize("how", ["invalidate", "clear"])
async def test_an_invalidated_value_is_never_answered(how: str) -> None:
    """Not even in place of an error."""
    source = Source()
    recall = memoized(source, stale_if_error=100)
    (task,) = await ask(recall, "s", "q")
    source.calls[0].set_result("old")
    await task
    recall.invalidate("events") if how == "invalidate" else recall.clear()
    (task,) = await ask(recall, "s", "q")
    source.calls[1].set_exception(OSError("down"))
    with pytest.raises(OSError, match="down"):
        await task


async def test_tags_may_depend_on_the_arguments() -> None:
    source = Source()
    recall = memoized(source, tags=lambda session, query: (f"session:{session}",))
    for number, session in enumerate(("a", "b")):
        (task,) = await ask(recall, session, "q")
        source.calls[number].set_result(session)
        await task
    recall.invalidate("session:a")
    recall.invalidate("session:never-seen")
    assert await recall("b", "q") == "b"
    await ask(recall, "a", "q")
    assert len(source.calls) == 3
    with pytest.raises(TypeError, match="one str"):
        await memoized(source, tags=lambda session, query: "events")("s", "q")


async def test_an_unknown_tag_and_none_are_refused() -> None:
    """A misspelt tag would leave stale answers in place."""
    recall = memoized(Source())
    with pytest.raises(ValueError, match=r"'evnts'.*'events'"):
        recall.invalidate("evnts")
    with pytest.raises(TypeError, match="clear"):
        recall.invalidate()


async def test_a_stale_value_stands_in_for_an_error_while_allowed() -> None:
    clock = ManualClock()
    source = Source()
    recall = memoized(source, clock, stale_if_error=5)
    (task,) = await ask(recall, "s", "q")
    source.calls[0].set_result("value")
    await task
    clock.advance(14)
    tasks = await ask(recall, "s", "q", number=2)
    source.calls[1].set_exception(OSError("down"))
    assert await asyncio.gather(*tasks) == ["value"] * 2
    assert recall.stats().stale == 1
    clock.advance(1)
    (task,) = await ask(recall, "s", "q")
    source.calls[2].set_exception(OSError("down"))
    with pytest.raises(OSError, match="down"):
        await task


async def test_bytes_are_bounded_and_the_least_recently_used_goes_first() -> None:
    calls = []

    @memoize(ttl=10, partition="shared", max_bytes=30_000, size=len)
    async def page(number: int, length: int) -> bytes:
        calls.append(number)
        return bytes(length)

    for number in (1, 2, 3, 1, 4):
        await page(number, 9_000)
    assert calls == [1, 2, 3, 4]
    await page(1, 9_000)
    await page(2, 9_000)
    assert calls == [1, 2, 3, 4, 2]
    await page(9, 40_000)
    stats = page.stats()
    assert (stats.entries, stats.rejected) == (3, 1)
    assert stats.bytes <= 30_000


async def test_with_copy_no_caller_touches_what_another_gets() -> None:
    """Without, they share the object."""

    @memoize(ttl=10, partition="shared", copy=copy.deepcopy)
    async def apart() -> list[int]:
        return [1]

    @memoize(ttl=10, partition="shared")
    async def together() -> list[int]:
        return [1]

    both = await asyncio.gather(apart(), apart())
    for one in both:
        one.append(2)
    assert await apart() == [1]
    assert await together() is await together()


async def test_a_bad_size_fails_the_call_and_wedges_nothing() -> None:
    @memoize(ttl=10, partition="shared", size=lambda value: -1)
    async def one() -> int:
        return 1

    for _ in range(2):
        with pytest.raises(ValueError, match="size= returned -1"):
            await one()


@dataclass(slots=True)
class Slotted:
    text: str


class Plain:
    def __init__(self, text: str) -> None:
        self.text = text
        self.me = self


@pytest.mark.parametrize(
    "make", [str, lambda t: [t], lambda t: {"k": t}, lambda t: (t,), Slotted, Plain, lambda t: [[[Plain(t)]]], str.encode]
)
def test_a_size_counts_what_a_value_is_made_of(make: Any) -> None:
    """Containers, attributes and slots, each object once."""
    text = "x" * 50_000
    assert 50_000 < estimate(make(text), 10**9) < 52_000
    assert estimate([text] * 100, 10**9) < 52_000


def test_a_size_stops_at_its_limit() -> None:
    assert 1_000 < estimate([bytes(100) for _ in range(100_000)], 1_000_000) <= 1_000_000 + 1_000
    assert estimate(list(range(1000, 2000)), 100) > 100


def test_the_overhead_of_an_entry_is_not_more_than_is_counted() -> None:
    """10,000 entries of 32-octet keys, traced."""
    generations = Generations()
    held = Values(1 << 30)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(10_000):
        now = float(number)
        held.put(number.to_bytes(60), Held(None, 0, generations.capture((1,), 0, path_scope("")), now + 10.0, now + 20.0), now)
    grown = (tracemalloc.get_traced_memory()[0] - before) / 10_000
    tracemalloc.stop()
    assert ENTRY_OVERHEAD / 2 < grown < ENTRY_OVERHEAD
