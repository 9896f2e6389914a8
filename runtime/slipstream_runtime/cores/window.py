"""Sliding windows of calls: how many of the last ones failed or were slow, O(1) a call. Pure; draws no conclusion (breaker)."""

from __future__ import annotations

from typing import Final

from slipstream_api import config

BUCKETS: Final = 30  # of a time window: rolling over costs at most this, and a call counts at most 1/30 of the window too long
FAILED: Final = 1
SLOW: Final = 2


class Window:
    """`calls`, `failures`, `slow`: totals as of the last `record` or `roll`. A class and not a protocol, as proxy/parties.py says why."""

    __slots__ = ("calls", "failures", "slow")

    def __init__(self) -> None:
        self.calls: int = 0
        self.failures: int = 0
        self.slow: int = 0

    def record(self, outcome: int, now: float) -> None:
        """Adds a call: FAILED | SLOW."""
        raise NotImplementedError

    def good(self, now: float) -> None:
        """Adds a call that was neither, as most are."""
        raise NotImplementedError

    def roll(self, now: float) -> None:
        """Forgets what is too old."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forgets everything."""
        raise NotImplementedError


class CountWindow(Window):
    """The last `size` calls."""

    __slots__ = ("_at", "_ring", "size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size: int = size
        self._ring = bytearray(size)
        self._at: int = 0

    def record(self, outcome: int, now: float) -> None:
        at = self._at
        if self.calls == self.size:
            oldest = self._ring[at]
            self.failures -= oldest & FAILED
            self.slow -= oldest >> 1
        else:
            self.calls += 1
        self._ring[at] = outcome
        self.failures += outcome & FAILED
        self.slow += outcome >> 1
        at += 1
        self._at = 0 if at == self.size else at

    def good(self, now: float) -> None:
        self.record(0, now)

    def roll(self, now: float) -> None:
        """Nothing here depends on time."""

    def clear(self) -> None:
        self._at = 0
        self.calls = self.failures = self.slow = 0


class TimeWindow(Window):
    """The calls of the last `duration` seconds, in BUCKETS buckets: the oldest leaves whole."""

    __slots__ = ("_at", "_calls", "_failures", "_slow", "_turn", "_width", "duration")

    def __init__(self, duration: float, now: float) -> None:
        super().__init__()
        self.duration: float = duration
        self._width: float = duration / BUCKETS
        self._calls: list[int] = [0] * BUCKETS
        self._failures: list[int] = [0] * BUCKETS
        self._slow: list[int] = [0] * BUCKETS
        self._at: int = 0
        self._turn: float = now + self._width  # when the present bucket ends

    def record(self, outcome: int, now: float) -> None:
        self.good(now)
        at = self._at
        if outcome & FAILED:
            self._failures[at] += 1
            self.failures += 1
        if outcome & SLOW:
            self._slow[at] += 1
            self.slow += 1

    def good(self, now: float) -> None:
        if now >= self._turn:
            self.roll(now)
        self._calls[self._at] += 1
        self.calls += 1

    def roll(self, now: float) -> None:
        if now < self._turn:
            return
        turns = int((now - self._turn) / self._width) + 1
        if turns >= BUCKETS:
            self.clear()
            self._turn = now + self._width
            return
        for _ in range(turns):
            at = self._at = (self._at + 1) % BUCKETS
            self.calls -= self._calls[at]
            self.failures -= self._failures[at]
            self.slow -= self._slow[at]
            self._calls[at] = self._failures[at] = self._slow[at] = 0
        self._turn += turns * self._width

    def clear(self) -> None:
        for counts in (self._calls, self._failures, self._slow):
            counts[:] = [0] * BUCKETS
        self.calls = self.failures = self.slow = 0


def window(settings: config.Window, now: float) -> Window:
    """The window that a rule asks for."""
    if settings.type == "Count":
        return CountWindow(max(1, settings.calls))
    return TimeWindow(max(1, settings.duration_ms) / 1_000, now)
