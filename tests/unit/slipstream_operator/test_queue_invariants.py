"""The work queue's promises, in virtual time (looptime): order, debounce, back-off, one run per key, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from slipstream_operator.errors import Permanent, Temporary
from slipstream_operator.queue import Limits, Run, WorkQueue

pytestmark = pytest.mark.looptime

Handler = Callable[[str, Run], Awaitable[float | None]]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def running(queue: WorkQueue[str], handle: Handler) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(handle))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert queue.running == set()


def make(**limits: float) -> WorkQueue[str]:
    return WorkQueue("test", Limits(**limits), uniform=lambda: 0.0)  # type: ignore[arg-type]  # workers is given as an int


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


async def test_failures_back_off_exponentially_and_success_forgets_them() -> None:
    """0.5, 1, 2 seconds, capped; the next failure after a success starts over."""
    queue, runs = make(debounce=0.0, backoff=0.5, backoff_cap=2.0), list[tuple[float, int]]()
    failing = True

    async def handle(key: str, run: Run) -> None:
        runs.append((round(now(), 2), run.attempt))
        if failing:
            raise Temporary("not yet")

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(6)
        failing = False
        await asyncio.sleep(2)
        failing = True
        queue.add("a")
        await asyncio.sleep(0.7)
    assert runs == [(0.0, 0), (0.5, 1), (1.5, 2), (3.5, 3), (5.5, 4), (7.5, 5), (8.0, 0), (8.5, 1)]


async def test_jitter_spreads_the_back_off() -> None:
    """Failures that began together don't come back together."""
    queue, runs = WorkQueue[str]("test", Limits(debounce=0.0, backoff=1.0, jitter=0.5), uniform=lambda: 1.0), list[float]()

    async def handle(key: str, run: Run) -> None:
        runs.append(now())
        raise Temporary("no")

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(2)
    assert runs == [0.0, pytest.approx(1.5)]


async def test_an_error_can_ask_for_a_longer_delay() -> None:
    """Temporary(delay) is a lower bound."""
    queue, runs = make(debounce=0.0), list[float]()

    async def handle(key: str, run: Run) -> None:
        runs.append(now())
        raise Temporary("too many requests", delay=7.0)

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(8)
    assert runs == [0.0, pytest.approx(7.0)]


async def test_an_event_runs_a_key_early_without_forgetting_its_failures() -> None:
    """As client-go's Add during a rate-limited wait."""
    queue, attempts = make(debounce=0.1, backoff=30.0), list[tuple[float, int]]()

    async def handle(key: str, run: Run) -> None:
        attempts.append((round(now(), 2), run.attempt))
        raise Temporary("no")

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        await asyncio.sleep(1)
    assert attempts == [(0.1, 0), (1.1, 1)]


async def test_a_permanent_error_waits_for_the_next_event() -> None:
    """Nothing changes by trying again."""
    queue, runs = make(debounce=0.0), list[int]()

    async def handle(key: str, run: Run) -> None:
        runs.append(run.attempt)
        raise Permanent("the object is refused")

    async with running(queue, handle):
        queue.add("a")
        await asyncio.sleep(1000)
        assert len(queue) == 0
        queue.add("a")
        await asyncio.sleep(1)
    assert runs == [0, 0]


async def test_an_unexpected_exception_is_retried_and_the_others_go_on() -> None:
    """A bug in one key isn't the end of all."""
    queue, runs = make(debounce=0.0), list[str]()

    async def handle(key: str, run: Run) -> None:
        runs.append(key)
        if key == "bad" and run.attempt == 0:
            raise ValueError("bug")

    async with running(queue, handle):
        queue.add("bad")
        queue.add("good")
        await asyncio.sleep(2)
    assert runs == ["bad", "good", "bad"]


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
