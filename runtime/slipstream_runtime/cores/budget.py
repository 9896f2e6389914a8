"""How many connections all pools together may have: who may dial, who waits for a place, who makes room. Pure; closes and wakes nobody.

At every moment the places taken are at most `limit`, and a pool has one for each connection and each dial. Who asks in vain waits, pools
first come first served, one place a turn. A place comes free when a connection ends; where none is free an idle one of any pool is closed,
the longest idle first, of pools beyond their minimum before others. Where none idles, a pool that has somebody waiting itself gives up what
comes back only to one that has less (`_fairer`), so that nobody starves and, once they have the same, nobody dials for the sake of it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

from slipstream_api.config import Limits


class Holder:
    """A pool as the budget knows it."""

    __slots__ = ("connecting", "driver", "in_use", "keeps", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.in_use: int = 0
        self.connecting: int = 0
        self.keeps: bool = True  # what comes back and nobody waits for stays idle, with nothing else to decide
        self.driver: Any = None  # who carries out its work

    @property
    def idle(self) -> int:
        raise NotImplementedError

    @property
    def size(self) -> int:
        raise NotImplementedError

    @property
    def idle_since(self) -> float:
        """Of the longest idle, where there is one."""
        raise NotImplementedError

    @property
    def waits_since(self) -> float:
        """Of the first that waits, where there is one."""
        raise NotImplementedError

    def wanted(self, now: float) -> int:
        """Dials that would begin now if all were allowed."""
        raise NotImplementedError

    def calm(self, nobody_waits: bool) -> None:
        """Whether any pool waits for a place."""
        raise NotImplementedError

    def dial_one(self) -> None:
        """With its next Work; the place is taken."""
        raise NotImplementedError

    def evict(self) -> None:
        """Closes the longest idle, with its next Work."""
        raise NotImplementedError

    def collect(self) -> Any:
        """That Work."""
        raise NotImplementedError


class ConnectionBudget:
    """Shared by the pools of one runtime; a pool without others has one of its own, without bound. `limit` is set before any dials."""

    __slots__ = ("_held", "_queue", "limit", "used")

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self.used: int = 0
        self._held: dict[Holder, int] = {}  # places by pool, of those that have one
        self._queue: OrderedDict[Holder, None] = OrderedDict()  # pools that would dial, and mustn't yet

    @property
    def waiting(self) -> int:
        """Pools that wait for a place."""
        return len(self._queue)

    def holds_back(self, holder: Holder) -> bool:
        """Whether it waits for a place."""
        return holder in self._queue

    def ask(self, holder: Holder, number: int, waits: bool) -> int:
        """How many of `number` dials may begin. `waits`: for the others it waits, until `settle` serves it."""
        allowed = 0 if self._queue else max(0, min(number, self.limit - self.used))
        if allowed:
            self._take(holder, allowed)
        if waits and allowed < number and holder not in self._queue:
            self._queue[holder] = None
            if len(self._queue) == 1:
                self._tell(False)
        return allowed

    def give_back(self, holder: Holder) -> None:
        """A connection or a dial of it ended."""
        self.used -= 1
        left = self._held[holder] - 1
        if left:
            self._held[holder] = left
        else:
            del self._held[holder]

    def room(self, holder: Holder) -> int:
        """Dials that could begin, with what others have idle."""
        return self.limit - self.used + sum([other.idle for other in self._held if other is not holder])

    def makes_way(self, donor: Holder, now: float) -> bool:
        """Whether a connection that comes back is closed for another pool's sake, though somebody waits in its own."""
        if self.used < self.limit:
            return False
        for taker in self._queue:
            if taker is not donor and taker.wanted(now) > 0 and _fairer(donor, taker):
                self._queue.move_to_end(taker, last=False)
                return True
        return False

    def settle(self, now: float) -> list[Holder]:
        """Serves those who wait, as far as there are places; the pools whose Work is due now."""
        if not self._queue:
            return []
        due: dict[Holder, None] = {}
        for holder in [holder for holder in self._queue if holder.wanted(now) <= 0]:
            del self._queue[holder]
        while self._queue:
            if self.used >= self.limit:
                donor = self._donor()
                if donor is None:
                    break
                donor.evict()
                due[donor] = None
            holder, _ = self._queue.popitem(last=False)
            self._take(holder, 1)
            holder.dial_one()
            due[holder] = None
            if holder.wanted(now) > 0:
                self._queue[holder] = None
                holder.calm(False)
        if not self._queue:
            self._tell(True)
        return list(due)

    def _take(self, holder: Holder, number: int) -> None:
        before = self._held.get(holder, 0)
        self.used += number
        self._held[holder] = before + number
        if not before:
            holder.calm(not self._queue)

    def _donor(self) -> Holder | None:
        """Who closes an idle connection."""
        best: Holder | None = None
        for holder in self._held:
            if holder.idle and (best is None or _rank(holder) < _rank(best)):
                best = holder
        return best

    def _tell(self, nobody_waits: bool) -> None:
        for holder in self._held:
            holder.calm(nobody_waits)


def _rank(holder: Holder) -> tuple[bool, float]:
    return holder.size <= holder.limits.min_connections, holder.idle_since


def _floor(holder: Holder) -> int:
    return max(1, holder.limits.min_connections)


def _fairer(donor: Holder, taker: Holder) -> bool:
    """Both have somebody waiting. What is beyond a pool's minimum goes to one that is below its own, or evens them out; what isn't, only
    to one that is below its minimum and has less. Of two with one place among them the one that waits longer has it."""
    has = donor.size + 1  # with the one that comes back
    spare = has > _floor(donor)
    poor = taker.size < _floor(taker)
    if poor and spare:
        return True
    if has >= taker.size + 2:
        return spare or poor
    return not taker.size and taker.waits_since < donor.waits_since
