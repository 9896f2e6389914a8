"""Users that wait until a moment, thousands of them on one timer. Starts nothing itself: it says whose wait is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from slipstream_loadtest.engine.users import User

SHORTEST: Final = 0.001  # seconds: the grain of uvloop's timers; a shorter one would spin
_BATCH: Final = 256  # waits ended in a row before answers are read again

Woken = Callable[[User, float], None]


class Waits:
    """A heap of moments. A wait ends at its moment or up to a timer's grain later, never before."""

    def __init__(self, now: Callable[[], float], woken: Woken) -> None:
        self._now = now
        self._woken = woken
        self._heap: list[tuple[float, int, User]] = []
        self._users: set[int] = set()  # numbers
        self._timer: asyncio.Handle | None = None
        self._armed = float("inf")

    def __contains__(self, user: User) -> bool:
        return user.number in self._users

    def __len__(self) -> int:
        return len(self._users)

    def add(self, user: User, when: float) -> None:
        """`user` waits until `when`; it has one wait at a time."""
        self._users.add(user.number)
        heappush(self._heap, (when, user.number, user))
        if when < self._armed:
            self._arm(when)

    def clear(self) -> None:
        """Nobody waits any more, and nobody is woken."""
        self._heap.clear()
        self._users.clear()
        self._disarm()

    def _arm(self, when: float) -> None:
        self._disarm()
        self._armed = when
        wait = when - self._now()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_soon(self._fired) if wait <= 0 else loop.call_later(max(wait, SHORTEST), self._fired)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = float("inf")

    def _fired(self) -> None:
        self._timer = None
        heap, now = self._heap, self._now()
        for _ in range(_BATCH):
            if not heap or heap[0][0] > now:
                break
            user = heappop(heap)[2]
            self._users.discard(user.number)
            self._woken(user, now)
        self._armed = float("inf")
        if heap:
            self._arm(heap[0][0])
