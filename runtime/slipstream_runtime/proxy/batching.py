"""A read that may be asked together with others: the first goes at once, later ones wait for company. The cores decide who and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.batch import BatchItem
from slipstream_runtime.cores.cache_status import REQUEST, STALE, forwarded
from slipstream_runtime.cores.freshness import judge
from slipstream_runtime.cores.gathering import LEADS, Group, Ticket
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry, Store
from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import Field
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.batch_call import BatchCall, batch_head, likeness
from slipstream_runtime.proxy.caching import PASSING
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.exchange import DONE, QUEUED
from slipstream_runtime.proxy.hurried import HurriedExchange
from slipstream_runtime.proxy.stored import CACHE_STATUS, with_length

if TYPE_CHECKING:
    from slipstream_runtime.proxy.service import HttpService

SERVER_ERROR: Final = 500
_OK: Final = b"HTTP/1.1 200 OK"


class BatchedExchange(HurriedExchange):
    """As its base, but that its call may be one of many's."""

    __slots__ = ("_by_itself", "_item", "_ticket", "call")

    def __init__(
        self,
        service: HttpService,
        client: Client | None,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        store: Store,
        request: CacheRequest,
        item: BatchItem,
        entry: Entry | None,
        now: float,
    ) -> None:
        """`entry`: what is stored, and no longer fresh, nor anything that an upstream could confirm."""
        super().__init__(service, client, head, operation, plan, store, request, entry)
        if entry is not None:
            self._reason = REQUEST if request.refresh or now < entry.expires else STALE
        self._item = item
        self._by_itself = False
        self._ticket: Ticket[BatchedExchange] | None = None
        self.call: BatchCall | None = None  # that it waits for

    def dispatch(self, now: float) -> None:
        """Make the call, or wait to be part of one."""
        batch, item = self._plan.batch, self._item
        if self._by_itself or batch is None or self.head.until <= now:
            super().dispatch(now)
            return
        gathering = self._service.state.gathering
        key = (id(self._plan), id(self.operation), item.path, item.rest, likeness(self.head, self._plan.interest.shared))
        ticket = self._ticket = gathering.arrive(key, self._plan.name, item.value, self, batch.max_wait, now)
        if ticket is None or ticket.state == LEADS:
            super().dispatch(now)
            return
        self._service.wait(self, self.started)
        group = ticket.group
        if len(group.tickets) >= batch.max_size or group.bytes >= batch.max_bytes:
            send(group, now)

    # -- what became of it ------------------------------------------------------------------------------------------------

    def carried(self, call: BatchCall) -> None:
        self.call = call
        self._plan.counters.batched += 1

    def waits_for(self, call: BatchCall) -> bool:
        """It is still there, and `call` is what it waits for."""
        return self.state != DONE and self.call is call

    def on_batched(self, lines: list[Field], body: bytes, asked: bool, started: float) -> None:
        """The batch brought our answer. `asked`: with our own credentials; what may not be stored is given to nobody else of many."""
        now = self._now()
        plan = self._plan
        storing = judge(plan, self._request, 200, lines, now, now - started)
        if storing.detail and plan.interest.shared and not asked:
            self._service.state.gathering.suspend(plan.name, now)
            self.on_alone(now)
            return
        self.call = self._ticket = None
        head = with_length(b"\r\n".join([_OK, *[field.raw for field in lines if field.name != b"age"]]), len(body))
        self._status = 200
        detail = storing.detail or self._store.put(self._request.key, plan, self._snapshot(), storing, 200, head, body, now)
        if detail:
            self._give_up(detail, now)
        else:
            self._hand_out(storing, head, body, 0, now)
        line = forwarded(self._reason, stored=not detail, collapsed=True, detail=detail or "batch")
        self._send_stored(head, body, CACHE_STATUS + line)
        self._end(now, client_finished=True)

    def _refuse(self, detail: str, now: float) -> None:
        """What isn't stored may still say that what is stored is no longer right, as where the upstream was asked about it."""
        super()._refuse(detail, now)
        if self._status < SERVER_ERROR and detail not in PASSING:
            self._store.drop(self._request.key)

    def on_alone(self, now: float) -> None:
        """The batch brought nothing for us."""
        self._plan.counters.batched -= 1
        self.call = None
        self.by_itself(now)

    def by_itself(self, now: float) -> None:
        """It goes as if no rule spoke of batches."""
        self._ticket = None
        self._by_itself = True
        self.dispatch(now)

    def leads(self, now: float) -> None:
        """Nobody came to keep it company."""
        super().dispatch(now)

    def call_ended(self, group: Group[BatchedExchange]) -> None:
        """A call of the group is over: those who wait meanwhile go on."""
        service = self._service
        if service.state.gathering.ended(group):
            send(group, self._now())

    def expire(self) -> None:
        """Our deadline, while others may still wait; a call that took so long has failed, whoever leaves it then."""
        ticket = self._ticket
        if self.state == QUEUED and ticket is not None and ticket.state != LEADS and self._now() < self.head.until:
            if self.call is not None:
                self.call.overdue()
            self.fail(failures.TIMEOUT)
        else:
            super().expire()

    def _end(self, now: float, client_finished: bool) -> None:
        ticket, self._ticket = self._ticket, None
        call, self.call = self.call, None
        super()._end(now, client_finished)
        if call is not None:
            call.left(self)
        elif ticket is not None:
            if ticket.state == LEADS:
                self.call_ended(ticket.group)
            else:
                self._service.state.gathering.leave(ticket)


def send(group: Group[BatchedExchange], now: float) -> None:
    """Everybody who waits in `group` goes now: in one call, or the only one by itself."""
    first = group.first
    if first is None:
        return
    gathering = first._service.state.gathering
    tickets = gathering.take(group)
    if len(tickets) == 1:
        first.leads(now)
        return
    plan = first._plan
    values = list(dict.fromkeys(ticket.item for ticket in tickets))
    try:
        head, body = batch_head(first._service, first.head, plan, first._item, values)
    except MalformedError:  # with so many headers there's no room for items
        gathering.ended(group)
        for ticket in tickets:
            ticket.waiter.by_itself(now)
        return
    call = BatchCall(first._service, head, first.operation, plan, group, tickets)
    for ticket in tickets:
        ticket.waiter.carried(call)
    plan.counters.batches += 1
    call.begin(body, True, now)
