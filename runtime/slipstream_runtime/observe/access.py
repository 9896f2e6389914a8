"""Access log: which answers get a line, and the lines that wait to be written. Bounded, never blocks; writes nothing itself.

A line says what was asked by the name of the operation, so by names that an operator chose: no path, no query, no header value but the
trace's id, and nothing of the caller."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

MAX_WAITING: Final = 4_096  # lines, about 1 MiB: a reader that is slower than that loses some, and the metrics say how many
ERRORS_PER_SECOND: Final = 20  # lines about failures beyond the sampled share, so that an outage doesn't drown its own beginning
TRACE_ID: Final = frozenset(b"0123456789abcdef")


class Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One answer. What isn't known, or doesn't apply, is left out; durations are seconds since the request's head was read."""

    time: str  # RFC 3339, of the end
    pool: str  # "" where no pool is concerned
    operation: str
    status: int  # 0: none was sent
    end: str  # complete, cut, or client-gone
    total_seconds: float
    bytes: int  # sent to the client, heads included
    cache: str | None = None  # hit, stale, coalesced, or why it was forwarded
    reason: str | None = None  # X-Slipstream-Reason, of an answer of our own
    queue_seconds: float | None = None  # for a connection, where it waited: dialling included
    connect_seconds: float | None = None  # of queue_seconds, to open the connection, where it is a new one
    first_byte_seconds: float | None = None  # of the answer to the client
    trace_id: str | None = None


class AccessLog:
    """Counters: lines `kept`, `dropped` because too many waited, failures `suppressed` beyond their rate."""

    def __init__(self, share: float, uniform: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        if not 0.0 < share <= 1.0:
            raise ValueError(f"share={share!r}: more than 0, at most 1 is due")
        self._share = share
        self._uniform = uniform
        self._wall = wall
        self._waiting: deque[Line] = deque()
        self._allowed = float(ERRORS_PER_SECOND)
        self._at = float("-inf")
        self.kept = 0
        self.dropped = 0
        self.suppressed = 0

    def wanted(self, failed: bool, now: float) -> bool:
        """Whether an answer gets a line: the sampled share, and each failure as long as there aren't too many."""
        if self._share >= 1.0 or self._uniform() < self._share:
            return True
        return failed and self._failure(now)

    def _failure(self, now: float) -> bool:
        self._allowed = min(float(ERRORS_PER_SECOND), self._allowed + max(0.0, now - self._at) * ERRORS_PER_SECOND)
        self._at = now
        if self._allowed < 1.0:
            self.suppressed += 1
            return False
        self._allowed -= 1.0
        return True

    def stamp(self) -> str:
        """The time of now, as a line tells it."""
        at = self._wall()
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03d}Z"

    def add(self, line: Line) -> None:
        """Kept for the writer, or counted as dropped."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self.kept += 1
        self._waiting.append(line)

    def take(self) -> bytes:
        """The lines that wait, encoded; from any thread. At most MAX_WAITING of them, so that it ends."""
        encode, lines = msgspec.json.encode, []
        for _ in range(MAX_WAITING):
            try:
                line = self._waiting.popleft()
            except IndexError:
                break
            lines.append(encode(line))
        return b"\n".join([*lines, b""]) if lines else b""


def trace_id(traceparent: bytes | None) -> str | None:
    """The trace-id of a W3C traceparent; None where it isn't one. A later version may have more after the flags."""
    if traceparent is None or len(traceparent) < 55 or traceparent[2:3] != b"-" or traceparent[35:36] != b"-":
        return None
    found = traceparent[3:35]
    if traceparent[:2] == b"ff" or not TRACE_ID.issuperset(found) or found == b"0" * 32:
        return None
    return found.decode("ascii")


def cache_outcome(status: bytes) -> str:
    """From our member of Cache-Status (RFC 9211): hit, stale (a hit that stands in for an answer), coalesced, or why it was forwarded."""
    parameters = [part.strip() for part in status.decode("latin-1").split(";")[1:]]
    if "hit" in parameters:
        return "stale" if any(part.startswith("detail=") for part in parameters) else "hit"
    if "collapsed" in parameters:
        return "coalesced"
    return next((part[4:] for part in parameters if part.startswith("fwd=")), "unknown")
