"""The attempts of traced requests at their upstream: a span each, parent of what the upstream does. Changes nothing but traceparent, and
decides nothing. Used only where traces are on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from slipstream_api.config import Limits, Upstream
from slipstream_runtime.cores.pool import Work
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.answer_scanner import AnswerScanner
from slipstream_runtime.http.forward import END
from slipstream_runtime.http.traced import TRACEPARENT
from slipstream_runtime.observe.traces import Attempted, Began
from slipstream_runtime.proxy.attempts import Attempts
from slipstream_runtime.proxy.batch_call import BatchCall
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer
from slipstream_runtime.proxy.driver import PoolDriver
from slipstream_runtime.proxy.failures import MALFORMED, Failure
from slipstream_runtime.proxy.parties import Call, Owner
from slipstream_runtime.proxy.sending import Sending
from slipstream_runtime.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from slipstream_runtime.observe.tracing import Tracing

LINE: Final = b"\r\n" + TRACEPARENT + b": "  # as `with_traceparent` writes it
SWITCHED: Final = 101
FAILED: Final = 400  # from here on a status is an error to who asked (semantic conventions of HTTP clients)
TIMEOUT: Final = "timeout"
ABANDONED: Final = "abandoned"


def sending_of(call: Call) -> Sending | None:
    """The request behind what a connection tells of its answer."""
    if isinstance(call, Attempts):
        return call._exchange
    return call if isinstance(call, Sending) else None


def told_of(sending: Sending, method: bytes, upstream: Upstream, peer: str) -> Attempted:
    """What a span says of an attempt from its beginning."""
    attempts = sending._attempts
    return Attempted(
        method=method,
        route="" if isinstance(sending, BatchCall) else str(sending.operation.name).partition(" ")[2],
        tls=upstream.tls.mode != "Disabled",
        host=upstream.host,
        port=upstream.port,
        peer=peer,
        resends=(0 if attempts is None else attempts.number - 1) + (1 if sending._retried else 0),
    )


class AttemptSpan(Call):
    """Stands between a connection and who waits for its answer; ends with the first of answer, failure and abandonment."""

    __slots__ = ("_began", "_sending", "_sink", "_status", "_tracing", "_waited")

    def __init__(self, sink: Call, sending: Sending, tracing: Tracing, began: Began) -> None:
        self._sink = sink
        self._sending = sending
        self._tracing = tracing
        self._began: Began | None = began
        self._status = 0
        self._waited = sending.client is not None  # somebody did when it was sent

    def end(self, error: str) -> None:
        began, self._began = self._began, None
        if began is not None:
            self._tracing.attempted(began, self._status, error)

    def given_up(self, request_sent: bool) -> None:
        """Nobody wants the rest. Of a request that is out, and whose caller is still there, it is because of the time that it took."""
        if self._status == SWITCHED:
            self.end(MALFORMED.reason)
        elif self._status >= FAILED:
            self.end("")
        else:
            self.end(TIMEOUT if self._waited and self._sending.client is not None and request_sent else ABANDONED)

    # -- from the connection ----------------------------------------------------------------------------------------------

    def on_answer(self, head: AnswerHead, body: bytes, complete: bool) -> None:
        self._status = head.status
        if complete:
            self.end("")
        self._sink.on_answer(head, body, complete)

    def on_body(self, data: bytes, complete: bool) -> None:
        if complete:
            self.end("")
        self._sink.on_body(data, complete)

    def on_switch(self, head: AnswerHead, rest: bytes) -> None:
        self._status = head.status
        self._sink.on_switch(head, rest)  # which gives it up if nobody asked for it
        self.end("")

    def on_failure(self, failure: Failure, untouched: bool) -> None:
        self.end(failure.reason)
        self._sink.on_failure(failure, untouched)

    def on_interim(self, head: AnswerHead) -> None:
        self._sink.on_interim(head)

    def on_upstream_writable(self, writable: bool) -> None:
        self._sink.on_upstream_writable(writable)


class TracedConnection(UpstreamConnection):
    """Each request that has a traceparent is a span while its answer is awaited."""

    __slots__ = ("_attempt", "_tracing", "_upstream")

    def __init__(self, owner: Owner, scanner: AnswerScanner, tracing: Tracing, upstream: Upstream) -> None:
        super().__init__(owner, scanner)
        self._tracing = tracing
        self._upstream = upstream
        self._attempt: AttemptSpan | None = None

    def start(self, sink: Call, method: bytes, data: bytes, request_complete: bool, binds: bool = False) -> None:
        self._attempt = None
        sending = sending_of(sink)
        at = data.find(LINE, 0, data.find(END) + 2)
        if sending is not None and at >= 0:
            at += len(LINE)
            after = data.find(b"\r\n", at)
            began = self._tracing.attempt(data[at:after], told_of(sending, method, self._upstream, self.address))
            if began is not None:
                data = data[:at] + began.traceparent + data[after:]
                sink = self._attempt = AttemptSpan(sink, sending, self._tracing, began)
        super().start(sink, method, data, request_complete, binds)

    def abandon(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.given_up(self._request_sent)
        super().abandon()


class TracedDriver(PoolDriver):
    """A pool of such connections. An attempt that had none, since the upstream can't be reached, is a span from when it asked for one."""

    def __init__(
        self, name: str, upstream: Upstream, limits: Limits, context: Context, dialer: Dialer, random: Callable[[], float]
    ) -> None:
        super().__init__(name, upstream, limits, context, dialer, random)
        assert context.tracing is not None
        self._tracing = context.tracing
        self._since: dict[Sending, int] = {}  # of those that wait for a connection

    def acquire(self, waiter: Sending, now: float, fresh: bool) -> UpstreamConnection | None:
        self._since[waiter] = self._tracing.now()
        connection = super().acquire(waiter, now, fresh)
        if connection is not None:
            self._since.pop(waiter, None)
        return connection

    def cancel(self, waiter: Sending) -> Failure:
        self._since.pop(waiter, None)
        return super().cancel(waiter)

    def carry_out(self, work: Work[UpstreamConnection, Sending]) -> None:
        for waiter, _ in work.grant:
            self._since.pop(waiter, None)
        for waiter, reason in work.fail:
            self._without(waiter, self._failure(reason), self._since.pop(waiter, 0))
        super().carry_out(work)

    def _without(self, waiter: Sending, failure: Failure, since: int) -> None:
        """It gets no connection; where that is our own doing, no attempt was made."""
        traceparent = waiter.head.value(TRACEPARENT)
        if failure.error_class and traceparent is not None:
            began = self._tracing.attempt(traceparent, told_of(waiter, waiter.head.method, self.upstream, ""), since)
            if began is not None:
                self._tracing.attempted(began, 0, failure.reason)

    def _new_connection(self) -> UpstreamConnection:
        return TracedConnection(self, self._context.answers, self._tracing, self.upstream)
