"""A Pool under a script of callers, cancellations, failures and time, and the laws that hold at every step."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import ConnectFailed, Pool, PoolTimeout, TooManyRequests

REFUSALS = (ConnectFailed, PoolTimeout, TooManyRequests)


class Conn:
    def __init__(self) -> None:
        self.user: Caller | None = None
        self.good = True
        self.ending = False


class Caller:
    """One user of the pool; `end` is set to None or the error that leaves the block."""

    def __init__(self) -> None:
        self.end: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.served = self.cancelled = False
        self.task: asyncio.Task[None]


class World:
    def __init__(self, max_size: int, min_size: int, checked: bool) -> None:
        self.clock = ManualClock()
        self.max_size = max_size
        self.conns: list[Conn] = []  # that are open
        self.callers: list[Caller] = []  # in order of arrival
        self.down = self.was_down = False
        self.checked = checked
        self.seen: Counter[str] = Counter()
        self.pool = Pool(
            self.open,
            self.close,
            min_size=min(min_size, max_size),
            max_size=max_size,
            timeout=5.0,
            max_waiting=2,
            max_idle=20.0,
            max_lifetime=100.0,
            check=self.check if checked else None,
            clock=self.clock,
            random=lambda: 0.0,
        )
        self.pool.start()

    # The upstream

    async def open(self) -> Conn:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if self.down:
            raise OSError("down")
        conn = Conn()
        self.conns.append(conn)
        assert sum(not one.ending for one in self.conns) <= self.max_size, "more connections than max_size"
        return conn

    async def close(self, conn: Conn) -> None:
        assert conn.user is None, "closed in use"
        assert not conn.ending, "closed twice"
        conn.ending = True
        await asyncio.sleep(0)
        self.conns.remove(conn)

    async def check(self, conn: Conn) -> bool:
        await asyncio.sleep(0)
        return conn.good

    # Steps

    def arrive(self) -> None:
        caller = Caller()
        caller.task = asyncio.ensure_future(self.using(caller))
        self.callers.append(caller)

    async def using(self, caller: Caller) -> None:
        with suppress(KeyError):
            async with self.pool.connection() as conn:
                assert conn.user is None, "given to two"
                assert not conn.ending, "closed already"
                conn.user = caller
                caller.served = True
                self.seen["served"] += 1
                try:
                    error = await caller.end
                finally:
                    conn.user = None
                if error is not None:
                    raise error

    def leave(self, index: int, failed: bool) -> None:
        due = [caller for caller in self.callers if caller.served and not caller.end.done()]
        if due:
            due[index % len(due)].end.set_result(KeyError("of the application") if failed else None)

    def cancel(self, index: int) -> None:
        if self.callers:
            caller = self.callers[index % len(self.callers)]
            caller.cancelled = caller.task.cancel() or caller.cancelled

    async def brief(self, turns: int) -> None:
        """Somebody comes and is cancelled so many turns later."""
        self.arrive()
        for _ in range(turns):
            await asyncio.sleep(0)
        self.cancel(-1)

    async def crowd(self) -> None:
        """One more than there is room for, and time passes."""
        for _ in range(self.max_size + 1):
            self.arrive()
        await quiet()
        self.advance(6.0)

    def toggle(self) -> None:
        self.down = not self.down
        self.was_down = True

    def spoil(self, index: int) -> None:
        if self.conns:
            self.conns[index % len(self.conns)].good = False

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.pool.maintain()

    # Laws

    async def check_all(self) -> None:
        """When nothing moves any more."""
        await quiet()
        for caller in [caller for caller in self.callers if caller.task.done()]:
            self.callers.remove(caller)
            if caller.task.cancelled():
                assert caller.cancelled, "cancelled by somebody else"
                self.seen["cancelled"] += 1
            elif (error := caller.task.exception()) is not None:
                if not isinstance(error, REFUSALS):
                    raise error
                assert not caller.served
                self.seen[type(error).__name__] += 1
        served = [caller.served for caller in self.callers]
        if not self.checked:  # whoever finds an idle connection unusable waits anew
            assert served == sorted(served, reverse=True), "served before somebody who came earlier"
        stats = self.pool.get_stats()
        in_use, waiting = sum(served), len(served) - sum(served)
        assert stats["requests_waiting"] == waiting, "nobody knows that it waits"
        assert stats["pool_size"] - stats["pool_available"] == in_use, "a slot is lost"
        assert stats["pool_size"] == len(self.conns)
        # While dials are backed off, those who wait do so for a connection in use.
        assert not waiting or in_use == self.max_size or (in_use and self.was_down), "waits although there is room"

    async def finish(self) -> None:
        """All leave: the pool serves max_size at once, as new, and closes with nothing left open."""
        await self.check_all()
        self.down = False
        await self.all_leave()
        self.advance(30.0)  # past any backoff
        await quiet()
        for _ in range(self.max_size):
            self.arrive()
        await quiet()
        assert all(caller.served for caller in self.callers), "a slot is lost"
        await self.all_leave()
        await self.pool.close()
        assert not self.conns, "left open"

    async def all_leave(self) -> None:
        for _ in range(len(self.callers)):
            self.leave(0, False)
            await self.check_all()
        assert not self.callers, "waits for nothing"


async def quiet() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
