"""A read with an older answer at hand, for a caller that says how long it waits: it gets that answer while it still listens, where grace
and the fallback chain allow it, and not an error when it has hung up. The call goes on for the store. The cores decide which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.caching import CachedExchange
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.exchange import QUEUED, SENT
from slipstream_runtime.proxy.failures import Failure

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

AHEAD: Final = 0.05  # seconds before the caller's time is over, two ticks of the sweep; of short times a quarter


class HurriedExchange(CachedExchange):
    """`entry`: what was stored when it began, no longer fresh."""

    __slots__ = ("_due", "_entry", "_stays")

    def __init__(
        self,
        service: HttpService,
        client: Client | None,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        store: Store,
        request: CacheRequest,
        entry: Entry | None,
    ) -> None:
        super().__init__(service, client, head, operation, plan, store, request)
        self._entry = entry
        self._due = NEVER  # when to wake for anything but the caller's own time
        self._stays = False  # its call goes on though its caller was answered

    def wake_at(self, at: float) -> None:
        self._due = at
        super().wake_at(at if self._entry is None else min(at, self._last_call()))

    def wake(self, now: float) -> None:
        """Something is due: the last moment for what is at hand, or what it was to be woken for."""
        if self._entry is None or self.client is None or not self._last_call() <= now < self.head.until:
            super().wake(now)
            return
        due = self._due
        if self._stale(failures.OUT_OF_TIME.cause, now) is not None:
            self.late()
            if self.state in (QUEUED, SENT) and now < due < NEVER:
                super().wake_at(due)
        elif now < due:  # what was at hand is gone
            super().wake_at(due)
        else:
            super().wake(now)

    def _last_call(self) -> float:
        head = self.head
        return head.until - min(AHEAD, head.timeout_ms / 4_000) if head.until < NEVER else NEVER

    def _excuse(self, failure: Failure) -> None:
        """The caller's own time is over: what is at hand instead of an error. A call that is under way stays, lest the next caller in a
        hurry gets no more than this one."""
        entry = self._stale(failure.cause, now := self._now()) if failure is failures.OUT_OF_TIME else None
        if entry is None:
            super()._excuse(failure)
            return
        flight = self._flight
        self._stays = self.state == SENT and flight is not None and flight.leader is self
        self._tell_stale(entry, failure.reason, now)

    def _cancel(self) -> None:
        if self._stays:
            self._stays = False
        else:
            super()._cancel()
