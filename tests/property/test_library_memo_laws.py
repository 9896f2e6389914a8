"""memoize under every script: no other key's value, none older than an invalidation, bytes bounded, nobody left over by cancellation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.library import memo, memo_async
from slipstream_runtime.library.memo import Memo, Outcome, Question
from slipstream_runtime.library.memo_async import AsyncCalls
from slipstream_runtime.library.values import Held, Values
from tests.fakes.memo_world import SESSIONS, SIZES, World
from tests.fakes.mutants import caught

sessions = st.sampled_from(SESSIONS)
steps = st.one_of(
    st.tuples(st.just("ask"), sessions, st.sampled_from(sorted(SIZES))),
    st.tuples(st.just("ask"), sessions, st.sampled_from(sorted(SIZES))),
    st.tuples(st.just("end"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("end"), st.integers(0, 5), st.just(False)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("invalidate"), sessions),
    st.tuples(st.just("clear")),
    st.tuples(st.just("fill")),
    st.tuples(st.just("abandoned")),
    st.tuples(st.just("outage"), st.sampled_from((9.0, 12.0, 20.0))),
    st.tuples(st.just("advance"), st.sampled_from((0.5, 4.0, 10.0))),
)
scripts = st.lists(st.tuples(steps, st.integers(0, 4)), min_size=5, max_size=40)  # a step, and for how many turns the loop goes on


async def play(script: list[tuple[tuple[Any, ...], int]]) -> World:
    world = World()
    for (step, *args), turns in script:
        result = getattr(world, step)(*args)
        if result is not None:
            await result
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns == 4:
            await world.check()
    await world.finish()
    return world


def run(script: Any) -> None:
    asyncio.run(play(script))


@settings(max_examples=120, deadline=None)
@given(scripts)
def test_every_script_keeps_the_laws(script: Any) -> None:
    run(script)


def test_the_scripts_reach_what_they_are_for() -> None:
    """Values, errors, stale ones, cancellations, evictions: all occur."""
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(scripts)
    def collect(script: Any) -> None:
        seen.update(asyncio.run(play(script)).seen)

    collect()
    assert min(seen[name] for name in ("values", "errors", "stale", "cancelled", "evictions")) > 0, seen


def _recaptured(self: Memo, question: Question, produce: Callable[[], object], original: Any = Memo.conclude) -> Outcome:
    """The snapshot is taken when the call ends, not when it begins."""
    outcome: Outcome = original(self, Question(question.key, self.generations.capture((), 0, path_scope(""))), produce)
    return outcome


def _joined_to_any(self: AsyncCalls, loop: Any, question: Question, waiter: Any, original: Any = AsyncCalls._join) -> Any:
    """A call that an invalidation overtook is joined as any other."""
    for flight in self._tasks:
        if flight.key == question.key and not flight.done:
            flight.waiters[waiter] = None
            return self._flights[loop], flight
    return original(self, loop, question, waiter)


def _kept_without_end(self: Values, key: bytes, held: Held, now: float) -> bool:
    """No room is made."""
    held.size += 600
    if not held.snapshot.storable():
        return False
    self.bytes += held.size - (self._held[key].size if key in self._held else 0)
    self._held[key] = held
    return True


async def _left_alone(self: AsyncCalls, flights: Any, flight: Any, waiter: Any) -> Any:
    """Whoever is cancelled leaves the call to itself."""
    return self._memo.deliver(await waiter)


def _cancelled_with_its_first(self: AsyncCalls, flights: Any, flight: Any, waiter: Any, original: Any = AsyncCalls._wait) -> Any:
    """The call ends with the one who made it."""

    async def wait() -> Any:
        try:
            return await original(self, flights, flight, waiter)
        except asyncio.CancelledError:
            if flight in self._tasks and flight.leader is waiter:
                self._tasks[flight].cancel()
            raise

    return wait()


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (memo, "key_of", lambda asked: repr(asked[1][0][1]).encode()),  # the query: whoever asks
        (memo, "key_of", lambda asked: repr(asked[0]).encode()),  # the partition: whatever is asked for
        (Memo, "conclude", _recaptured),
        (AsyncCalls, "_join", _joined_to_any),
        (Values, "put", _kept_without_end),
        (Values, "get", lambda self, key, now: self.get_stale(key, now)),
        (memo_async.AsyncCalls, "_wait", _left_alone),
        (memo_async.AsyncCalls, "_wait", _cancelled_with_its_first),
    ],
    ids=["partition", "question", "recaptured", "joined", "unbounded", "expired", "left alone", "cancelled with its first"],
)
def test_control_a_broken_one_is_caught(owner: Any, name: str, broken: Any) -> None:
    assert caught(scripts, run, owner, name, broken)
