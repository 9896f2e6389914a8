"""The connection pool under every sequence of events, against a model that counts connections, dials and waiters one by one."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slipstream_api.config import Limits
from slipstream_runtime.cores.pool import CLOSED, IDLE, IN_USE, PoolCore, Slot, Work
from tests.fakes.cores import Dice

limits = st.builds(
    Limits,
    max_connections=st.integers(1, 4),
    min_connections=st.integers(0, 2),
    max_pending=st.integers(0, 3),
    acquire_timeout_ms=st.sampled_from((500, 5_000)),
    idle_timeout_ms=st.sampled_from((0, 3_000)),
    max_lifetime_ms=st.sampled_from((0, 6_000)),
    reuse=st.sampled_from(("LIFO", "FIFO")),
)


class PoolMachine(RuleBasedStateMachine):
    """Every waiter ends in exactly one of: granted, failed, cancelled. Every connection is open in one place or closed once."""

    @initialize(limits=limits)
    def begin(self, limits: Limits) -> None:
        self.now = 1_000.0
        self.limits = limits
        self.most = limits.max_connections  # of all limits so far that something may still be left of
        self.dice = Dice(0.5)
        self.pool: PoolCore[int, int] = PoolCore(limits, self.dice, self.now)
        self.waiting: dict[int, float] = {}  # deadline, first come first
        self.held: dict[int, Slot[int]] = {}  # by waiter
        self.open: set[int] = set()
        self.closed: set[int] = set()
        self.dials = 0
        self.names = 0
        self.ending = False

    def apply(self, work: Work[int, int] | None) -> None:
        if work is None:
            return
        for conn in work.close:
            assert conn in self.open, "closed twice, or never made"
            self.open.remove(conn)
            self.closed.add(conn)
        for waiter, reason in work.fail:
            deadline = self.waiting.pop(waiter)
            assert reason != "AcquireTimeout" or deadline <= self.now
            assert reason != "Closed" or self.ending
        for waiter, slot in work.grant:
            assert self.waiting.pop(waiter) > self.now, "granted after its deadline"
            assert all(later > waiter for later in self.waiting), "overtook somebody who waits longer"
            self.hold(waiter, slot)
        self.dials += work.dial

    def hold(self, waiter: int, slot: Slot[int]) -> None:
        assert slot.state == IN_USE
        assert slot.conn in self.open
        assert self.now < slot.expires_at or slot.requests == 1, "over age"
        assert all(other is not slot for other in self.held.values()), "given to two"
        self.held[waiter] = slot

    @rule(patience=st.sampled_from((0.0, 0.3, 100.0)), fresh=st.booleans())
    def acquire(self, patience: float, fresh: bool) -> None:
        self.names += 1
        slot = None if fresh else self.pool.take(self.now)
        if slot is not None:
            assert not self.ending
            self.hold(self.names, slot)
            return
        self.waiting[self.names] = min(self.now + patience, self.now + self.limits.acquire_timeout_ms / 1_000)
        self.apply(self.pool.enqueue(self.names, self.now + patience, self.now))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.pool.cancel(waiter)
        assert not self.pool.cancel(waiter)
        del self.waiting[waiter]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), reusable=st.booleans())
    def put(self, data: st.DataObject, reusable: bool) -> None:
        waiter = data.draw(st.sampled_from(sorted(self.held)))
        assert not self.pool.cancel(waiter)
        slot = self.held.pop(waiter)
        self.apply(self.pool.put(slot, self.now, reusable))
        assert reusable or slot.state == CLOSED

    @precondition(lambda self: self.dials)
    @rule(end=st.sampled_from(("connected", "failed", "cancelled")))
    def dial_ends(self, end: str) -> None:
        self.dials -= 1
        if end == "connected":
            conn = len(self.open) + len(self.closed) + 1
            self.open.add(conn)
            self.apply(self.pool.connected(conn, 0.01, self.now))
        elif end == "failed":
            self.apply(self.pool.connect_failed(0.01, self.now))
        else:
            self.apply(self.pool.dial_cancelled(self.now))

    @precondition(lambda self: self.pool.idle)
    @rule(data=st.data())
    def upstream_closes_an_idle_one(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(sorted(self.pool._idle, key=lambda slot: slot.conn)))
        assert slot.state == IDLE
        assert self.pool.lost(slot)
        assert not self.pool.lost(slot)
        self.open.remove(slot.conn)
        self.closed.add(slot.conn)

    @rule(seconds=st.sampled_from((0.01, 0.2, 1.0, 4.0)))
    def time_passes(self, seconds: float) -> None:
        """The sweep may be late."""
        self.now += seconds

    @rule(seconds=st.sampled_from((0.0, 0.01, 1.0, 4.0)))
    def sweep(self, seconds: float) -> None:
        self.now += seconds
        before = self.pool.size
        aged = any(slot.expires_at <= self.now for slot in self.pool._idle)  # by the lifetime in force when it was made
        self.apply(self.pool.maintain(self.now))
        assert all(deadline > self.now for deadline in self.waiting.values()), "waits past its deadline"
        if not aged:
            assert self.pool.size >= min(before, self.limits.min_connections), "reaped under the minimum"

    @rule(limits=limits)
    def resize(self, limits: Limits) -> None:
        self.limits = limits
        self.most = max(limits.max_connections, self.pool.size)
        self.apply(self.pool.resize(limits, self.now))

    @precondition(lambda self: len(self.closed) > 6)
    @rule(at_once=st.booleans())
    def end(self, at_once: bool) -> None:
        self.ending = True
        self.apply(self.pool.close() if at_once else self.pool.drain())
        assert not self.pool.idle
        assert not (at_once and self.waiting)

    @invariant()
    def it_counts_what_there_is(self) -> None:
        pool = self.pool
        assert pool.in_use == len(self.held)
        assert pool.connecting == self.dials
        assert pool.waiting == len(self.waiting)
        doomed = len(pool._doomed)
        assert pool.idle == len(self.open) - len(self.held) - doomed
        assert pool.size == pool.in_use + pool.idle + pool.connecting == len(self.open) - doomed + self.dials
        assert pool.size <= max(self.most, self.limits.max_connections)
        self.most = max(self.limits.max_connections, pool.size)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Whoever waits does so for a dial, for a connection in use, or for a sweep that will dial or fail it."""
        if self.waiting:
            assert self.pool.connecting or self.pool.in_use or self.pool.idle or not self.pool._hopeless(self.now)

    def teardown(self) -> None:
        """Let everything finish: nothing may be left over."""
        if not hasattr(self, "pool"):
            return
        self.ending = True
        self.apply(self.pool.close())
        for waiter in list(self.held):
            self.apply(self.pool.put(self.held.pop(waiter), self.now))
        while self.dials:
            self.dial_ends("connected")
        self.it_counts_what_there_is()
        assert self.pool.drained
        assert not self.open


PoolMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestTrap28PoolUnderEverySequence = PoolMachine.TestCase
