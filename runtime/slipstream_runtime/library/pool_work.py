"""Does what cores.pool says: opens, closes, wakes. Decides nothing; every opening and closing is a task of its own, of no caller."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Generic

from slipstream_api.clock import Clock
from slipstream_runtime.cores.pool import C, PoolCore, Reason, Slot, Work

_log = logging.getLogger(__name__)


class Member(Generic[C]):
    """A connection as the core holds it."""

    __slots__ = ("conn",)

    def __init__(self, conn: C) -> None:
        self.conn = conn


# A result, also for a refusal: an exception that nobody fetches would be reported when the future is collected.
Waiter = asyncio.Future[Slot[Member[C]] | Reason]


class Worker(Generic[C]):
    """`ended` is set whenever something ended, for whoever waits for the last of it."""

    def __init__(
        self,
        core: PoolCore[Member[C], Waiter[C]],
        open_one: Callable[[], Awaitable[C]],
        close_one: Callable[[C], object],
        timeout: float,
        clock: Clock,
    ) -> None:
        self.core = core
        self.ended = asyncio.Event()
        self.closers: set[asyncio.Task[None]] = set()
        self.last_error: BaseException | None = None
        self._open = open_one
        self._close = close_one
        self._timeout = timeout
        self._clock = clock
        self._dials: set[asyncio.Task[C]] = set()
        self._stopped: bool = False

    def do(self, work: Work[Member[C], Waiter[C]] | None) -> None:
        """All of it, and what follows from it."""
        todo = [work] if work else []
        while todo:
            one = todo.pop(0)
            for member in one.close:
                self._spawn_close(member)
            for waiter, slot in one.grant:
                if not waiter.done():
                    waiter.set_result(slot)
                elif more := self.core.put(slot, self._clock.now()):  # cancelled, and not yet told: for the next one
                    todo.append(more)
            for waiter, reason in one.fail:
                if not waiter.done():
                    waiter.set_result(reason)
            for _ in range(one.dial):
                self._spawn_dial()

    def put(self, slot: Slot[Member[C]], reusable: bool) -> None:
        self.do(self.core.put(slot, self._clock.now(), reusable))
        self.ended.set()

    def stop(self) -> None:
        """Ends all dials; what follows only closes."""
        self._stopped = True
        for dial in self._dials:
            dial.cancel()

    def _spawn_dial(self) -> None:
        task = asyncio.get_running_loop().create_task(self._dial())
        self._dials.add(task)
        # A callback, not a line after an await: it comes even where the task is cancelled before its first step.
        task.add_done_callback(functools.partial(self._dialled, self._clock.now()))

    async def _dial(self) -> C:
        async with asyncio.timeout(self._timeout):
            return await self._open()

    def _dialled(self, started: float, task: asyncio.Task[C]) -> None:
        self._dials.discard(task)
        now = self._clock.now()
        if task.cancelled() and self._stopped:
            self.do(self.core.dial_cancelled(now))
        elif task.cancelled() or task.exception() is not None:  # cancelled from within `open`: a failure, lest it be tried for ever
            self.last_error = asyncio.CancelledError() if task.cancelled() else task.exception()
            self.do(self.core.connect_failed(now - started, now))
        else:
            self.do(self.core.connected(Member(task.result()), now - started, now))
        self.ended.set()

    def _spawn_close(self, member: Member[C]) -> None:
        task = asyncio.get_running_loop().create_task(self._end(member.conn))
        self.closers.add(task)
        task.add_done_callback(self._closed)

    async def _end(self, conn: C) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                result = self._close(conn)
                if inspect.isawaitable(result):
                    await result
        except Exception as error:  # noqa: BLE001 (whatever it is, the connection is out of the pool)
            _log.warning("a pooled connection couldn't be closed: %r", error)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self.closers.discard(task)
        self.ended.set()
