"""A pool of any asyncio connections, on cores.pool: opens, closes and wakes whom the core says. Decides nothing, retries no request."""

from __future__ import annotations

import asyncio
import logging
import random as random_source
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Generic, Self

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_runtime.cores.pool import C, PoolCore, Reason, Slot
from slipstream_runtime.library.errors import ConnectFailed, PoolClosed, PoolTimeout, TooManyRequests
from slipstream_runtime.library.pool_limits import limits
from slipstream_runtime.library.pool_work import Member, Waiter, Worker

_CLOCK: Final = MonotonicClock()
SWEEP_SECONDS: Final = 1.0  # between two looks for idle and over-age connections
_log = logging.getLogger(__name__)


class Lease(Generic[C]):
    """One use of one connection: what `pool.connection()` returns, to be entered once."""

    __slots__ = ("_pool", "_slot", "_timeout")

    def __init__(self, pool: Pool[C], timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout
        self._slot: Slot[Member[C]] | None = None

    async def __aenter__(self) -> C:
        if self._slot is not None:
            raise RuntimeError("pool.connection() is entered once: call it again")
        self._slot = await self._pool._acquire(self._timeout)
        return self._slot.conn.conn

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._slot is not None
        self._pool._release(self._slot, error)  # awaits nothing: no cancellation comes between


class Pool(Generic[C]):
    """At most `max_size` connections, `min_size` kept open, first come first served. `async with Pool(...)` opens and closes it.

    `open` makes a connection, `close` ends one (a coroutine function, or not), `check` raises or returns False for one that is no longer
    usable; it is asked for each connection that comes from the idle ones. After an exception in the block, cancellation included, a
    connection is closed, since nobody knows what is unread on it; `keep_on` names exceptions after which it isn't. Times are seconds,
    `max_lifetime` and `max_idle` 0: no limit. `connect_timeout` bounds `open`, `check` and `close` each.
    """

    def __init__(
        self,
        open: Callable[[], Awaitable[C]],  # noqa: A002 (psycopg_pool and asyncpg call it so)
        close: Callable[[C], object],
        *,
        min_size: int = 0,
        max_size: int = 10,
        timeout: float = 10.0,
        max_waiting: int = 1024,
        max_lifetime: float = 600.0,
        max_idle: float = 60.0,
        check: Callable[[C], Awaitable[object]] | None = None,
        connect_timeout: float = 5.0,
        keep_on: tuple[type[Exception], ...] = (),
        clock: Clock = _CLOCK,
        random: Callable[[], float] = random_source.random,
    ) -> None:
        self._check = check
        self._keep_on = keep_on
        self._limits = limits(min_size, max_size, timeout, max_waiting, max_lifetime, max_idle)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._core: PoolCore[Member[C], Waiter[C]] = PoolCore(self._limits, random, clock.now())
        self._worker = Worker(self._core, open, close, connect_timeout, clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._closed: bool = False
        self._retaken = 0  # connections taken and found unusable: the core counts a request and a bad return for each
        self._lost = 0

    # What the application calls

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def start(self) -> None:
        """Opens the pool on the running loop; connections follow by themselves."""
        if self._loop is not None:
            raise RuntimeError("a pool is opened once; make another one")
        self._loop = asyncio.get_running_loop()
        self._swept()

    def _swept(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._swept)
        self.maintain()

    def connection(self, timeout: float | None = None) -> Lease[C]:
        """`async with pool.connection() as c`; waits at most `timeout`, and never longer than the pool's."""
        return Lease(self, timeout)

    def maintain(self) -> None:
        """Does what time made due; the pool calls it by itself."""
        self._worker.do(self._core.maintain(self._clock.now()))

    async def close(self, timeout: float = 5.0) -> None:
        """Whoever waits fails, connections close as they come back; waits for that at most `timeout`. May be called again."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        worker = self._worker
        worker.do(self._core.close())
        worker.stop()
        try:
            async with asyncio.timeout(timeout):
                while self._core.size or worker.closers:
                    worker.ended.clear()
                    await worker.ended.wait()
        except TimeoutError:
            _log.warning("pool closed with %d connections still in use; they close when they come back", self._core.size)

    def get_stats(self) -> dict[str, int]:
        """Figures by psycopg_pool's names; `_ms` are sums in milliseconds, counters since the start."""
        core, stats = self._core, self._core.stats
        return {
            "pool_min": self._limits.min_connections,
            "pool_max": self._limits.max_connections,
            "pool_size": core.size,
            "pool_available": core.idle,
            "requests_waiting": core.waiting,
            "usage_ms": int(stats.usage_ms),
            "requests_num": stats.requests_num - self._retaken,
            "requests_queued": stats.requests_queued,
            "requests_wait_ms": int(stats.requests_wait_ms),
            "requests_errors": stats.requests_errors,
            "returns_bad": stats.returns_bad - self._retaken,
            "connections_num": stats.connections_num,
            "connections_ms": int(stats.connections_ms),
            "connections_errors": stats.connections_errors,
            "connections_lost": stats.connections_lost + self._lost,
        }

    # What a Lease does

    async def _acquire(self, timeout: float | None) -> Slot[Member[C]]:
        if self._closed or self._loop is None:
            raise PoolClosed("the pool is closed" if self._closed else "the pool isn't open: use `async with pool`, or call start()")
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("the pool belongs to another event loop: make one for each")
        now = self._clock.now()
        deadline = now + (self._timeout if timeout is None else min(timeout, self._timeout))
        while now < deadline and (slot := self._core.take(now)) is not None:
            if await self._usable(slot, deadline):
                return slot
            now = self._clock.now()
        return await self._wait(deadline)

    async def _usable(self, slot: Slot[Member[C]], deadline: float) -> bool:
        """A connection that idled, checked; an unusable one is put back."""
        if self._check is None:
            return True
        reusable = answered = False
        try:
            async with asyncio.timeout(min(self._connect_timeout, max(0.0, deadline - self._clock.now()))):
                reusable = await self._check(slot.conn.conn) is not False
            answered = True
        except Exception as error:  # noqa: BLE001 (whatever says that it is unusable)
            answered = True
            _log.debug("check of a pooled connection failed: %r", error)
        finally:  # cancelled: nobody knows what its check left unread
            if not reusable:
                self._retaken += 1
                self._lost += answered
                self._worker.put(slot, reusable=False)
        return reusable

    async def _wait(self, deadline: float) -> Slot[Member[C]]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Slot[Member[C]] | Reason] = loop.create_future()
        now = self._clock.now()
        self._worker.do(self._core.enqueue(waiter, deadline, now))
        timer = loop.call_later(max(0.0, deadline - now), self._expire, deadline) if not waiter.done() else None
        try:
            outcome = await waiter
        except asyncio.CancelledError:
            if not self._core.cancel(waiter) and not waiter.cancelled() and isinstance(granted := waiter.result(), Slot):
                self._worker.put(granted, reusable=True)  # it came in the very turn in which we were cancelled; unused
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if isinstance(outcome, Slot):
            return outcome
        raise self._error(outcome)

    def _expire(self, deadline: float) -> None:
        """A waiter's timer; the loop's clock may be ahead of ours by a tick, or ours not move at all."""
        now = self._clock.now()
        if now + 0.001 < deadline:
            asyncio.get_running_loop().call_later(deadline - now, self._expire, deadline)
        else:
            self._worker.do(self._core.maintain(max(now, deadline)))

    def _release(self, slot: Slot[Member[C]], error: BaseException | None) -> None:
        self._worker.put(slot, reusable=error is None or isinstance(error, self._keep_on))

    def _error(self, reason: Reason) -> Exception:
        limits = self._limits
        if reason == "AcquireTimeout":
            return PoolTimeout(f"no connection came free in time: all {limits.max_connections} are in use (max_size, timeout)")
        if reason == "PendingFull":
            return TooManyRequests(f"{limits.max_pending} requests wait for a connection already (max_waiting)")
        if reason == "Closed":
            return PoolClosed("the pool is closed")
        failed = ConnectFailed(f"no connection could be opened: {self._worker.last_error!r}")
        failed.__cause__ = self._worker.last_error
        return failed
