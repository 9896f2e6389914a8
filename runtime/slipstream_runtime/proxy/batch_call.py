"""One call for many reads: asks the batch endpoint, and hands each read its part. Has no client, and stores nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.batch import MAX_ANSWER, BatchItem
from slipstream_runtime.cores.fields import CREDENTIALS
from slipstream_runtime.cores.gathering import Group, Ticket
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.fields import CONTENT_LENGTH, Field
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.exchange import DONE, SENT, STREAMING, Exchange
from slipstream_runtime.proxy.failures import TIMEOUT, Failure

if TYPE_CHECKING:
    from slipstream_runtime.proxy.batching import BatchedExchange
    from slipstream_runtime.proxy.service import HttpService

# What is a request's own, and nothing that an answer depends on: reads that differ in it may share a call.
OF_ONE_REQUEST: Final = frozenset(
    (b"traceparent", b"tracestate", b"baggage", b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled",
     b"x-request-id", b"x-correlation-id", b"x-amzn-trace-id")
)  # fmt: skip
_REPLACED: Final = frozenset((b"accept-encoding", b"content-type"))
# What an answer to a batch says about each of its parts, too. A validator is of the whole, and says nothing about a part.
_PASSED_ON: Final = frozenset((b"content-type", b"content-language", b"cache-control", b"expires", b"pragma", b"date", b"vary", b"age"))


def likeness(head: RequestHead, shared: bool) -> tuple[tuple[bytes, bytes], ...]:
    """What two requests must have in common to be asked as one; whose they are is part of it, unless the rule's answers are everybody's."""
    return tuple(
        (field.name, field.value)
        for field in head.fields
        if field.name not in OF_ONE_REQUEST and not (shared and field.name in CREDENTIALS)
    )


def batch_head(service: HttpService, asker: RequestHead, plan: CachePlan, item: BatchItem, values: list[str]) -> tuple[RequestHead, bytes]:
    """The batch as a request of `asker`, and its body; raises MalformedError where it would be too long."""
    batch = plan.batch
    assert batch is not None
    body = batch.body(values)
    host = asker.host
    lines = [b"%b %b HTTP/1.1" % (b"POST" if body else b"GET", batch.target(item, values))]
    lines.append(b"Host: " + (service.host_for(asker) if host is None else host))
    lines += [field.raw for field in asker.fields if field.name not in _REPLACED and field.kind != CONTENT_LENGTH and field.name != b"host"]
    lines.append(b"Accept-Encoding: identity")
    if body:
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return service.context.requests.scan(b"\r\n".join(lines)), body


class BatchCall(Exchange):
    """For those who are still there; ends with the last of them."""

    __slots__ = ("_group", "_lines", "_pieces", "_plan", "_size", "_tickets", "_values", "asker")

    def __init__(
        self,
        service: HttpService,
        head: RequestHead,
        operation: Operation,
        plan: CachePlan,
        group: Group[BatchedExchange],
        tickets: list[Ticket[BatchedExchange]],
    ) -> None:
        super().__init__(service, None, head, operation)
        head.until = NEVER  # each of those who wait has its own
        self._plan = plan
        self._group = group
        self._tickets: dict[BatchedExchange, str] = {ticket.waiter: ticket.item for ticket in tickets}
        self._values = list(dict.fromkeys(ticket.item for ticket in tickets))
        self._lines: list[Field] | None = None  # of the answer, once it is one that can be used
        self._pieces: list[bytes] = []
        self._size = 0
        self.asker = tickets[0].waiter  # whose credentials it carries

    @property
    def idempotent(self) -> bool:
        return True  # a read, whatever its method: the policy says so

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._arrived(head, complete, self._now())
        self._lines = _usable(head)
        if self._lines is None:
            self._reject()
        elif complete:
            self.on_body(body, True)
        else:
            self.state = STREAMING
            self._service.flow(self)
            self.on_body(body, False)

    def on_body(self, data: bytes, complete: bool) -> None:
        self.active_at = self._service.context.now
        self._pieces.append(data)
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._reject()
        elif complete:
            self._deliver()

    def _deliver(self) -> None:
        batch, lines = self._plan.batch, self._lines
        assert batch is not None
        assert lines is not None
        answers = batch.split(self._values, b"".join(self._pieces))
        if answers is None:
            self._reject()
            return
        now = self._now()
        self._connection = None
        self._record(self._status, now)
        started = self.started
        tickets = self._leave()
        for waiter, item in tickets.items():
            if waiter.waits_for(self):
                answer = answers.get(item)
                if answer is None:
                    waiter.on_alone(now)
                else:
                    waiter.on_batched(lines, answer, waiter is self.asker, started)
        self._over()

    def _reject(self) -> None:
        """The upstream answered, but not so that it could be parted: each asks for itself, and for a while nobody waits for another."""
        now = self._now()
        self._record(self._status, now)
        self._drop_connection()
        self._service.state.gathering.suspend(self._plan.name, now)
        self._alone(self._leave(), now)
        self._over()

    def fail(self, failure: Failure) -> None:
        """Where the upstream can't be reached, or we are too busy, asking for each by itself won't help; otherwise it may."""
        self._record_failure(failure)
        self._service.figures.failed(failure.reason)
        tickets = self._leave()
        if failure.error_class in ("", "Connect"):
            for waiter in tickets:
                if waiter.waits_for(self):
                    waiter.call = None
                    waiter.fail(failure)
        else:
            self._alone(tickets, self._now())
        self._over()

    def _cut(self, failure: Failure) -> None:
        self.fail(failure)

    def overdue(self) -> None:
        """One of them gives up: it has taken too long."""
        if self.state == SENT:
            self._record_failure(TIMEOUT)

    def left(self, waiter: BatchedExchange) -> None:
        """One of them no longer waits."""
        if self.state == DONE:
            return
        self._tickets.pop(waiter, None)
        if not self._tickets:
            self._cancel()
            self._over()

    def _leave(self) -> dict[BatchedExchange, str]:
        """The call is over; who waited for it."""
        tickets, self._tickets = self._tickets, {}
        self._pieces = []
        self._end(self._now(), client_finished=False)
        return tickets

    def _alone(self, tickets: dict[BatchedExchange, str], now: float) -> None:
        for waiter in tickets:
            if waiter.waits_for(self):
                waiter.on_alone(now)

    def _over(self) -> None:
        self.asker.call_ended(self._group)


def _usable(head: AnswerHead) -> list[Field] | None:
    """The lines that each part's answer has, too; None where the whole can't be parted, or says something to one caller only."""
    if head.status != 200:
        return None
    lines = []
    for field in head.fields:
        if field.name == b"set-cookie" or (field.name == b"content-encoding" and field.value.lower() != b"identity"):
            return None
        if field.name in _PASSED_ON:
            lines.append(field)
    return lines
