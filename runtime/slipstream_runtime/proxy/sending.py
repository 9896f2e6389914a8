"""One request's way to the upstream: permit, place, connection, body, and the same once more where its rule says so. Reads no answer.

QUEUED (no connection yet) → SENT (waits for the answer's head) → STREAMING (its body) → DONE; RESTING between two attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slipstream_runtime.cores.breaker import REFUSED, Breaker
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.retry import IDEMPOTENT
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.body import framed
from slipstream_runtime.http.forward import END, forwarded_request
from slipstream_runtime.http.framing import CHUNKED
from slipstream_runtime.http.request import NO_TIMEOUT, RequestHead
from slipstream_runtime.proxy import failures
from slipstream_runtime.proxy.attempts import Attempts
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.failures import Failure
from slipstream_runtime.proxy.parties import Call
from slipstream_runtime.proxy.permit import Permit
from slipstream_runtime.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from slipstream_runtime.cores.generations import Write
    from slipstream_runtime.proxy.exchange import Exchange
    from slipstream_runtime.proxy.service import HttpService

QUEUED: Final = 0
SENT: Final = 1
STREAMING: Final = 2
DONE: Final = 3
RESTING: Final = 4

MAX_HELD: Final = 65_536  # bytes of a body that wait for a connection, or for another attempt


class Sending(Call):
    """What an exchange is towards its upstream."""

    __slots__ = ("_attempts", "_chunked", "_connection", "_doubtful", "_held", "_keep", "_permit", "_place", "_replays",
                 "_request_complete", "_retried", "_sent", "_service", "_status", "_write", "_written", "active_at", "client",
                 "deadline", "head", "operation", "started", "state", "successor")  # fmt: skip

    def __init__(self, service: HttpService, client: Client | None, head: RequestHead, operation: Operation) -> None:
        self._service = service
        self.client = client  # None: it has left, or there never was one
        self.head = head
        self.operation = operation
        self.state = QUEUED
        self.started = 0.0
        self.deadline = 0.0
        self.active_at = 0.0
        self._connection: UpstreamConnection | None = None
        self._attempts: Attempts | None = None  # where there may be more than one, or another upstream may answer instead
        self._permit: Permit | None = None
        self._place: Breaker | None = None  # among the calls that its rule lets be under way at once
        self._write: Write | None = None
        self._held = b""  # of the request's body: until there is a connection, or as long as it may have to be sent again
        self._replays = False
        self._request_complete = True
        self._retried = False
        self._sent = False  # some of it, ever
        self._doubtful = False  # an attempt had no answer: it may still be carried out
        self._status = 0
        self._written = -1  # bytes that waited for the client at the last look
        # Of its answer, as class Exchange has it; one call makes all of it.
        self._keep = False
        self._chunked = False
        self.successor: Exchange | None = None  # on another upstream, still under way when it took over

    def _now(self) -> float:
        return self._service.context.time()

    def on_no_connection(self, failure: Failure) -> None:
        raise NotImplementedError

    def takes(self, head: AnswerHead, complete: bool) -> bool:
        raise NotImplementedError

    def fail(self, failure: Failure) -> None:
        raise NotImplementedError

    def late(self) -> None:
        raise NotImplementedError

    def expire(self) -> None:
        raise NotImplementedError

    def wake(self, now: float) -> None:
        raise NotImplementedError

    def too_slow(self, now: float, patience: float) -> bool:
        raise NotImplementedError

    def begin(self, body: bytes, complete: bool, now: float) -> None:
        """Start; afterwards state is DONE where it ended at once."""
        self.started = now
        self._request_complete = complete
        self._held = body
        operation = self.operation
        if self._attempts is None and (operation.retry is not None or operation.diverts):
            self._attempts = Attempts(self, operation.retry, self._service)
            self._replays = self.head.body != 0 and operation.retry is not None and self.idempotent
        if operation.writes:
            generations, path = self._service.cache.generations, self.head.line.path
            scopes = operation.invalidates
            if operation.fills:
                scopes += tuple([path_scope(fill.of(path)) for fill in operation.fills])
            self._write = generations.begin_write(scopes, path)
        self.dispatch(now)

    def goes_on(self, made: int) -> None:
        """Before `begin`: another upstream had `made` attempts. One more is made and no other: what retries there were to be, it had."""
        self._attempts = Attempts(self, None, self._service)
        self._attempts.number = made + 1

    def dispatch(self, now: float) -> None:
        """Ask the breaker, then the pool."""
        if self.head.until <= now:
            self.late()
        elif self.operation.circuit is None or self._admitted(now):
            service = self._service
            if self._request_complete:
                service.wait(self, self.started)
            else:
                service.flow(self)
            connection = service.pool.acquire(self, now, False)
            if connection is not None:
                self._send(connection, now)

    def again(self, now: float) -> None:
        """Another attempt. Never a probe: a circuit that isn't closed has had enough of this call."""
        circuit = self.operation.circuit
        breaker = None if circuit is None else self._service.circuits.get(circuit, now)
        self.state = QUEUED
        if breaker is not None and not breaker.lets_all(now):
            self.fail(failures.CIRCUIT_OPEN)
        elif self._admitted(now):
            if self.head.until < NEVER:
                self.wake_at(self.head.until)
            self._acquire(now, fresh=False)

    def _admitted(self, now: float) -> bool:
        """With a permit of the breaker and a place among its rule's calls, where there is one; otherwise it has failed."""
        circuit = self.operation.circuit
        breaker = None if circuit is None else self._service.circuits.get(circuit, now)
        if breaker is None:
            return True
        if self._place is None:
            if breaker.most and breaker.full:
                self.fail(failures.RULE_FULL)
                return False
            breaker.under_way += 1
            self._place = breaker
        number = breaker.acquire(now, False)
        if number == REFUSED:
            self.fail(failures.CIRCUIT_OPEN)
            return False
        self._permit = Permit(breaker, number)
        return True

    def _acquire(self, now: float, fresh: bool) -> None:
        connection = self._service.pool.acquire(self, now, fresh)
        if connection is not None:
            self._send(connection, now)

    def on_connection(self, connection: UpstreamConnection) -> None:
        """The pool: it's your turn."""
        self._send(connection, self._now())

    def _send(self, connection: UpstreamConnection, now: float) -> None:
        head, attempts = self.head, self._attempts
        self._connection = connection
        self._sent = True
        self.state = SENT
        data = self._forwarded()
        if head.until < NEVER and head.timeout_ms != NO_TIMEOUT:
            data = data[: -len(END)] + self._remaining() + END
        if head.body:
            data += framed(self._held, self._request_complete) if head.body == CHUNKED else self._held
            self._replays = self._replays and len(self._held) <= MAX_HELD
            if not self._replays:
                self._held = b""
            self.on_upstream_writable(True)
        complete = self._request_complete
        if complete and self._permit is not None:
            self._permit.sent(now)
        sink: Call = self
        if attempts is not None:
            sink = attempts
            if complete:
                attempts.clock_starts(now)
        connection.start(sink, head.method, data, complete, head.may_bind and head.binds())

    def _forwarded(self) -> bytes:
        """The request's head for the upstream."""
        return forwarded_request(self.head, self._service.host_for(self.head))

    def _remaining(self) -> bytes:
        """What is left of the caller's time, as Envoy tells an upstream."""
        return b"\r\nX-Envoy-Expected-Rq-Timeout-Ms: %d" % max(1, int((self.head.until - self._now()) * 1_000))

    def on_request_body(self, data: bytes, complete: bool) -> None:
        self.active_at = self._service.context.now
        self._request_complete = complete
        if self._connection is not None:
            if self._replays:
                self._replays = len(self._held) + len(data) <= MAX_HELD
                self._held = self._held + data if self._replays else b""
            self._connection.send(framed(data, complete) if self.head.body == CHUNKED else data, complete)
        else:
            self._held += data
            if len(self._held) > MAX_HELD and self.client is not None:
                self.client.hold_body()
        if complete and self.state in (QUEUED, SENT, RESTING):
            self._service.wait(self, self._service.context.now)
            if self.state == SENT:
                now = self._now()
                if self._permit is not None:
                    self._permit.sent(now)
                if self._attempts is not None:
                    self._attempts.clock_starts(now)

    def on_upstream_writable(self, writable: bool) -> None:
        if self.client is not None:
            (self.client.want_body if writable else self.client.hold_body)()

    def wake_at(self, at: float) -> None:
        """Call `wake` then, or when the caller's own time is over."""
        self._service.state.tracker.alarm(self, min(at, self.head.until))

    def rest(self, at: float) -> None:
        """This attempt is over; the next begins at `at`."""
        self._drop_connection()
        self.state = RESTING
        self.wake_at(at)

    @property
    def can_be_sent(self) -> bool:
        """(Again:) nothing of it was sent yet, or nothing is lost of what was, and doing it twice is as doing it once."""
        return not self._sent or (self.idempotent and (self._replays or not self.head.body))

    @property
    def idempotent(self) -> bool:
        return self.head.method in IDEMPOTENT

    def _let_go(self) -> None:
        """Lets go of its place in the queue, and of its connection."""
        if self.state == QUEUED:
            self._service.pool.cancel(self)
        self._drop_connection()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def _retries(self, failure: Failure) -> bool:
        """Whether there is another attempt after this failure of one."""
        attempts = self._attempts
        if attempts is None:
            return False
        self._record_failure(failure)
        self._doubtful = self._doubtful or self.state == SENT
        now = self._now()
        at = attempts.after_failure(failure, now)
        if at:
            self.rest(at)
        return at > 0

    def _record(self, status: int, now: float) -> None:
        """The upstream answered: what the breaker hears."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.answered(status, now)

    def _record_failure(self, failure: Failure) -> None:
        """It didn't."""
        permit, self._permit = self._permit, None
        if permit is not None:
            permit.failed(failure, self._now())
