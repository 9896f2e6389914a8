"""How a stored entry is sent: its head with Age and Cache-Status. Pure rendering; what may be sent is decided by the cores."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores import cache_status
from slipstream_runtime.cores.store import Entry
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.http.forward import END

CACHE_STATUS: Final = b"\r\nCache-Status: "
AGE: Final = b"\r\nAge: "


def storable_head(head: AnswerHead) -> bytes:
    """What is stored of a head: Age is told anew each time, the length is that of the body as it was read."""
    return head.storable()


def with_length(head: bytes, length: int) -> bytes:
    return head + b"\r\nContent-Length: %d" % length


def rendered(entry: Entry, now: float) -> bytes:
    """Head and body of a fresh entry for a client whose connection stays; the head is kept for as long as its Age doesn't change."""
    age = int(entry.age_at(now))
    if entry.rendered_age != age:
        status = cache_status.hit(entry.expires - now)
        entry.rendered_head = b"".join((entry.head, AGE, cache_status.age(age), CACHE_STATUS, status, END))
        entry.rendered_age = age
    return entry.rendered_head + entry.body


def rendered_with(entry: Entry, now: float, detail: str, connection: bytes) -> bytes:
    """Head and body of an entry in every other case; `detail` says why a stale one is served."""
    age = cache_status.age(entry.age_at(now))
    return b"".join((entry.head, AGE, age, CACHE_STATUS, cache_status.hit(entry.expires - now, detail), connection, END, entry.body))
