"""A read that a cache rule takes and the store couldn't answer: coalesced, stored, replaced by a stale answer. The cores decide which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores import cache_status
from slipstream_runtime.cores.fallback import TROUBLE, Cause, choose
from slipstream_runtime.cores.flight import Flight
from slipstream_runtime.cores.freshness import Storing, judge
from slipstream_runtime.cores.generations import Snapshot
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.forward import connection_line
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.collecting import Collector
from slipstream_runtime.proxy.exchange import DONE, QUEUED, Exchange
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.sending import Sending
from slipstream_runtime.proxy.stored import CACHE_STATUS, assembled, form_for, forwarded_line, rendered_with

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

# Why a cacheable answer isn't stored after all, without its key being uncacheable.
PASSING: Final = frozenset(("invalidated", "write-in-flight", "expired"))


class CachedExchange(Exchange):
    """Leads a flight (makes the call), follows one (waits for it), or goes alone."""

    __slots__ = ("_collector", "_detail", "_epoch", "_flight", "_plan", "_reason", "_request", "_store")

    def __init__(
        self,
        service: HttpService,
        client: Client | None,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        store: Store,
        request: CacheRequest,
    ) -> None:
        Sending.__init__(self, service, client, head, operation)  # super() costs more than the call where nothing is compiled
        self._plan = plan
        self._store = store
        self._request = request
        self._reason = cache_status.REQUEST if request.refresh else cache_status.URI_MISS
        self._epoch = 0  # when it began
        self._flight: Flight[CachedExchange] | None = None
        self._collector: Collector | None = None  # while the answer is being collected
        self._detail = ""  # why it isn't stored

    def begin(self, body: bytes, complete: bool, now: float) -> None:
        """Wait for an identical read that is under way, or make it."""
        service, request, plan = self._service, self._request, self._plan
        self._epoch = service.cache.generations.epoch
        if not (request.refresh or self._alone() or service.flights.passes(request.key, now)):
            flight = self._flight = service.flights.join(request.key, self._snapshot(), self, now)
            if flight is not None and flight.leader is not self:
                plan.counters.coalesced += 1
                self.started = now
                service.wait(self, now)
                return
        self._missed()
        Exchange.begin(self, body, complete, now)

    def _snapshot(self) -> Snapshot:
        """What it may be stored, joined or served against: as it was when it began."""
        return self._service.cache.generations.captured(self._epoch, self._plan.tags, self._request.partition, self.head.line.scope)

    def _missed(self) -> None:
        self._plan.counters.misses += 1

    def _alone(self) -> bool:
        """The upstream will hear the caller's own conditions, so that its answer may be for this caller only."""
        return self._request.conditional

    # -- the answer to the call -------------------------------------------------------------------------------------------

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        now = self._service.context.time()
        self._arrived(head, complete, now)
        if head.status in TROUBLE and self._replace(head.status, now):
            return
        storing = judge(self._plan, self._request, head.status, head.told, now, now - self.started)
        if storing.detail:
            self._refuse(storing.detail, now)
        else:
            self._collector = Collector(self._store, storing, head)
            self._collect(body, complete, now)
        self._relay(head, self.cache_line(self._detail, complete and not self._detail), body, complete, now)

    def cache_line(self, detail: str, stored: bool = False) -> bytes:
        """`stored` can only be promised once it is."""
        if stored:
            return CACHE_STATUS + cache_status.forwarded(self._reason, stored=True, detail=detail)
        return forwarded_line(self._reason, detail)

    def on_body(self, data: bytes, complete: bool) -> None:
        if self._collector is not None:
            self._collect(data, complete, self._now())
        super().on_body(data, complete)

    def _collect(self, data: bytes, complete: bool, now: float) -> None:
        """One more piece of the body; with the last one the answer is stored, and handed to those who wait."""
        collector = self._collector
        assert collector is not None
        if not collector.add(data):
            self._give_up("too-large", now)
        elif complete:
            self._collector = None
            head, body = collector.whole()
            detail = self._store.put(self._request.key, self._plan, self._snapshot(), collector.storing, self._status, head, body, now)
            if detail:
                self._give_up(detail, now)
            else:
                self._hand_out(collector.storing, head, body, 0, now)

    def _hand_out(self, storing: Storing, head: bytes, body: bytes, status: int, now: float) -> None:
        """What was stored, to those who wait; where it is to be confirmed before each use, they ask for themselves."""
        if storing.confirm:
            self._scatter(now, mark=True)
        else:
            self._land(head, body, status)

    def _land(self, head: bytes, body: bytes, status: int) -> None:
        """What was stored is for all who wait; `status` is the upstream's where it differs from the answer's."""
        flights = self._service.flights
        flights.unmark(self._request.key)
        flight, self._flight = self._flight, None
        if flight is not None:
            for follower in flights.land(flight):
                if follower is not self:
                    follower.on_landed(head, body, status)

    def _give_up(self, detail: str, now: float) -> None:
        """What was collected can't be shared; from here on a slow reader holds the upstream up."""
        self._collector = None
        if self.client is not None and not self.client.writable and self._connection is not None:
            self._connection.pause()
        self._refuse(detail, now)

    def _refuse(self, detail: str, now: float) -> None:
        """The answer can't be shared: those who wait go on alone, at once."""
        self._detail = detail
        self._plan.counters.rejected += 1
        if self._flight is not None:
            self._scatter(now, mark=detail not in PASSING)

    def _scatter(self, now: float, mark: bool) -> None:
        """Those who wait go on alone; with `mark` nobody waits for this key for a while."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flights = self._service.flights
            followers = flights.scatter(flight, now)
            if not mark:
                flights.unmark(flight.key)
            for follower in followers:
                follower.on_scattered(now)

    def on_client_writable(self, writable: bool) -> None:
        """A slow reader doesn't hold up those who wait for the same answer; what is collected meanwhile is bounded by maxEntryBytes."""
        if self._collector is None:
            super().on_client_writable(writable)

    def _client_stalls(self) -> bool:
        return self._collector is None and super()._client_stalls()

    # -- a follower's ways ------------------------------------------------------------------------------------------------

    def on_landed(self, head: bytes, body: bytes, status: int) -> None:
        """The identical read brought an answer that is ours too."""
        self._flight = None
        line = CACHE_STATUS + cache_status.forwarded(self._reason, stored=True, collapsed=True, status=status)
        self._send_stored(head, body, line)
        self._end(self._now(), client_finished=True)

    def _send_stored(self, head: bytes, body: bytes, lines: bytes) -> None:
        """An answer as it is stored, with further `lines`, in the form that the caller wants."""
        client = self.client
        if client is not None:
            self._keep = client.keeps(self.head)
            form = form_for(self.head, self._request, head)
            client.send(assembled(form, head, lines + connection_line(self.head.line.http11, self._keep), body))

    def on_scattered(self, now: float) -> None:
        """It brought nothing to share: as if we had come alone."""
        self._flight = None
        if self.state != DONE:
            self._plan.counters.coalesced -= 1
            self._missed()
            self.dispatch(now)

    def fail_at_once(self, failure: Failure, now: float) -> None:
        """Nothing is asked of the upstream."""
        self._missed()
        self.started = now
        super().fail(failure)

    # -- ends -------------------------------------------------------------------------------------------------------------

    def fail(self, failure: Failure) -> None:
        """A call's failure is everybody's who waits: each falls back for itself, nobody asks a thousand times more."""
        followers = self._land_failure()
        now = self._now()
        entry = self._stale(failure.cause, now)
        if entry is not None:
            self._record_failure(failure)
            self._send_stale(entry, failure.reason, now)
        else:
            super().fail(failure)
        for follower in followers:
            follower.fail(failure)

    def _cut(self, failure: Failure) -> None:
        followers = self._land_failure()
        super()._cut(failure)
        for follower in followers:
            follower.fail(failure)

    def _land_failure(self) -> list[CachedExchange]:
        """Those who waited for our call; without a flight any more."""
        flight, self._flight = self._flight, None
        if flight is None or flight.leader is not self:
            return []
        followers = [waiter for waiter in self._service.flights.land(flight) if waiter is not self]
        for follower in followers:
            follower._flight = None
        return followers

    def _replace(self, status: int, now: float) -> bool:
        """Instead of an answer that says the upstream is in trouble, an older good one, where there is one."""
        entry = self._stale("UpstreamStatus", now)
        if entry is None:
            return False
        self._record(status, now)
        followers = self._land_failure()
        for waiter in (self, *followers):
            waiter._send_stale(entry, f"status-{status}", now)
        return True

    def _stale(self, cause: Cause, now: float) -> Entry | None:
        """An older answer to this very request, where its grace allows it and the chain wants one for this cause."""
        entry = self._store.get_stale(self._request.key, self._plan, now)
        if entry is not None and now >= entry.expires + (entry.grace.open if cause == "CircuitOpen" else entry.grace.error):
            entry = None
        step = choose(self.operation.fallback, cause, entry is not None)
        return entry if step is not None and step.type == "StaleCache" else None

    def _send_stale(self, entry: Entry, why: str, now: float) -> None:
        self._drop_connection()
        self._tell_stale(entry, why, now)
        self._end(now, client_finished=True)

    def _tell_stale(self, entry: Entry, why: str, now: float) -> None:
        client = self.client
        if client is not None:
            self._plan.counters.stale += 1
            self._keep = client.keeps(self.head)
            form = form_for(self.head, self._request, entry.head)
            client.send(rendered_with(entry, now, why, connection_line(self.head.line.http11, self._keep), form))

    def _cancel(self) -> None:
        """The client has left. A call goes on for those who wait for it, and ends with the last of them."""
        flight, self._flight = self._flight, None
        if flight is None:
            super()._cancel()
            return
        last = self._service.flights.leave(flight, self)
        if flight.leader is self:
            if last:
                super()._cancel()
            else:
                self._flight = flight  # it is still ours to land
            return
        self._end(self._now(), client_finished=False)
        if last:
            flight.leader.on_deserted()

    def on_deserted(self) -> None:
        """Our client left long ago, and now the last one who waited for our call."""
        self._flight = None
        super()._cancel()

    def expire(self) -> None:
        """Our deadline. A follower leaves the flight to the others; a call's deadline ends it for all."""
        flight = self._flight
        if flight is not None and flight.leader is not self and self.state == QUEUED:
            self._flight = None
            if self._service.flights.leave(flight, self):
                flight.leader.on_deserted()
            self.fail(failures.TIMEOUT)
        else:
            super().expire()
