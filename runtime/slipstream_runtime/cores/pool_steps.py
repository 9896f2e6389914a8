"""What a pool consists of, and the single steps that change it. Pure; which step is due when is pool.PoolCore's.

A connection has a place in the budget from before it is dialled until it is closed, and is counted in exactly one of in_use, idle and
connecting meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic

from slipstream_api.config import Limits
from slipstream_runtime.cores.backoff import Backoff
from slipstream_runtime.cores.buckets import bucket
from slipstream_runtime.cores.budget import ConnectionBudget, Holder
from slipstream_runtime.cores.pace import Pace
from slipstream_runtime.cores.slots import CLOSED, IDLE, IN_USE, C, PoolStats, Reason, Slot, W, Work

MAX_DIALS: Final = 32  # at once: a cold burst is served in a few round trips without a storm on the upstream
NEVER: Final = float("inf")


class PoolSteps(Holder, Generic[C, W]):
    """`C` is a connection, `W` whoever waits for one; both are opaque."""

    __slots__ = ("_backoff", "_budget", "_doomed", "_draining", "_due", "_idle", "_next_deadline", "_pace", "_random", "stats", "waiters")

    def __init__(self, limits: Limits, random: Callable[[], float], budget: ConnectionBudget | None) -> None:
        super().__init__(limits)
        self._random = random
        self._budget = ConnectionBudget() if budget is None else budget
        self._idle: list[Slot[C]] = []  # the longest idle first; its ends cost nothing, and few are taken from between
        self.waiters: OrderedDict[W, tuple[float, float]] = OrderedDict()  # (since, deadline), first come first
        self._doomed: list[C] = []  # to be closed with the next Work
        self._due: int = 0  # to be dialled with the next Work
        self._next_deadline: float = NEVER  # no waiter's deadline is earlier
        self._backoff = Backoff(random)
        self._draining: bool = False
        self._pace = Pace()
        self.stats = PoolStats()

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def waiting(self) -> int:
        return len(self.waiters)

    @property
    def size(self) -> int:
        return self.in_use + len(self._idle) + self.connecting

    @property
    def idle_since(self) -> float:
        return self._idle[0].since if self._idle else NEVER

    @property
    def waits_since(self) -> float:
        return next(iter(self.waiters.values()))[0] if self.waiters else NEVER

    # What the budget says

    def wanted(self, now: float) -> int:
        return 0 if self._backoff.holds(now) else self._startable(len(self.waiters) - self.connecting)

    def calm(self, nobody_waits: bool) -> None:
        self.keeps = nobody_waits and not self._draining

    def dial_one(self) -> None:
        self._due += 1
        self._dialling(1)

    def evict(self) -> None:
        self.stats.connections_evicted += 1
        self._discard()

    # Steps

    def _hopeless(self, now: float) -> bool:
        """No connection will come back and none may be dialled: whoever waits now fails now, not at a deadline."""
        return not self.in_use and not self.connecting and self._backoff.holds(now)

    def _startable(self, wanted: int) -> int:
        """How many of them the pool's own bounds let begin now."""
        at_once = 1 if self._backoff.rounds else MAX_DIALS  # after a failure one dial finds out for all
        return min(wanted, self.limits.max_connections - self.size, at_once - self.connecting)

    def _dial(self, work: Work[C, W], wanted: int, now: float, waits: bool) -> None:
        """`waits`: somebody does, for what the budget doesn't allow yet."""
        number = self._startable(wanted)
        if number > 0 and not self._backoff.holds(now):
            number = self._budget.ask(self, number, waits)
            work.dial += number
            self._dialling(number)

    def _dialling(self, number: int) -> None:
        self.connecting += number
        self.stats.connections_num += number

    def _offer(self, slot: Slot[C], work: Work[C, W], now: float) -> None:
        """To the first waiter whose deadline isn't over, else to the idle ones."""
        while self.waiters:
            waiter, (since, deadline) = self.waiters.popitem(last=False)
            if deadline <= now:
                self._fail(work, waiter, self._late())
                continue
            slot.state = IN_USE
            slot.since = now
            slot.requests += 1
            self.in_use += 1
            self.stats.requests_wait_ms += (now - since) * 1_000
            self.stats.waits[bucket(now - since)] += 1
            work.grant.append((waiter, slot))
            return
        if self._draining:
            self._close(slot)
        else:
            slot.state = IDLE
            slot.since = now
            self._idle.append(slot)

    def _expire(self, work: Work[C, W], now: float) -> None:
        for waiter in [waiter for waiter, (_, deadline) in self.waiters.items() if deadline <= now]:
            del self.waiters[waiter]
            self._fail(work, waiter, self._late())
        self._next_deadline = min((deadline for _, deadline in self.waiters.values()), default=NEVER)

    def _late(self) -> Reason:
        return "TotalFull" if self._budget.holds_back(self) else "AcquireTimeout"

    def _fail(self, work: Work[C, W], waiter: W, reason: Reason) -> None:
        self.stats.requests_errors += 1
        work.fail.append((waiter, reason))

    def _fail_all(self, work: Work[C, W], reason: Reason) -> None:
        for waiter in self.waiters:
            self._fail(work, waiter, reason)
        self.waiters.clear()

    def _discard(self) -> None:
        """The one that is idle for the longest time."""
        self._close(self._idle.pop(0))

    def _close(self, slot: Slot[C]) -> None:
        slot.state = CLOSED
        self._doomed.append(slot.conn)
        self._budget.give_back(self)

    def _dial_ended(self) -> None:
        """Without a connection."""
        self.connecting -= 1
        self._budget.give_back(self)

    def _finish(self, work: Work[C, W]) -> Work[C, W]:
        work.close += self._doomed
        self._doomed.clear()
        work.dial += self._due
        self._due = 0
        return work
