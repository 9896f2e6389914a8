"""A read under a cache rule in Shadow: goes to the upstream as if there were no cache, and is compared with what a hit would have said.

Nothing of the answer changes, nobody waits for another's call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.generations import Snapshot
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.collecting import Collector
from slipstream_runtime.proxy.exchange import Exchange

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService


class ShadowExchange(Exchange):
    """`entry`: what a hit would have served, None where it would have been a miss. It is left as it is, as a hit would leave it."""

    __slots__ = ("_collector", "_entry", "_plan", "_request", "_snapshot", "_store")

    def __init__(
        self,
        service: HttpService,
        client: Client,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        store: Store,
        request: CacheRequest,
        entry: Entry | None,
    ) -> None:
        super().__init__(service, client, head, operation)
        self._plan = plan
        self._store = store
        self._request = request
        self._entry = entry
        self._snapshot: Snapshot | None = None
        self._collector: Collector | None = None

    def begin(self, body: bytes, complete: bool, now: float) -> None:
        plan = self._plan
        if self._entry is None:
            plan.counters.misses += 1
        else:
            plan.counters.hits += 1
        self._snapshot = self._service.cache.generations.capture(plan.tags, self._request.partition, self.head.line.scope)
        super().begin(body, complete, now)

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        now = self._now()
        storing = judge(self._plan, self._request, head.status, head.told, now, now - self.started)
        if not storing.detail:
            self._collector = Collector(self._store, storing, head)
            self._collect(head.status, body, complete, now)
        elif self._entry is None:
            self._plan.counters.rejected += 1
        super().on_answer(head, body, complete)

    def on_body(self, data: bytes, complete: bool) -> None:
        if self._collector is not None:
            self._collect(self._status, data, complete, self._now())
        super().on_body(data, complete)

    def _collect(self, status: int, data: bytes, complete: bool, now: float) -> None:
        collector, snapshot = self._collector, self._snapshot
        assert collector is not None
        assert snapshot is not None
        if not collector.add(data):
            self._collector = None
        elif complete:
            self._collector = None
            head, body = collector.whole()
            if self._entry is None:
                self._store.put(self._request.key, self._plan, snapshot, collector.storing, status, head, body, now)
            else:
                self._compare(self._entry, body)

    def _compare(self, entry: Entry, body: bytes) -> None:
        """The same caller saw something new: a hit would have been stale. Another caller's is another's: a hit would have leaked.
        An answer that a write overtook says nothing about either."""
        if entry.body == body or not entry.current():
            return
        counters = self._plan.counters
        if entry.asker == self._request.asker:
            counters.would_stale += 1
        else:
            counters.would_leak += 1
