"""What the data path knows of traces: whether there are any, and what a span is told. Knows no OpenTelemetry, which is an extra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from slipstream_runtime.observe.tracing import Tracing


class TracesError(Exception):
    """Traces are wanted and can't be had; says what to change."""


class Began(NamedTuple):
    """A span that has begun."""

    span: Any  # OpenTelemetry's
    traceparent: bytes  # for the upstream: the span is the parent there
    continued: bool  # the caller's trace goes on; otherwise it is a new one


class Answered(NamedTuple):
    """What became of its request."""

    operation: str
    http11: bool
    status: int
    end: str
    pool: str
    cache: str
    reason: str


class Attempted(NamedTuple):
    """What is known of an attempt at the upstream when it begins."""

    method: bytes
    route: str  # the path as its rule has it; "*" or empty: no rule has it
    tls: bool
    host: str
    port: int
    peer: str  # the address; empty: there is no connection
    resends: int  # attempts before this one


def endpoint_of(text: str) -> str:
    """The URL that traces are sent to; raises TracesError. Without a path it is a collector's own, as OTEL_EXPORTER_OTLP_ENDPOINT is."""
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise TracesError(f"{text}: the URL of a collector is due, like http://collector:4318")
    return text if parts.path.strip("/") else text.rstrip("/") + "/v1/traces"


def to_collector(endpoint: str, service: str) -> Tracing | None:
    """Spans of this process, exported from now on; None where there is no endpoint. Raises TracesError."""
    if not endpoint:
        return None
    try:
        from slipstream_runtime.observe.tracing import Tracing
    except ImportError as error:
        raise TracesError(f"traces need OpenTelemetry: pip install 'slipstream[otel]' ({error})") from None
    return Tracing.to(endpoint, service)
