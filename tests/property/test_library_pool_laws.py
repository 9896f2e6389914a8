"""Pool under every script of callers, cancelled at whatever await: no slot is lost, none is given to two, first come first served."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_runtime.cores.pool import PoolCore, Slot
from slipstream_runtime.library.pool import Pool
from slipstream_runtime.library.pool_work import Worker
from tests.fakes.mutants import caught
from tests.fakes.pool_world import World

steps = st.one_of(
    st.tuples(st.just("arrive")),
    st.tuples(st.just("arrive")),
    st.tuples(st.just("leave"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("leave"), st.integers(0, 5), st.just(False)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("brief"), st.integers(0, 6)),
    st.tuples(st.just("brief"), st.integers(0, 3)),
    st.tuples(st.just("crowd")),
    st.tuples(st.just("toggle")),
    st.tuples(st.just("spoil"), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.sampled_from((1.0, 6.0, 30.0, 200.0))),
)
moves = st.lists(st.tuples(steps, st.integers(0, 6)), min_size=5, max_size=40)  # a step, and for how many turns the loop goes on
scripts = st.tuples(st.integers(1, 3), st.integers(0, 2), st.booleans(), moves)


async def play(script: tuple[int, int, bool, list[tuple[tuple[Any, ...], int]]]) -> Counter[str]:
    max_size, min_size, checked, steps = script
    world = World(max_size, min_size, checked)
    for (step, *args), turns in steps:
        result = getattr(world, step)(*args)
        if result is not None:
            await result
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns == 6:
            await world.check_all()
    await world.finish()
    return world.seen


def run(script: Any) -> Counter[str]:
    return asyncio.run(play(script))


@settings(max_examples=120, deadline=None)
@given(scripts)
def test_every_script_keeps_the_laws(script: Any) -> None:
    run(script)


def test_the_scripts_reach_what_they_are_for() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(scripts)
    def collect(script: Any) -> None:
        seen.update(run(script))

    collect()
    assert min(seen[name] for name in ("served", "cancelled", "ConnectFailed", "PoolTimeout", "TooManyRequests")) > 0, seen


async def _waits_carelessly(self: Pool[Any], deadline: float) -> Any:
    """What was granted in the turn of the cancellation isn't given back."""
    waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    self._worker.do(self._core.enqueue(waiter, deadline, self._clock.now()))
    try:
        outcome = await waiter
    except asyncio.CancelledError:
        self._core.cancel(waiter)
        raise
    if isinstance(outcome, Slot):
        return outcome
    raise self._error(outcome)


def _granted_carelessly(self: Worker[Any], work: Any, original: Any = Worker.do) -> None:
    """What is granted to somebody who was cancelled before, and doesn't know yet, is forgotten."""
    if work is not None:
        work.grant = [(waiter, slot) for waiter, slot in work.grant if not waiter.done()]
    original(self, work)


async def _checked_carelessly(self: Pool[Any], slot: Any, deadline: float) -> bool:
    """A cancelled check keeps its connection."""
    if self._check is None or await self._check(slot.conn.conn):
        return True
    self._worker.put(slot, reusable=False)
    return False


def _last_come_first_served(self: Any, waiter: Any, deadline: float, now: float, original: Any = PoolCore.enqueue) -> Any:
    work = original(self, waiter, deadline, now)
    if waiter in self.waiters:
        self.waiters.move_to_end(waiter, last=False)
    return work


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (Pool, "_wait", _waits_carelessly),
        (Worker, "do", _granted_carelessly),
        (Pool, "_usable", _checked_carelessly),
        (PoolCore, "enqueue", _last_come_first_served),
    ],
    ids=["granted while cancelled", "granted to a cancelled one", "cancelled in its check", "last come first served"],
)
def test_control_a_broken_one_is_caught(owner: Any, name: str, broken: Any) -> None:
    assert caught(scripts, run, owner, name, broken)
