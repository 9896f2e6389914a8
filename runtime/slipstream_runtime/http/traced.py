"""A request's head with another traceparent than it came with. Pure; only for connections whose requests are traced."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.fields import parse_field
from slipstream_runtime.http.heads import Limits
from slipstream_runtime.http.request import RequestHead
from slipstream_runtime.http.request_scanner import RequestScanner

TRACEPARENT: Final = b"traceparent"
TRACESTATE: Final = b"tracestate"
WIDE: Final = Limits(fields=65_536)  # it was within its bounds when it came, and has one line more now at most


def with_traceparent(scanner: RequestScanner, head: RequestHead, traceparent: bytes, continued: bool) -> RequestHead:
    """`continued`: as what the caller sent says; otherwise its tracestate goes too, since it belongs to another trace (W3C, §3.3.1)."""
    dropped = (TRACEPARENT,) if continued else (TRACEPARENT, TRACESTATE)
    line = TRACEPARENT + b": " + traceparent
    if head.block:
        kept = [raw for raw in head.block.split(b"\r\n") if raw.partition(b":")[0].lower() not in dropped]
        return scanner.scan(b"\r\n".join([*kept, line]), WIDE)
    head.replace([*[field for field in head.fields if field.name not in dropped], parse_field(line)])
    return head
