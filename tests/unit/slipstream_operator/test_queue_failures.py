"""What the work queue does with failures, in virtual time (looptime): back-off, jitter, permanent errors, the other keys."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_operator.errors import Permanent, Temporary
from slipstream_operator.queue import Limits, Run, WorkQueue
from tests.fakes.queues import make, now, running

pytestmark = pytest.mark.looptime


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
