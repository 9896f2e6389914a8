"""Where a head ends in what has arrived so far. Pure; looks at no line twice and never waits for what can't become a head."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.http.errors import MalformedError

END_OF_HEAD: Final = b"\r\n\r\n"


class Limits:
    """Bounds of one message: its head in bytes and lines, and its body in bytes (0: none)."""

    __slots__ = ("body", "fields", "head", "target")

    def __init__(self, head: int = 65_536, fields: int = 128, target: int = 16_384, body: int = 0) -> None:
        self.head = head
        self.fields = fields
        self.target = target
        self.body = body


def head_end(data: bytes, start: int, seen: int, limits: Limits) -> int:
    """The index of the empty line's CRLFs that end the head at `start`, -1 where it isn't complete; data[:seen] was searched before.

    Raises MalformedError at once for a bare LF and for a head that is too long already, so that no peer is waited for in vain."""
    end = data.find(END_OF_HEAD, max(start, seen - 3) if seen else start)
    if end >= 0:
        if end - start > limits.head:
            raise MalformedError(431, "the head is too long")
        return end
    if len(data) - start > limits.head:
        raise MalformedError(431, "the head is too long")
    if len(data) - start > limits.target + 64 and data.find(b"\r\n", start) < 0:
        raise MalformedError(414, "the request target is too long")
    fresh = max(start, seen - 1)
    if data.count(b"\n", fresh) != data.count(b"\r\n", fresh) + (data[fresh : fresh + 1] == b"\n" and fresh > start):
        raise MalformedError(400, "a line of the head doesn't end in CRLF")
    return -1
