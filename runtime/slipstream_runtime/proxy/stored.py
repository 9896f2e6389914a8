"""How a stored answer is sent: its head with Age and Cache-Status. Pure rendering; what may be sent is decided by the cores."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores import cache_status
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.store import Entry
from slipstream_runtime.cores.validators import not_modified, not_modified_head
from slipstream_runtime.http.forward import END
from slipstream_runtime.http.request import RequestHead

CACHE_STATUS: Final = b"\r\nCache-Status: "
AGE: Final = b"\r\nAge: "
_lines: Final[dict[str, dict[str, bytes]]] = {}  # Cache-Status by reason, then by detail: tokens of our own, so few

# What of an answer a request wants to have.
WHOLE: Final = 0
HEAD_ONLY: Final = 1
NOT_MODIFIED: Final = 2  # it has the rest already


def forwarded_line(reason: str, detail: str) -> bytes:
    """Cache-Status of an answer to a call of its own that isn't stored, as a line."""
    known = _lines.get(reason)
    if known is None:
        known = _lines[reason] = {}
    line = known.get(detail)
    if line is None:
        line = known[detail] = CACHE_STATUS + cache_status.forwarded(reason, detail=detail)
    return line


def form_for(head: RequestHead, request: CacheRequest, stored: bytes) -> int:
    """Of a stored answer with the head `stored`."""
    if request.conditional and not_modified(stored, head.fields):
        return NOT_MODIFIED
    return HEAD_ONLY if head.method == b"HEAD" else WHOLE


def assembled(form: int, stored: bytes, lines: bytes, body: bytes) -> bytes:
    """An answer of that form with further `lines`, each with a leading CRLF."""
    if form == WHOLE:
        return b"".join((stored, lines, END, body))
    return (not_modified_head(stored) if form == NOT_MODIFIED else stored) + lines + END


def with_length(head: bytes, length: int) -> bytes:
    return head + b"\r\nContent-Length: %d" % length


def rendered(entry: Entry, now: float) -> bytes:
    """The whole of a fresh entry for a client whose connection stays; the head is kept for as long as its Age doesn't change."""
    age = int(entry.age + now - entry.received)  # as `age_at`: a hit has no time for calls into what isn't compiled
    if entry.rendered_age != age:
        status = cache_status.hit(entry.expires - now)
        entry.rendered_head = b"".join((entry.head, AGE, cache_status.age(age), CACHE_STATUS, status, END))
        entry.rendered_age = age
    return entry.rendered_head + (entry.data if entry.codec is None else entry.body)


def rendered_with(entry: Entry, now: float, detail: str, connection: bytes, form: int = WHOLE) -> bytes:
    """An entry in every other case; `detail` says why a stale one is served."""
    age = cache_status.age(entry.age_at(now))
    lines = b"".join((AGE, age, CACHE_STATUS, cache_status.hit(entry.expires - now, detail), connection))
    return assembled(form, entry.head, lines, entry.body)
