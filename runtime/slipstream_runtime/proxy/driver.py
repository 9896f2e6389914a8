"""Carries out what the pool's core decides: dials, closes, hands over, refuses. Decides nothing itself; one per upstream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from slipstream_api.config import Limits, Upstream
from slipstream_runtime.cores.pool import IDLE, IN_USE, PoolCore, Reason, Work
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.addresses import Loads, unload
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer, DialError
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.parties import Owner
from slipstream_runtime.proxy.upstream import UpstreamConnection
from slipstream_runtime.wire.dialling import UNACKNOWLEDGED_SECONDS

if TYPE_CHECKING:
    from slipstream_runtime.proxy.sending import Sending

LOOK_SECONDS: Final = 1.0  # between two looks at whether the name has moved
QUIET_SECONDS: Final = 10.0  # between two log lines about the same upstream that can't be reached

log = logging.getLogger("slipstream.pool")


class PoolDriver(Owner):
    """The connections to one upstream."""

    def __init__(
        self, name: str, upstream: Upstream, limits: Limits, context: Context, dialer: Dialer, random: Callable[[], float]
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.core: PoolCore[UpstreamConnection, Sending] = PoolCore(limits, random, context.now, context.budget)
        self.core.driver = self
        self._context = context
        self._dialer = dialer
        self._loads: Loads = {}
        self._all: set[UpstreamConnection] = set()  # that have a place in the pool
        self._look_at = float("-inf")
        self._dials: set[asyncio.Task[None]] = set()
        self._refused: Failure = failures.CONNECT_REFUSED  # why the last dial failed
        self._logged_at = float("-inf")

    # -- what exchanges ask -----------------------------------------------------------------------------------------------

    def acquire(self, waiter: Sending, now: float, fresh: bool) -> UpstreamConnection | None:
        """An idle connection, or None: `waiter` hears of one, or of a failure, later (maybe before this returns).

        `fresh`: none that idled, since one that idled has just failed."""
        slot = None if fresh else self.core.take(now)
        if slot is not None:
            return slot.conn
        self._apply(self.core.enqueue(waiter, waiter.deadline or float("inf"), now))
        return None

    def cancel(self, waiter: Sending) -> Failure:
        """`waiter` doesn't wait any more; what it waited for, should somebody want to know."""
        self.core.cancel(waiter)
        if self._context.budget.holds_back(self.core):
            return failures.TOTAL_FULL
        return failures.CONNECT_TIMEOUT if self.core.connecting else failures.QUEUE_TIMEOUT

    # -- what connections tell --------------------------------------------------------------------------------------------

    def released(self, connection: UpstreamConnection) -> None:
        slot = connection.slot
        assert slot is not None
        # Who waits is told for how long: not as of the last sweep, which may be before it began to wait.
        work = self.core.put(slot, self._context.time() if self.core.waiters else self._context.now)
        if work is not None:
            self._apply(work)

    def lost(self, connection: UpstreamConnection) -> None:
        slot = connection.slot
        if slot is None:
            return  # its dial isn't reported yet: that will notice
        unload(self._loads, connection.address)
        self._all.discard(connection)
        if slot.state == IDLE:
            self.core.lost(slot)
            self._context.settle()
        elif slot.state == IN_USE:
            work = self.core.put(slot, self._context.now, reusable=False)
            if work is not None:
                self._apply(work)

    # -- what time and people do ------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._follow(now)
        work = self.core.maintain(now)
        if work is not None:
            self._apply(work)

    def _follow(self, now: float) -> None:
        """Connections to addresses that the name has no more are over age at once: those that idle close, the others as they come back."""
        gone = self._dialer.gone(self.upstream, self._loads)
        if gone:
            for connection in self._all:
                if connection.address in gone and connection.slot is not None:
                    connection.slot.expires_at = now

    def resize(self, limits: Limits) -> None:
        work = self.core.resize(limits, self._context.now)
        if work is not None:
            self._apply(work)

    def drain(self) -> None:
        """No new waiters; idle connections go now, the others after their answer."""
        self._apply(self.core.drain())

    def close(self) -> None:
        """Everything now."""
        self._apply(self.core.close())
        for task in self._dials:
            task.cancel()

    # -- carrying out -----------------------------------------------------------------------------------------------------

    def _apply(self, work: Work[UpstreamConnection, Sending]) -> None:
        self.carry_out(work)
        self._context.settle()

    def carry_out(self, work: Work[UpstreamConnection, Sending]) -> None:
        """All of one Work, whoever decided it."""
        for connection in work.close:
            connection.close()
        for waiter, slot in work.grant:
            if waiter.client is not None:
                waiter.client.granted(0.0 if slot.conn.served else slot.conn.opening)
            waiter.on_connection(slot.conn)
        for waiter, reason in work.fail:
            waiter.on_no_connection(self._failure(reason))
        for _ in range(work.dial):
            task = asyncio.get_running_loop().create_task(self._dial())
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)

    def _failure(self, reason: Reason) -> Failure:
        if reason == "Connect":
            return self._refused
        if reason == "TotalFull":
            return failures.TOTAL_FULL
        if reason == "AcquireTimeout":
            return failures.CONNECT_TIMEOUT if self.core.connecting and not self.core.in_use else failures.QUEUE_TIMEOUT
        if reason == "Hopeless":
            return failures.QUEUE_HOPELESS
        return failures.QUEUE_FULL if reason == "PendingFull" else failures.DRAINING

    async def _dial(self) -> None:
        """One connection; whatever happens, the core hears of it exactly once."""
        clock = self._context.clock
        began = clock.now()
        limits = self.core.limits
        timeout, bounded = limits.connect_timeout_ms / 1_000, limits.request_timeout_ms <= UNACKNOWLEDGED_SECONDS * 1_000
        try:
            _, connection = await self._dialer.connect(self._new_connection, self.upstream, timeout, self._loads, bounded)
        except DialError as error:
            self._refused = error.failure
            self._log(error, clock.now())
            work = self.core.connect_failed(clock.now() - began, clock.now())
        except asyncio.CancelledError:
            work = self.core.dial_cancelled(clock.now())
            if work is not None:
                self._apply(work)
            raise
        else:
            work = self._connected(connection, clock.now() - began, clock.now())
        if work is not None:
            self._apply(work)

    def _new_connection(self) -> UpstreamConnection:
        return UpstreamConnection(self, self._context.answers)

    def _connected(self, connection: UpstreamConnection, seconds: float, now: float) -> Work[UpstreamConnection, Sending] | None:
        if connection.closed:  # by the upstream, before we could use it
            unload(self._loads, connection.address)
            self._refused = failures.RESET
            return self.core.connect_failed(seconds, now)
        connection.opening = seconds
        work = self.core.connected(connection, seconds, now)
        connection.slot = work.made
        self._all.add(connection)
        return work

    def _log(self, error: DialError, now: float) -> None:
        if now >= self._logged_at + QUIET_SECONDS:
            self._logged_at = now
            log.warning("can't connect", extra={"pool": self.name, "reason": error.failure.reason, "detail": str(error)})
