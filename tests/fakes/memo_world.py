"""A memoized function under a script of asks, ends, cancellations and invalidations, and the laws that hold at every step."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import memoize
from slipstream_runtime.library.values import ENTRY_OVERHEAD

TTL = 10.0
STALE = 5.0
SIZES = {"small": 500, "large": 4_000}
MAX_BYTES = 2 * (4_000 + ENTRY_OVERHEAD) + 500
SESSIONS = ("a", "b")


class Value:
    """What one call returned; it can be told from every other call's."""

    def __init__(self, call: Call, ended: float) -> None:
        self.asked, self.number, self.ended = call.asked, call.number, ended
        self.size = SIZES[call.asked[1]]


class Down(Exception):  # noqa: N818 (a state of the upstream)
    def __init__(self, call: Call) -> None:
        super().__init__(*call.asked)
        self.asked, self.number = call.asked, call.number


class Call:
    def __init__(self, asked: tuple[str, str], number: int) -> None:
        self.asked, self.number = asked, number
        self.end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Ask:
    """One caller. `least`: no call before this number began after all invalidations that the caller came after; `time`: how many these
    are, so that callers of one time share a call."""

    def __init__(self, asked: tuple[str, str], at: float) -> None:
        self.asked, self.at = asked, at
        self.least = self.time = 0
        self.cancelled = False
        self.task: asyncio.Task[Any]


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.running: list[Call] = []
        self.asks: list[Ask] = []
        self.began = 0
        self.least = dict.fromkeys(SESSIONS, 0)
        self.times = dict.fromkeys(SESSIONS, 0)
        self.down: dict[tuple[str, str], list[float]] = {}  # when calls failed
        self.living: weakref.WeakSet[Value] = weakref.WeakSet()
        self.seen = {"values": 0, "errors": 0, "stale": 0, "cancelled": 0, "evictions": 0}
        self.read: Any = memoize(
            ttl=TTL,
            partition=lambda session, query: session,
            tags=lambda session, query: (f"of:{session}",),
            max_bytes=MAX_BYTES,
            stale_if_error=STALE,
            size=lambda value: value.size,
            clock=self.clock,
        )(self.fetch)

    async def fetch(self, session: str, query: str) -> Value:
        call = Call((session, query), self.began)
        self.began += 1
        self.running.append(call)
        try:
            return await call.end  # type: ignore[no-any-return]  # a future of Any
        finally:
            self.running.remove(call)

    # Steps

    def ask(self, session: str, query: str) -> None:
        ask = Ask((session, query), self.clock.now())
        ask.task = asyncio.ensure_future(self.asking(ask))
        self.asks.append(ask)

    async def asking(self, ask: Ask) -> Any:
        session = ask.asked[0]  # in the very step in which memoize is asked
        ask.least, ask.time = self.least[session], self.times[session]
        return await self.read(*ask.asked)

    def cancel(self, index: int) -> None:
        if self.asks:
            ask = self.asks[index % len(self.asks)]
            ask.cancelled = ask.task.cancel() or ask.cancelled

    def end(self, index: int, failed: bool) -> None:
        due = [call for call in self.running if not call.end.done()]
        if not due:
            return
        call = due[index % len(due)]
        if failed:
            self.down.setdefault(call.asked, []).append(self.clock.now())
            call.end.set_exception(Down(call))
        else:
            value = Value(call, self.clock.now())
            self.living.add(value)
            call.end.set_result(value)

    def invalidate(self, session: str) -> None:
        self.least[session] = self.began
        self.times[session] += 1
        self.read.invalidate(f"of:{session}")

    def clear(self) -> None:
        for session in SESSIONS:
            self.least[session] = self.began
            self.times[session] += 1
        self.read.clear()

    async def fill(self) -> None:
        """More than there is room for."""
        for session in SESSIONS:
            for query in SIZES:
                self.ask(session, query)
        await quiet()
        while any(not call.end.done() for call in self.running):
            self.end(0, False)
            await quiet()

    async def abandoned(self) -> None:
        """By the caller that made the call, while another one waits for it."""
        await quiet()
        self.ask("a", "large")
        self.ask("a", "large")
        await quiet()
        self.cancel(-2)

    async def outage(self, seconds: float) -> None:
        """What is known, and `seconds` later nothing any more."""
        for failed in (False, True):
            self.ask("b", "small")
            await quiet()
            for _ in self.running:
                self.end(0, failed)
            await self.advance(seconds)

    async def advance(self, seconds: float) -> None:
        await quiet()
        self.clock.advance(seconds)

    # Laws

    def check_answers(self) -> None:
        """Of those who have one; they are forgotten."""
        for ask in [ask for ask in self.asks if ask.task.done()]:
            self.asks.remove(ask)
            if ask.task.cancelled():
                assert ask.cancelled, "cancelled by somebody else"
                self.seen["cancelled"] += 1
                continue
            error = ask.task.exception()
            answer = error or ask.task.result()
            assert answer.asked == ask.asked, "another key's answer"
            assert answer.number >= ask.least, "of a call that began before an invalidation"
            if error is None:
                self.check_age(answer, ask)
            self.seen["values" if error is None else "errors"] += 1

    def check_age(self, value: Value, ask: Ask) -> None:
        failures = self.down.get(ask.asked, ())
        fresh = ask.at < value.ended + TTL
        excused = any(ask.at <= failed < value.ended + TTL + STALE for failed in failures)
        assert fresh or excused, "expired, and nothing failed since it was asked for"
        self.seen["stale"] += not fresh

    async def check(self) -> None:
        """When nothing moves any more."""
        await quiet()
        self.check_answers()
        waiting = [ask.asked for ask in self.asks]
        calls = [call.asked for call in self.running]
        assert set(waiting) == set(calls), "waits for no call, or a call that nobody waits for"
        assert len(calls) <= len({(ask.asked, ask.time) for ask in self.asks}), "two calls for one question"
        stats = self.read.stats()
        if self.counted() != stats.bytes:
            gc.collect()  # a cancelled task's traceback is part of a cycle
        counted = self.counted()
        assert counted == stats.bytes, "bytes that nobody counts"
        assert counted <= MAX_BYTES
        self.seen["evictions"] = stats.evictions

    def counted(self) -> int:
        return sum(value.size + ENTRY_OVERHEAD for value in self.living)

    async def finish(self) -> None:
        """All calls end: nobody is left over, and the next caller is answered."""
        for round_ in range(3):
            while any(not call.end.done() for call in self.running):
                self.end(0, False)
                await quiet()
            await self.check()
            if round_ < 2:
                self.clear()
                self.ask("a", "small")
                await quiet()
                assert self.running or self.asks[0].task.done(), "wedged"
        assert not self.asks
        assert not self.running


async def quiet() -> None:
    for _ in range(8):
        await asyncio.sleep(0)
