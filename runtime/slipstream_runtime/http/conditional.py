"""The head of a request that asks whether a stored answer is still right: the caller's own conditions give way to the cache's. Pure."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.fields import CONDITION, OF_THE_HOP
from slipstream_runtime.http.forward import END, VIA
from slipstream_runtime.http.request import RequestHead

CONDITIONS: Final = frozenset((b"if-none-match", b"if-modified-since"))
_DROPPED: Final = OF_THE_HOP | 1 << CONDITION


def conditional_request(head: RequestHead, host: bytes, conditions: bytes) -> bytes:
    """The head for the upstream; `conditions` are lines with a leading CRLF, maybe none. `host` replaces the client's Host unless empty."""
    ordinary = head.lines
    if ordinary is not None:
        return ordinary.forwarded(_DROPPED, host, VIA + conditions + END)
    own = head.host_field
    lines = [b"%b %b HTTP/1.1" % (head.line.method, head.line.target)]
    if own is None:
        lines.append(b"Host: " + host)
    lines += [b"Host: " + host if host and field is own else field.raw for field in head.fields if field.name not in CONDITIONS]
    return b"\r\n".join(lines) + VIA + conditions + END
