"""Memoized coroutine functions: one call for all tasks that ask for the same at once. Holds no value and decides none (memo)."""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

from slipstream_runtime.cores.flight import Flight, Flights
from slipstream_runtime.library.memo import Memo, Outcome, Question

Waiter = asyncio.Future[Outcome]


class AsyncCalls:
    """The calls under way. They belong to no caller: each runs as a task of its own, and is cancelled when the last waiter leaves."""

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        # By event loop: a future wakes only its own one. Values are shared by all.
        self._flights: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Flights[Waiter]] = weakref.WeakKeyDictionary()
        self._tasks: dict[Flight[Waiter], asyncio.Task[Any]] = {}

    async def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        memo = self._memo
        question = memo.ask(args, kwargs)
        if question is None:
            return await memo.function(*args, **kwargs)
        loop = asyncio.get_running_loop()
        with memo.lock:
            held = memo.find(question)
            if held is None:
                waiter: Waiter = loop.create_future()
                flights, flight = self._join(loop, question, waiter)
        if held is not None:
            return memo.hand_out(held.value)
        if flight.leader is waiter:
            self._start(flights, flight, question, _run(memo.function, args, kwargs))
        elif self._tasks.get(flight) is asyncio.current_task():
            with memo.lock:
                flights.leave(flight, waiter)
            raise RecursionError("the memoized function asks for the very value that it is to return")
        return await self._wait(flights, flight, waiter)

    async def _wait(self, flights: Flights[Waiter], flight: Flight[Waiter], waiter: Waiter) -> Any:
        try:
            outcome = await waiter
        except asyncio.CancelledError:
            with self._memo.lock:
                last = flights.leave(flight, waiter)
            if last:
                self._tasks[flight].cancel()
            raise
        return self._memo.deliver(outcome)

    def _join(self, loop: asyncio.AbstractEventLoop, question: Question, waiter: Waiter) -> tuple[Flights[Waiter], Flight[Waiter]]:
        memo = self._memo
        flights = self._flights.setdefault(loop, Flights())
        flight = flights.join(question.key, question.snapshot, waiter, memo.clock.now())
        if flight is None:
            raise RuntimeError("a memoized function has neither writes nor marks")
        if flight.leader is waiter:
            memo.misses += 1
        else:
            memo.coalesced += 1
        return flights, flight

    def _start(self, flights: Flights[Waiter], flight: Flight[Waiter], question: Question, call: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks[flight] = task
        # A callback, not a line after an await: it comes even where the task is cancelled before its first step.
        task.add_done_callback(functools.partial(self._landed, flights, flight, question))

    def _landed(self, flights: Flights[Waiter], flight: Flight[Waiter], question: Question, task: asyncio.Task[Any]) -> None:
        del self._tasks[flight]
        if flight.done:  # everybody left
            if not task.cancelled():
                task.exception()  # seen: nobody is there to be told
            return
        outcome = None if task.cancelled() else self._memo.conclude(question, task.result)
        with self._memo.lock:
            waiters = flights.land(flight)
        for waiter in waiters:
            if waiter.done():
                continue  # its task is being cancelled
            if outcome is None:
                waiter.cancel()  # the call cancelled itself, or the loop shuts down: as it would have been without us
            else:
                waiter.set_result(outcome)


async def _run(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """So that arguments which don't fit fail in the call's task, as every other error."""
    return await function(*args, **kwargs)


def wrap(memo: Memo) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The coroutine function that stands in for the memo's."""
    calls = AsyncCalls(memo)

    @functools.wraps(memo.function)
    async def memoized(*args: Any, **kwargs: Any) -> Any:
        return await calls.call(args, kwargs)

    return memoized
