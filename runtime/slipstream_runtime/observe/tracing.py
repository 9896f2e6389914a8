"""Spans by OpenTelemetry, one a request and one an attempt at its upstream, exported by a thread of its own. Imported only where traces are
on: it is an extra.

A span says what was asked by the name of the operation, as the access log does: no path, no query, no header, nothing of the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from slipstream_runtime.observe.traces import Answered, Attempted, Began

PROPAGATOR: Final = TraceContextTextMapPropagator()
METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"))
SERVER_ERROR: Final = 500
CLIENT_ERROR: Final = 400  # what is an error to who asked, by the conventions
SCRUBBED: Final = "/REDACTED"  # a path that no rule has, so that it may name whom the request is about


class Tracing:
    """`service`: service.name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say it. Sampling is as OTEL_TRACES_SAMPLER says."""

    def __init__(self, exporter: SpanExporter, service: str, wall: Callable[[], int] = time.time_ns) -> None:
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("slipstream", version("slipstream"))
        self._wall = wall

    @classmethod
    def to(cls, endpoint: str, service: str) -> Tracing:
        """To a collector's URL of traces, by OTLP over HTTP."""
        return cls(OTLPSpanExporter(endpoint=endpoint), service)

    def begin(self, method: bytes, traceparent: bytes | None, tracestate: bytes | None) -> Began:
        """A request's span, and what its upstream is to be told."""
        given = {"traceparent": (traceparent or b"").decode("latin-1"), "tracestate": (tracestate or b"").decode("latin-1")}
        parent = PROPAGATOR.extract(given, Context())
        continued = trace.get_current_span(parent).get_span_context().is_valid
        verb = _verb(method)
        span = self._tracer.start_span(_name(verb), parent, SpanKind.SERVER, {"http.request.method": verb}, start_time=self._wall())
        return Began(span, _traceparent(span), continued)

    def end(self, began: Began, answered: Answered) -> None:
        """It has its answer, or never will."""
        span = began.span
        if span.is_recording():
            verb, _, route = answered.operation.partition(" ")
            if route and route != "*":
                span.update_name(f"{'HTTP' if verb == 'OTHER' else verb} {route}")
                span.set_attribute("http.route", route)
            span.set_attributes(_attributes(answered))
            if answered.status >= SERVER_ERROR or answered.end == "cut":
                span.set_attribute("error.type", answered.reason or (answered.end if answered.end == "cut" else str(answered.status)))
                span.set_status(Status(StatusCode.ERROR))
        span.end(self._wall())

    def now(self) -> int:
        """What a span may begin at."""
        return self._wall()

    def attempt(self, traceparent: bytes, told: Attempted, since: int = 0) -> Began | None:
        """An attempt's span within the request's, from now or `since`, and what the upstream is to be told; None without a valid parent."""
        parent = PROPAGATOR.extract({"traceparent": traceparent.decode("latin-1")}, Context())
        if not trace.get_current_span(parent).get_span_context().is_valid:
            return None
        verb = _verb(told.method)
        name = f"{_name(verb)} {told.route}" if told.route not in ("", "*") else _name(verb)
        span = self._tracer.start_span(name, parent, SpanKind.CLIENT, _asked(verb, told), start_time=since or self._wall())
        return Began(span, _traceparent(span), True)

    def attempted(self, began: Began, status: int, error: str) -> None:
        """It has its answer, or never will: `error` says why."""
        span = began.span
        if span.is_recording():
            if status:
                span.set_attribute("http.response.status_code", status)
            kind = error or (str(status) if status >= CLIENT_ERROR else "")
            if kind:
                span.set_attribute("error.type", kind)
                span.set_status(Status(StatusCode.ERROR))
        span.end(self._wall())

    def close(self, timeout: float = 2.0) -> None:
        """Exports what waits, for at most `timeout` seconds: a collector that is gone holds up no shutdown."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(timeout)


def _verb(method: bytes) -> str:
    verb = method.decode("ascii")
    return verb if verb in METHODS else "_OTHER"


def _name(verb: str) -> str:
    return "HTTP" if verb == "_OTHER" else verb


def _traceparent(span: trace.Span) -> bytes:
    own = span.get_span_context()
    return b"00-%032x-%016x-%02x" % (own.trace_id, own.span_id, own.trace_flags)


def _asked(verb: str, told: Attempted) -> dict[str, str | int]:
    """By the semantic conventions of HTTP clients; the path in url.full is the rule's, or none."""
    ruled = told.route not in ("", "*")
    host = f"[{told.host}]" if ":" in told.host else told.host
    found: dict[str, str | int] = {
        "http.request.method": verb,
        "server.address": told.host,
        "server.port": told.port,
        "url.full": f"{'https' if told.tls else 'http'}://{host}:{told.port}{told.route if ruled else SCRUBBED}",
    }
    if ruled:
        found["url.template"] = told.route
    if told.peer:
        found |= {"network.peer.address": told.peer, "network.peer.port": told.port, "network.protocol.version": "1.1"}
    if told.resends:
        found["http.request.resend_count"] = told.resends
    return found


def _attributes(answered: Answered) -> dict[str, str | int]:
    """By the semantic conventions of HTTP servers, and our own. url.path isn't among them: it may name whom the request is about."""
    found: dict[str, str | int] = {
        "url.scheme": "http",
        "network.protocol.version": "1.1" if answered.http11 else "1.0",
        "slipstream.end": answered.end,
    }
    if answered.status:
        found["http.response.status_code"] = answered.status
    if answered.pool:
        found["slipstream.pool"] = answered.pool
    if answered.cache:
        found["slipstream.cache"] = answered.cache
    if answered.reason:
        found["slipstream.reason"] = answered.reason
    return found
