"""A read whose stored answer is past its time: the upstream is asked whether it is still right (RFC 9111 §4.3). Stores what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores import cache_status, validators
from slipstream_runtime.cores.freshness import Storing, judge
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.conditional import conditional_request
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.caching import PASSING
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.exchange import QUEUED
from slipstream_runtime.proxy.hurried import HurriedExchange
from slipstream_runtime.proxy.stored import CACHE_STATUS

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

NOT_MODIFIED: Final = 304
SERVER_ERROR: Final = 500


class ValidatingExchange(HurriedExchange):
    """`entry` is what the caller may get, if the upstream confirms it; without one, or without a validator,
    the upstream is simply asked."""

    __slots__ = ("_conditions", "fresh")

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
        super().__init__(service, client, head, operation, plan, store, request, entry)
        self._conditions = b"" if entry is None else validators.conditions(entry.head)
        self.fresh = False  # the store has the newest answer thanks to this call

    def begin(self, body: bytes, complete: bool, now: float) -> None:
        entry = self._entry
        if entry is not None:
            self._reason = cache_status.REQUEST if self._request.refresh or now < entry.expires else cache_status.STALE
        super().begin(body, complete, now)

    def _alone(self) -> bool:
        return False  # the upstream hears our conditions, the same for all who wait

    def _forwarded(self) -> bytes:
        return conditional_request(self.head, self._service.host_for(self.head), self._conditions)

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        entry = self._entry
        if head.status != NOT_MODIFIED or not self._conditions or entry is None:
            super().on_answer(head, body, complete)
            return
        now = self._now()
        self._arrived(head, complete, now)
        if validators.confirms(entry.head, head.fields):
            self._validated(entry, head, now)
        else:  # it is about something else, so it says nothing about what is stored: ask without conditions
            self._record(NOT_MODIFIED, now)
            self._conditions = b""
            self.state = QUEUED
            self.dispatch(now)

    def _validated(self, entry: Entry, answer: AnswerHead, now: float) -> None:
        """What is stored lives on, with what the 304 says about it."""
        key = self._request.key
        head, body, status = validators.merged(entry.head, answer.fields), entry.body, entry.status
        took = max(now - self.started, self._plan.min_latency)  # what it is worth was seen when the whole of it came
        storing = judge(self._plan, self._request, status, validators.fields_of(head), now, took)
        detail = self._store.put(key, self._plan, self._snapshot(), storing, status, head, body, now)
        self._plan.counters.revalidated += 1
        if detail:
            self._give_up(detail, now)
        else:
            self._hand_out(storing, head, body, NOT_MODIFIED, now)
        line = cache_status.forwarded(self._reason, stored=not detail, status=NOT_MODIFIED, detail=detail)
        self._send_stored(head, body, CACHE_STATUS + line)
        self._complete(now)

    def _refuse(self, detail: str, now: float) -> None:
        """What isn't stored may still say that what is stored is no longer right: a 403, a 404, a `no-store`. An error says nothing."""
        super()._refuse(detail, now)
        if self._status < SERVER_ERROR and detail not in PASSING:
            self._store.drop(self._request.key)

    def _hand_out(self, storing: Storing, head: bytes, body: bytes, status: int, now: float) -> None:
        self.fresh = True
        super()._hand_out(storing, head, body, status, now)
