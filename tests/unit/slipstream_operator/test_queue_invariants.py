"""The work queue's promises, in virtual time (looptime): order, debounce, back-off, one run per key, cancellation."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_operator.errors import Permanent, Temporary
from slipstream_operator.queue import Limits, Run, WorkQueue
from tests.fakes.queues import make, now, running

pytestmark = pytest.mark.looptime


async def test_a_burst_of_adds_runs_once_after_the_debounce() -> None:
    """N adds are one run, `debounce` after the last of them."""
    queue, runs = make(debounce=0.1), list[float]()

    async def handle(key: str, run: Run) -> None:
        runs.append(now())

    async with running(queue, handle):
        for _ in range(50):
            queue.add("a")
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
    assert runs == [pytest.approx(0.59, abs=0.02)]


async def test_an_endless_burst_runs_every_max_wait() -> None:
    """Debouncing delays, it doesn't starve."""
    queue, runs = make(debounce=0.1, max_wait=2.0), list[float]()

    async def handle(key: str, run: Run) -> None:
        runs.append(now())

    async with running(queue, handle):
        for _ in range(110):
            queue.add("a")
            await asyncio.sleep(0.05)
    assert len(runs) == 2
    assert runs[0] == pytest.approx(2.0, abs=0.06)


async def test_a_key_never_runs_twice_at_once_and_an_add_during_a_run_is_one_more_run() -> None:
    """However often a key is added while it runs: exactly one more run, after it."""
    queue, log, active = make(debounce=0.1), list[str](), 0

    async def handle(key: str, run: Run) -> None:
        nonlocal active
        active += 1
        assert active == 1
        log.append("start")
        await asyncio.sleep(1)
        log.append("end")
        active -= 1

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(0.3)
        for _ in range(5):
            queue.add("a")
            await asyncio.sleep(0.1)
        await asyncio.sleep(5)
    assert log == ["start", "end"] * 2


async def test_keys_run_side_by_side_up_to_the_number_of_workers() -> None:
    """`workers` keys at once, no more."""
    queue, active, peak = make(debounce=0.0, workers=3), 0, 0

    async def handle(key: str, run: Run) -> None:
        nonlocal active, peak
        active += 1
        peak = max(peak, active)
        await asyncio.sleep(1)
        active -= 1

    async with running(queue, handle):
        for key in "abcdefg":
            queue.add(key)
        await asyncio.sleep(3.5)
    assert peak == 3


async def test_a_handler_can_ask_to_be_called_again() -> None:
    """The returned seconds are a timer; an event before it replaces it."""
    queue, runs = make(debounce=0.0), list[float]()

    async def handle(key: str, run: Run) -> float | None:
        runs.append(round(now(), 2))
        return 30.0 if len(runs) < 3 else None

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(10)
        queue.add("a")
        await asyncio.sleep(500)
    assert runs == [0.0, 10.0, 40.0]


async def test_since_is_the_oldest_change_that_no_run_has_handled() -> None:
    """From change to acknowledgement is measured from the first event, through failures."""
    queue, seen = make(debounce=0.1, backoff=1.0), list[float]()

    async def handle(key: str, run: Run) -> None:
        seen.append(round(run.since, 2))
        if len(seen) == 1:
            raise Temporary("no")

    async with running(queue, handle):
        await asyncio.sleep(5)
        queue.add("a")
        await asyncio.sleep(3)
        queue.add("a")
        await asyncio.sleep(1)
    assert seen == [5.0, 5.0, 8.0]


async def test_cancellation_in_the_middle_of_runs_leaves_nothing_running() -> None:
    """Stopping is a normal path: handlers see the cancellation, keys are released."""
    queue, cancelled = make(debounce=0.0, workers=2), list[str]()

    async def handle(key: str, run: Run) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    async with running(queue, handle):
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(1)
        assert queue.running == {"a", "b"}
    assert sorted(cancelled) == ["a", "b"]
    assert "c" in queue


async def test_forget_drops_timers_and_failures() -> None:
    """What is gone isn't looked at again."""
    queue, runs = make(debounce=0.0, backoff=1.0), list[str]()

    async def handle(key: str, run: Run) -> None:
        runs.append(key)
        raise Temporary("no")

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.forget("a")
        await asyncio.sleep(100)
    assert runs == ["a"]
    assert len(queue) == 0


class Spy:
    def __init__(self) -> None:
        self.depths: list[int] = []
        self.waits: list[float] = []
        self.results: list[tuple[float, str]] = []

    def queued(self, depth: int) -> None:
        self.depths.append(depth)

    def started(self, waited: float) -> None:
        self.waits.append(round(waited, 2))

    def finished(self, took: float, result: str) -> None:
        self.results.append((round(took, 2), result))


async def test_depth_wait_duration_and_result_are_observed() -> None:
    """What the metrics show."""
    spy = Spy()
    queue = WorkQueue[str]("test", Limits(debounce=0.1), observer=spy)

    async def handle(key: str, run: Run) -> None:
        await asyncio.sleep(2)
        if key == "b":
            raise Permanent("no")

    async with running(queue, handle):
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(5)
    assert spy.waits == [0.1, 0.1]
    assert sorted(spy.results) == [(2.0, "ok"), (2.0, "permanent")]
    assert max(spy.depths) == 2
    assert spy.depths[-1] == 0
