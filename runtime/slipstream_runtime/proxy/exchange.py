"""One request on its way: permit, connection, answer, and every way in which that can end. All of it in callbacks: no task, no timer.

QUEUED (no connection yet) → SENT (waits for the answer's head) → STREAMING (its body) → DONE. Of answer, failure, deadline and
disconnect the first one that ends it wins; permit, connection and write are given back exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.breaker import REFUSED
from slipstream_runtime.cores.fallback import choose, retry_after
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.body import framed
from slipstream_runtime.http.forward import connection_line, forwarded_answer, forwarded_request, needs_chunks, switching
from slipstream_runtime.http.framing import CHUNKED
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.answers import failure_answer
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.parties import Call
from slipstream_runtime.proxy.permit import Permit
from slipstream_runtime.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from slipstream_runtime.cores.generations import Write
    from slipstream_runtime.proxy.service import HttpService

QUEUED, SENT, STREAMING, DONE = range(4)

MAX_HELD: Final = 65_536  # bytes of a body that wait for a connection before the client is paused
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))  # RFC 9110 §9.2.2: twice is as once


class Exchange(Call):
    """A request that goes to the upstream past any cache."""

    __slots__ = ("_chunked", "_connection", "_held", "_keep", "_permit", "_request_complete", "_retried", "_reused", "_service", "_status",
                 "_write", "_written", "active_at", "client", "deadline", "head", "operation", "started", "state")  # fmt: skip

    def __init__(self, service: HttpService, client: Client, head: RequestHead, operation: Operation) -> None:
        self._service = service
        self.client: Client | None = client
        self.head = head
        self.operation = operation
        self.state = QUEUED
        self.started = 0.0
        self.deadline = 0.0
        self.active_at = 0.0
        self._connection: UpstreamConnection | None = None
        self._permit: Permit | None = None
        self._write: Write | None = None
        self._held = b""  # of the request's body, until there is a connection
        self._request_complete = True
        self._retried = False
        self._reused = False
        self._keep = False
        self._chunked = False
        self._status = 0
        self._written = -1  # bytes that waited for the client at the last look

    def _now(self) -> float:
        return self._service.context.clock.now()

    # -- towards the upstream ---------------------------------------------------------------------------------------------

    def begin(self, body: bytes, complete: bool, now: float) -> None:
        """Start; afterwards state is DONE where it ended at once."""
        self.started = now
        self._request_complete = complete
        self._held = body
        if self.operation.writes:
            self._write = self._service.cache.generations.begin_write(self.operation.invalidates, self.head.line.path)
        self.dispatch(now)

    def dispatch(self, now: float) -> None:
        """Ask the breaker, then the pool."""
        service = self._service
        circuit = self.operation.circuit
        if circuit is not None:
            breaker = service.circuits.get(circuit, now)
            if breaker is not None:
                number = breaker.acquire(now)
                if number == REFUSED:
                    self.fail(failures.CIRCUIT_OPEN)
                    return
                self._permit = Permit(service.circuits, breaker, number, now)
        service.track(self, self._request_complete, self.started)
        self._acquire(now, fresh=False)

    def _acquire(self, now: float, fresh: bool) -> None:
        connection = self._service.pool.acquire(self, now, fresh)
        if connection is not None:
            self.on_connection(connection)

    def on_connection(self, connection: UpstreamConnection) -> None:
        """The pool: it's your turn."""
        head = self.head
        self._connection = connection
        self._reused = connection.served > 0
        self.state = SENT
        data = forwarded_request(head, self._service.host_for(head))
        if head.body:
            data += framed(self._held, self._request_complete) if head.body == CHUNKED else self._held
            self._held = b""
            self.on_upstream_writable(True)
        connection.start(self, head.method, data, self._request_complete)

    def on_request_body(self, data: bytes, complete: bool) -> None:
        self.active_at = self._service.context.now
        self._request_complete = complete
        if self._connection is not None:
            self._connection.send(framed(data, complete) if self.head.body == CHUNKED else data, complete)
        else:
            self._held += data
            if len(self._held) > MAX_HELD and self.client is not None:
                self.client.hold_body()
        if complete and self.state in (QUEUED, SENT):
            self._service.track(self, True, self._service.context.now)

    def on_upstream_writable(self, writable: bool) -> None:
        if self.client is not None:
            (self.client.want_body if writable else self.client.hold_body)()

    # -- from the upstream ------------------------------------------------------------------------------------------------

    def on_interim(self, head: AnswerHead) -> None:
        if self.client is not None and self.head.line.http11 and (head.status != 100 or self.head.expects_continue):
            self.client.send(forwarded_answer(head, b"", b"", False))

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._arrived(head, complete)
        self._relay(head, self.cache_line(""), body, complete)

    def _arrived(self, head: AnswerHead, complete: bool) -> None:
        self._status = head.status
        self._service.figures.by_class[head.status // 100] += 1
        if complete:
            self._connection = None  # it is back in its pool
        elif head.body < 0:  # a stream may go on for hours; a body of known length may still be cut short, which is a failure
            self._record(head.status, self._now())

    def _relay(self, head: AnswerHead, extra: bytes, body: bytes, complete: bool) -> None:
        """The answer's head and the first of its body, to the client."""
        client = self.client
        if client is not None:
            http11 = self.head.line.http11
            self._chunked = needs_chunks(head.body, http11)
            self._keep = client.keeps(self.head) and (http11 or head.body >= 0)
            data = forwarded_answer(head, extra, connection_line(http11, self._keep), self._chunked)
            client.send(data + (framed(body, complete) if self._chunked else body))
        if complete:
            self._complete()
        else:
            self.state = STREAMING
            self._service.track(self, False, 0.0)

    def on_body(self, data: bytes, complete: bool) -> None:
        self.active_at = self._service.context.now
        if self.client is not None:
            self.client.send(framed(data, complete) if self._chunked else data)
        if complete:
            self._complete()

    def on_client_writable(self, writable: bool) -> None:
        if self._connection is not None:
            (self._connection.resume if writable else self._connection.pause)()

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        """101: from here on both sides are raw. A 101 that nobody asked for is a broken answer."""
        connection, client = self._connection, self.client
        assert connection is not None
        if client is None or not self.head.upgrade:
            connection.abandon()
            self.on_failure(failures.MALFORMED, False)
            return
        self._record(101, self._now())
        self._connection = None
        client.send(switching(head))
        self._service.tunnel(client, connection, rest)
        self._end(client_finished=True)

    # -- ends -------------------------------------------------------------------------------------------------------------

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        """The connection is gone. An idle one that the upstream closed while we wrote to it isn't a failure of the upstream: once more,
        on a new connection, where the request is idempotent and nothing of a body was consumed."""
        self._connection = None
        if self.state == STREAMING:
            self._cut(failure)
        elif untouched and self._reused and not self._retried and self.head.method in IDEMPOTENT and not self.head.body:
            self._retried = True
            self._service.figures.retries += 1
            self.state = QUEUED
            self._acquire(self._now(), fresh=True)
        else:
            self.fail(failure)

    def expire(self) -> None:
        """The sweep: the deadline has passed."""
        if self.state == STREAMING:
            self._drop_connection()
            self._cut(failures.BODY_TIMEOUT)
        elif self.state != DONE:
            failure = self._service.pool.cancel(self) if self.state == QUEUED else failures.TIMEOUT
            if not self._request_complete and self.client is not None and not self.client.held:
                failure = failures.CLIENT_STALLED
            self._drop_connection()
            self.fail(failure)

    def on_client_gone(self) -> None:
        """Nobody reads the answer: the upstream is spared, and no breaker hears of it."""
        self.client = None
        self._service.figures.cancelled += 1
        self._cancel()

    def stands_still(self, before: float) -> bool:
        """Whether a streaming body made no progress since `before`, in neither direction."""
        written = 0 if self.client is None else self.client.unwritten
        if written != self._written:
            self._written = written
            self.active_at = self._service.context.now
        return self.active_at <= before

    def _cancel(self) -> None:
        if self.state == QUEUED:
            self._service.pool.cancel(self)
        self._drop_connection()
        self._end(client_finished=False)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def fail(self, failure: Failure) -> None:
        """No answer from the upstream, or no connection to it: our own, from the fallback chain or about the failure."""
        self._record_failure(failure)
        service, client = self._service, self.client
        service.figures.errors += 1
        if client is not None:
            step = choose(self.operation.fallback, failure.cause, False)
            wait = retry_after(step, failure.cause, service.open_for(self.operation))
            self._keep = client.keeps(self.head)
            extra = service.context.date + self.cache_line(failure.reason) + connection_line(self.head.line.http11, self._keep)
            client.send(failure_answer(failure, step, wait, extra, self.head.method == b"HEAD"))
        self._end(client_finished=True)

    def cache_line(self, detail: str, stored: bool = False) -> bytes:
        """Cache-Status of an answer that isn't from the store, as a line; nothing where no cache rule is concerned."""
        return b""

    def _cut(self, failure: Failure) -> None:
        """In the middle of an answer there's no way to tell the client but to cut the connection."""
        self._record_failure(failure)
        self._service.figures.errors += 1
        client = self.client
        self._end(client_finished=False)
        if client is not None:
            client.abort()

    def _complete(self) -> None:
        now = self._now()
        self._connection = None
        self._record(self._status, now)
        self._end(client_finished=True)

    def _record(self, status: int, now: float) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.answered(status, now)

    def _record_failure(self, failure: Failure) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.failed(failure, self._now())

    def _end(self, client_finished: bool) -> None:
        """Give everything back, then let the client go on."""
        unanswered = self.state == SENT and self._status == 0
        self.state = DONE
        self._held = b""
        if self._permit is not None:
            self._permit.release()
            self._permit = None
        if self._write is not None:
            if unanswered:  # the upstream may have it, and carry it out later: reads wait that long before they are stored
                self._write.linger(self._service.linger_until())
            else:
                self._write.end()
            self._write = None
        self._service.untrack(self)
        client, self.client = self.client, None
        if client is not None:
            self._service.figures.observe(self.operation.name, self._now() - self.started)
        if client is not None and client_finished:
            client.finished(self._keep)
