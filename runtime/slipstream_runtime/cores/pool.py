"""Connections to one upstream: who gets which, when to dial, what to close. Pure; dials, closes and wakes nobody: it returns the Work.

At every moment size == in_use + idle + connecting <= max (more only while a resize shrinks it); a connection is counted before it is
dialled. Waiters are served first come, first served, and never after their deadline. No method awaits: no cancellation can lose a slot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from slipstream_api.config import Limits
from slipstream_runtime.cores.budget import ConnectionBudget
from slipstream_runtime.cores.pool_steps import NEVER, PoolSteps
from slipstream_runtime.cores.slots import CLOSED, IDLE, IN_USE, C, PoolStats, Reason, Slot, W, Work

__all__ = ["CLOSED", "IDLE", "IN_USE", "C", "PoolCore", "PoolStats", "Reason", "Slot", "W", "Work"]

LIFETIME_JITTER: Final = 0.1  # of max_lifetime, shorter only, so that connections made together don't end together
SCAN_SECONDS: Final = 1.0  # between two searches among idle connections for over-age ones


class PoolCore(PoolSteps[C, W]):
    """What a pool is asked and told. None in place of a Work: nothing is due. With a shared budget, whoever owns it calls
    `ConnectionBudget.settle` after each Work while anybody waits for a place."""

    __slots__ = ("_lifo", "_next_scan", "_shrinking")

    def __init__(self, limits: Limits, random: Callable[[], float], now: float, budget: ConnectionBudget | None = None) -> None:
        super().__init__(limits, random, budget)
        self._lifo: bool = limits.reuse == "LIFO"
        self._shrinking: bool = False  # a resize left more in use than there may be; looked at no more once they are few enough
        self._next_scan: float = now + SCAN_SECONDS

    @property
    def drained(self) -> bool:
        """Nothing is left to wait for: no connection, no dial, no waiter."""
        return self._draining and not self.size and not self.waiters and not self._doomed

    @property
    def dials_at(self) -> float:
        """No dial begins before this."""
        return self._backoff.until

    # What a request does

    def take(self, now: float) -> Slot[C] | None:
        """An idle connection that isn't over age, at once; None: `enqueue`."""
        idle = self._idle
        while idle:
            slot = idle.pop() if self._lifo else idle.pop(0)
            if now >= slot.expires_at:
                self._close(slot)
                continue
            slot.state = IN_USE
            slot.since = now
            slot.requests += 1
            self.in_use += 1
            self.stats.requests_num += 1
            return slot
        return None

    def enqueue(self, waiter: W, deadline: float, now: float) -> Work[C, W]:
        """`waiter` waits until `deadline`, at most acquire_timeout; it may fail at once. After `take` gave nothing, or if none that idled
        will do. Those for whom there is room to dial don't count towards max_pending: they wait for a handshake, not for a turn."""
        work: Work[C, W] = Work()
        self.stats.requests_num += 1
        deadline = min(deadline, now + self.limits.acquire_timeout_ms / 1_000)
        reason = self._refusal(deadline, now)
        if reason is not None:
            self.stats.requests_refused += 1
            self._fail(work, waiter, reason)
            return self._finish(work)
        self.waiters[waiter] = (now, deadline)
        self._next_deadline = min(self._next_deadline, deadline)
        self.stats.requests_queued += 1
        return self._grow(work, now)

    def cancel(self, waiter: W) -> bool:
        """`waiter` no longer waits; False where it wasn't waiting (it was granted a slot, which it must `put`, or it failed)."""
        return self.waiters.pop(waiter, None) is not None

    def put(self, slot: Slot[C], now: float, reusable: bool = True) -> Work[C, W] | None:
        """A connection comes back. Not `reusable`: its state isn't known for sure (unread answer, error, Connection: close)."""
        if slot.state != IN_USE:
            raise ValueError("the slot isn't in use: a connection is put back once")
        self.in_use -= 1
        used = now - slot.since
        self.stats.usage_ms += used * 1_000
        self._pace.used(used)
        fits = reusable and now < slot.expires_at and not (self._shrinking and self._shrinks())
        if fits and not self.waiters and self.keeps:
            slot.state = IDLE
            slot.since = now
            self._idle.append(slot)
            return None
        work: Work[C, W] = Work()
        if fits and not (self.waiters and self._budget.makes_way(self, now)):
            self._offer(slot, work, now)
        else:
            self.stats.returns_bad += not reusable
            self._close(slot)
        return self._grow(work, now)

    # What the owner reports

    def connected(self, conn: C, seconds: float, now: float) -> Work[C, W]:
        """A dial succeeded after `seconds`."""
        self.connecting -= 1
        self.stats.connections_ms += seconds * 1_000
        self._backoff.succeeded()
        lifetime = self.limits.max_lifetime_ms / 1_000 * (1.0 - LIFETIME_JITTER * self._random()) or NEVER
        work: Work[C, W] = Work()
        slot = work.made = Slot(conn, now + lifetime, now)
        if self.size < self.limits.max_connections:
            self._offer(slot, work, now)
        else:
            self._close(slot)  # a resize overtook the dial
        return self._grow(work, now)

    def connect_failed(self, seconds: float, now: float) -> Work[C, W] | None:
        """A dial failed."""
        self._dial_ended()
        self.stats.connections_errors += 1
        self.stats.connections_ms += seconds * 1_000
        self._backoff.failed(now)
        return self._grow(Work(), now)

    def dial_cancelled(self, now: float) -> Work[C, W] | None:
        """A dial was given up by its owner; says nothing about the upstream."""
        self._dial_ended()
        return self._grow(Work(), now)

    def lost(self, slot: Slot[C]) -> bool:
        """The upstream closed an idle connection; False where it wasn't idle (in use: the request that has it puts it back)."""
        if slot.state != IDLE:
            return False
        self._idle.remove(slot)
        slot.state = CLOSED
        self._budget.give_back(self)
        self.stats.connections_lost += 1
        return True

    # What time and people do

    def maintain(self, now: float) -> Work[C, W] | None:
        """The sweep: fails waiters past their deadline, closes idle and over-age connections, dials up to min_connections."""
        work: Work[C, W] = Work()
        if now >= self._next_deadline:
            self._expire(work, now)
        timeout = self.limits.idle_timeout_ms / 1_000 or NEVER
        while self._idle and self.size > self.limits.min_connections:
            if now - self._idle[0].since < timeout:
                break
            self._discard()
        if now >= self._next_scan:
            self._next_scan = now + SCAN_SECONDS
            idle, self._idle = self._idle, [slot for slot in self._idle if now < slot.expires_at]
            for slot in idle:
                if now >= slot.expires_at:
                    self._close(slot)
        self._grow(work, now)
        if not self._draining:
            self._dial(work, self.limits.min_connections - self.size, now, False)
        return self._finish(work)

    def resize(self, limits: Limits, now: float) -> Work[C, W] | None:
        """New limits. Connections in use beyond a smaller maximum close when they come back."""
        self.limits = limits
        self._lifo = limits.reuse == "LIFO"
        while self._idle and self.size > limits.max_connections:
            self._discard()
        self._shrinking = self.size > limits.max_connections
        return self._grow(Work(), now)

    def drain(self) -> Work[C, W]:
        """No new waiters, nothing stays idle; those who wait are still served."""
        self._draining = True
        self.keeps = False
        while self._idle:
            self._discard()
        return self._finish(Work())

    def close(self) -> Work[C, W]:
        """As drain, but those who wait fail."""
        work = self.drain()
        self._fail_all(work, "Closed")
        return work

    def collect(self) -> Work[C, W]:
        """What the budget had it do."""
        return self._finish(Work())

    # Decisions

    def _shrinks(self) -> bool:
        """Whether there are still as many as there may be, without the one that comes back."""
        self._shrinking = self.size >= self.limits.max_connections
        return self._shrinking

    def _refusal(self, deadline: float, now: float) -> Reason | None:
        if self._draining:
            return "Closed"
        if deadline <= now:
            return "AcquireTimeout"
        if self._hopeless(now):
            return "Connect"
        limits, waiters = self.limits, len(self.waiters)
        room = max(0, limits.max_connections - self.in_use)
        if waiters >= limits.max_pending + room:
            return "PendingFull"
        if not room:
            return "Hopeless" if now + self._pace.wait(waiters, limits.max_connections) > deadline else None
        return "TotalFull" if waiters >= limits.max_pending + self.size - self.in_use + self._budget.room(self) else None

    def _grow(self, work: Work[C, W], now: float) -> Work[C, W]:
        """Dials for those who wait and aren't covered by a dial yet."""
        wanted = len(self.waiters) - self.connecting
        while wanted > 0 and self._idle and self.size >= self.limits.max_connections:
            self._discard()  # who waits beside idle ones can't use them
        self._dial(work, wanted, now, True)
        if self._hopeless(now):
            self._fail_all(work, "Connect")
        return self._finish(work)
