"""Deadlines of the requests under way: those that wait for a head, those whose bodies flow, and alarms for single ones. Kept per pool."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slipstream_runtime.proxy.sending import Sending

SLACK: Final = 64  # alarms that were put off or off altogether, before the heap is made anew


class Tracker:
    """No timer per request: a request costs one insertion and one removal, the sweep looks at the first ones only."""

    __slots__ = ("_alarms", "_flowing", "_heap", "_next_look", "_serial", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Sending, None] = {}  # earliest deadline first, since all have the same timeout; shorter ones have an alarm
        self._flowing: dict[Sending, float] = {}  # and how long each may stand still
        self._next_look = 0.0
        self._alarms: dict[Sending, float] = {}  # when to wake whom: an attempt's end, a pause's, a caller's own deadline
        self._heap: list[tuple[float, int, Sending]] = []  # of alarms, some no longer meant
        self._serial = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flowing)

    def wait(self, exchange: Sending, deadline: float) -> None:
        """An answer's head is due by `deadline`; one that it keeps keeps its place."""
        waiting = self._waiting
        if exchange.deadline:  # it waits, or it isn't here
            if exchange in waiting:
                if exchange.deadline == deadline:
                    return
                del waiting[exchange]
        elif self._flowing:
            self._flowing.pop(exchange, None)
        exchange.deadline = deadline
        waiting[exchange] = None

    def flow(self, exchange: Sending, patience: float, now: float) -> None:
        """A body flows, and may stand still for `patience` seconds."""
        exchange.deadline = 0.0
        exchange.active_at = now
        self._waiting.pop(exchange, None)
        self._flowing[exchange] = patience

    def alarm(self, exchange: Sending, at: float) -> None:
        """Wake `exchange` at `at`, and no more when it was to be woken before. It must be tracked, too."""
        self._alarms[exchange] = at
        self._serial += 1
        heappush(self._heap, (at, self._serial, exchange))
        if len(self._heap) > 2 * len(self._alarms) + SLACK:
            self._heap = [entry for entry in self._heap if self._alarms.get(entry[2]) == entry[0]]
            heapify(self._heap)

    def forget(self, exchange: Sending) -> None:
        if exchange.deadline:  # it waits, or it isn't here
            if exchange in self._waiting:
                del self._waiting[exchange]
        elif self._flowing:
            self._flowing.pop(exchange, None)
        if self._alarms:
            self._alarms.pop(exchange, None)

    def sweep(self, now: float) -> None:
        while self._waiting:
            exchange = next(iter(self._waiting))
            if exchange.deadline > now:
                break
            del self._waiting[exchange]
            exchange.expire()
        self._ring(now)
        if now >= self._next_look and self._flowing:
            self._next_look = now + 1.0
            for exchange, patience in list(self._flowing.items()):
                if exchange in self._flowing and exchange.too_slow(now, patience):
                    exchange.expire()

    def _ring(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, exchange = heappop(heap)
            if self._alarms.get(exchange) == at:
                del self._alarms[exchange]
                exchange.wake(now)
                heap = self._heap  # it may have been made anew
