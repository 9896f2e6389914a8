"""Memoized functions under threads: one call, shared errors, interrupts, invalidation from elsewhere."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import memoize

THREADS = 8


class Gate:
    """A function that says when it was entered and returns when let."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.ends: list[Future[Any]] = []

    def __call__(self) -> Any:
        end: Future[Any] = Future()
        self.ends.append(end)
        self.entered.release()
        return end.result(timeout=10)


def waiting(function: Any, number: int) -> None:
    """Until `number` threads share a call."""
    turns = threading.Event()
    for _ in range(10_000):
        if function.stats().coalesced >= number:
            return
        turns.wait(0.001)
    raise AssertionError("nobody waits")


def sharing(threads: ThreadPoolExecutor, function: Any, gate: Gate) -> list[Future[Any]]:
    """Three threads in one call that has begun."""
    answers = [threads.submit(function) for _ in range(3)]
    assert gate.entered.acquire(timeout=10)
    waiting(function, 2)
    return answers


def test_threads_that_ask_at_once_share_one_call() -> None:
    gate = Gate()
    barrier = threading.Barrier(THREADS)

    @memoize(ttl=10, partition="shared", clock=ManualClock())
    def one() -> Any:
        return gate()

    def together() -> Any:
        barrier.wait(10)
        return one()

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(together) for _ in range(THREADS)]
        gate.entered.acquire()
        waiting(one, THREADS - 1)
        gate.ends[0].set_result("value")
        assert [answer.result(10) for answer in answers] == ["value"] * THREADS
    assert len(gate.ends) == 1
    assert one() == "value"
    assert (one.stats().misses, one.stats().hits) == (1, 1)


def test_an_error_is_shared_once_and_not_kept() -> None:
    gate = Gate()

    @memoize(ttl=10, partition="shared")
    def one() -> Any:
        return gate()

    with ThreadPoolExecutor(3) as threads:
        answers = sharing(threads, one, gate)
        error = ValueError("no")
        gate.ends[0].set_exception(error)
        assert [answer.exception(10) for answer in answers] == [error] * 3
        again = threads.submit(one)
        gate.entered.acquire()
        gate.ends[1].set_result("value")
        assert again.result(10) == "value"


def test_an_interrupted_leader_leaves_the_call_to_the_next() -> None:
    """SystemExit is its own; the others ask again."""
    gate = Gate()

    @memoize(ttl=10, partition="shared")
    def one() -> Any:
        return gate()

    with ThreadPoolExecutor(3) as threads:
        answers = sharing(threads, one, gate)
        gate.ends[0].set_exception(SystemExit())
        gate.entered.acquire()
        gate.ends[1].set_result("value")
        ended = [answer.exception(10) or answer.result() for answer in answers]
    assert sorted(type(end).__name__ for end in ended) == ["SystemExit", "str", "str"]


def test_an_invalidation_from_another_thread_during_a_call_keeps_it_from_being_kept() -> None:
    """And a thread that asks after it doesn't join."""
    gate = Gate()

    @memoize(ttl=10, partition="shared", tags=("events",))
    def one() -> Any:
        return gate()

    with ThreadPoolExecutor(2) as threads:
        early = threads.submit(one)
        gate.entered.acquire()
        one.invalidate("events")
        late = threads.submit(one)
        gate.entered.acquire()
        gate.ends[0].set_result("old")
        gate.ends[1].set_result("new")
        assert (early.result(10), late.result(10)) == ("old", "new")
    assert one() == "new"


def test_a_write_is_seen_by_every_read_that_begins_after_it() -> None:
    """Readers and one writer, as fast as they can."""
    version = [0]

    @memoize(ttl=1000, partition="shared", tags=("events",))
    def read(number: int) -> int:
        return version[0]

    stop = threading.Event()
    stale: list[tuple[int, int]] = []

    def reader(number: int) -> None:
        while not stop.is_set():
            least = written[0]
            seen = read(number % 2)
            if seen < least:
                stale.append((least, seen))

    written = [0]
    with ThreadPoolExecutor(THREADS) as threads:
        for number in range(4):
            threads.submit(reader, number)
        for _ in range(2_000):
            version[0] += 1
            read.invalidate("events")
            written[0] = version[0]
        stop.set()
    assert not stale
    assert read.stats().misses > 2


def test_recursion_into_the_same_call_fails_instead_of_waiting_for_ever() -> None:
    @memoize(ttl=10, partition="shared")
    def fibonacci(number: int) -> int:
        if number < 0:
            return int(fibonacci(number))
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(60) == 1548008755920
    with pytest.raises(RecursionError, match="very value"):
        fibonacci(-1)


def test_a_function_that_returns_an_awaitable_is_refused() -> None:
    """It could be awaited once only."""

    async def coroutine() -> int:
        return 1

    with pytest.raises(TypeError, match="awaited once"):
        memoize(ttl=10, partition="shared")(lambda: coroutine())()
