"""An answer's first line: strictly checked, and as it is sent on. Pure; remembers nothing itself."""

from __future__ import annotations

from slipstream_runtime.http.errors import MalformedError
from slipstream_runtime.http.fields import VALUE


class StatusLine:
    """A checked status line; `raw` is what is sent on, always HTTP/1.1."""

    __slots__ = ("http11", "raw", "status")

    def __init__(self, raw: bytes, status: int, http11: bool) -> None:
        self.raw = raw
        self.status = status
        self.http11 = http11


def parse_status_line(raw: bytes) -> StatusLine:
    """The status line in `raw`; raises MalformedError."""
    version, _, rest = raw.partition(b" ")
    code, _, reason = rest.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise MalformedError(502, "the answer isn't HTTP/1.1 or HTTP/1.0")
    if len(code) != 3 or not code.isdigit() or code[0] not in b"12345" or reason.translate(None, VALUE):
        raise MalformedError(502, "the answer's status line isn't `version status reason`")
    return StatusLine(b"HTTP/1.1 " + code + b" " + reason, int(code), version == b"HTTP/1.1")
