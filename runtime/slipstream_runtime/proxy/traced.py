"""A client connection whose requests are spans: begins and ends them, changes nothing but traceparent. Used only where traces are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.traced import TRACEPARENT, TRACESTATE, with_traceparent
from slipstream_runtime.observe.access import AccessLog, cache_outcome
from slipstream_runtime.observe.traces import Answered, Began
from slipstream_runtime.proxy.client import Client
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.logged import LoggedClient, LoggedDoor, operation_of
from slipstream_runtime.proxy.parties import Door

if TYPE_CHECKING:
    from slipstream_runtime.observe.tracing import Tracing


def observed(context: Context, door: Door) -> Client:
    """A connection of the class that tells whoever wants to hear."""
    if context.tracing is not None:
        return TracedClient(context, LoggedDoor(door), context.access, context.tracing)
    return LoggedClient(context, LoggedDoor(door), context.access)


class TracedClient(LoggedClient):
    """One span a request, under way as long as the request is."""

    __slots__ = ("_span", "_tracing")

    def __init__(self, context: Context, door: Door, access: AccessLog | None, tracing: Tracing) -> None:
        super().__init__(context, door, access)
        self._tracing = tracing
        self._span: Began | None = None

    def asked(self, head: RequestHead, pool: str) -> RequestHead:
        span = self._span = self._tracing.begin(head.method, head.value(TRACEPARENT), head.value(TRACESTATE))
        return super().asked(with_traceparent(self.context.requests, head, span.traceparent, span.continued), pool)

    def _tell(self, end: str) -> None:
        span, self._span = self._span, None
        head = self._head
        if span is not None and head is not None:
            answered = Answered(
                operation=self._operation or operation_of(head),
                http11=head.line.http11,
                status=self._status,
                end=end,
                pool=self._pool,
                cache=cache_outcome(self._cache) if self._cache else "",
                reason=self._reason.decode("latin-1"),
            )
            self._tracing.end(span, answered)
        super()._tell(end)
