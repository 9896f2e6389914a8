"""Fetches an answer that nobody waits for: anew while the old one is still served (stale-while-revalidate), or ahead (warming).

It has no client: nobody waits for it but who joins its flight, and what it brings, or fails to bring, is told to the store alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.validating import ValidatingExchange

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService


class RefreshExchange(ValidatingExchange):
    """`Refreshes.begin` allowed it; its end is told exactly once."""

    __slots__ = ()

    def __init__(
        self,
        service: HttpService,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        store: Store,
        request: CacheRequest,
        entry: Entry | None,
    ) -> None:
        super().__init__(service, None, head, operation, plan, store, request, entry)
        head.until = NEVER  # the caller's own time ends with its answer

    def _missed(self) -> None:
        """Whom it is for was answered already."""

    def fail(self, failure: Failure) -> None:
        """Nobody's error: whoever waits falls back for itself, the next one who asks is served what there is."""
        followers = self._land_failure()
        self._record_failure(failure)
        self._end(self._now(), client_finished=False)
        for follower in followers:
            follower.fail(failure)

    def _end(self, now: float, client_finished: bool) -> None:
        super()._end(now, client_finished)
        self._service.refreshes.end(self._request.key, self.fresh, now)
        if self.fresh:
            self._plan.counters.refreshed += 1
