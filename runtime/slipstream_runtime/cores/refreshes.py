"""Which keys are being refreshed in the background, and which failed lately: one refresh a key, with back-off. Pure; bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

FIRST_WAIT: Final = 1.0  # seconds after a failed refresh; doubles with each further one
LONGEST_WAIT: Final = 30.0
MAX_FAILED: Final = 4_096  # keys that are remembered as failed; the oldest is forgotten first, and may be tried at once
MAX_RUNNING: Final = 64  # refreshes at once in one pool: what is asked for now goes before what may be asked for later


class Refreshes:
    """Of one pool. Counters: `started`, `succeeded`, `failed`."""

    __slots__ = ("_failed", "_running", "failed", "started", "succeeded")

    def __init__(self) -> None:
        self._running: set[bytes] = set()
        self._failed: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # by key: not before, the wait that led there
        self.started: int = 0
        self.succeeded: int = 0
        self.failed: int = 0

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, key: bytes, now: float) -> bool:
        """Whether a refresh of `key` is to start; its end must be told."""
        if key in self._running or len(self._running) >= MAX_RUNNING:
            return False
        failed = self._failed.get(key)
        if failed is not None and now < failed[0]:
            return False
        self._running.add(key)
        self.started += 1
        return True

    def end(self, key: bytes, success: bool, now: float) -> None:
        """It ended, however."""
        self._running.discard(key)
        if success:
            self.succeeded += 1
            self._failed.pop(key, None)
            return
        self.failed += 1
        before = self._failed.pop(key, (0.0, 0.0))[1]
        wait = min(LONGEST_WAIT, before * 2 or FIRST_WAIT)
        self._failed[key] = (now + wait, wait)
        if len(self._failed) > MAX_FAILED:
            self._failed.popitem(last=False)
