"""Memoized functions: one call for all threads that ask for the same at once. Holds no value and decides none (memo)."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from slipstream_runtime.cores.flight import Flight, Flights
from slipstream_runtime.library.memo import Memo, Outcome, Question


class Waiter:
    """One thread that waits, or leads. No `outcome` after `woken`: the leader was interrupted, ask again."""

    __slots__ = ("outcome", "thread", "woken")

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.outcome: Outcome | None = None
        self.thread = threading.get_ident()


class SyncCalls:
    """The calls under way: the first thread makes one, the others wait for it."""

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._flights: Flights[Waiter] = Flights()

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        memo = self._memo
        while True:
            question = memo.ask(args, kwargs)  # anew each time: the question is as old as its snapshot
            if question is None:
                return memo.function(*args, **kwargs)
            with memo.lock:
                held = memo.find(question)
                if held is None:
                    waiter = Waiter()
                    flight = self._join(question, waiter)
            if held is not None:
                return memo.hand_out(held.value)
            if flight.leader is waiter:
                self._lead(flight, question, waiter, functools.partial(memo.function, *args, **kwargs))
            else:
                self._wait(flight, waiter)
            if waiter.outcome is not None:
                return memo.deliver(waiter.outcome)

    def _join(self, question: Question, waiter: Waiter) -> Flight[Waiter]:
        memo = self._memo
        flight = self._flights.join(question.key, question.snapshot, waiter, memo.clock.now())
        if flight is None:
            raise RuntimeError("a memoized function has neither writes nor marks")
        if flight.leader is waiter:
            memo.misses += 1
        elif flight.leader.thread == waiter.thread:
            self._flights.leave(flight, waiter)
            raise RecursionError("the memoized function asks for the very value that it is to return")
        else:
            memo.coalesced += 1
        return flight

    def _lead(self, flight: Flight[Waiter], question: Question, leader: Waiter, produce: Callable[[], object]) -> None:
        outcome: Outcome | None = None
        try:
            outcome = leader.outcome = self._memo.conclude(question, produce)
        finally:  # KeyboardInterrupt and SystemExit are this thread's alone: the others ask again
            with self._memo.lock:
                waiters = self._flights.land(flight)
            for waiter in waiters:
                waiter.outcome = outcome
                waiter.woken.set()

    def _wait(self, flight: Flight[Waiter], waiter: Waiter) -> None:
        try:
            waiter.woken.wait()
        except BaseException:  # an interrupt of the main thread
            with self._memo.lock:
                self._flights.leave(flight, waiter)
            raise


def wrap(memo: Memo) -> Callable[..., Any]:
    """The function that stands in for the memo's."""
    calls = SyncCalls(memo)

    @functools.wraps(memo.function)
    def memoized(*args: Any, **kwargs: Any) -> Any:
        return calls.call(args, kwargs)

    return memoized
