"""The threshold state machine of a background health check. Pure; checks nothing itself, and routes nothing: a pool has one upstream."""

from __future__ import annotations

from slipstream_api.config import HealthCheck


class Health:
    """Healthy until `unhealthy_threshold` checks in a row fail; healthy again after `healthy_threshold` in a row succeed."""

    __slots__ = ("_streak", "check", "healthy", "next_at", "since")

    def __init__(self, check: HealthCheck, now: float, random: float = 0.0) -> None:
        self.check = check
        self.healthy: bool = True
        self.since: float = now  # when it became what it is
        self._streak: int = 0  # checks in a row that say otherwise
        self.next_at: float = now + check.interval_ms / 1_000 * random  # pods that start together don't check together

    def due(self, now: float) -> bool:
        return now >= self.next_at

    def started(self, now: float) -> None:
        """A check is under way; the next is due an interval later, however long this one takes."""
        self.next_at = now + self.check.interval_ms / 1_000

    def record(self, succeeded: bool, now: float) -> bool:
        """A check's result; True where it changed `healthy`."""
        if succeeded == self.healthy:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < (self.check.healthy_threshold if succeeded else self.check.unhealthy_threshold):
            return False
        self.healthy = succeeded
        self.since = now
        self._streak = 0
        return True

    def reconfigure(self, check: HealthCheck, now: float) -> None:
        """New thresholds and interval; what is known stays."""
        self.check = check
        self.next_at = min(self.next_at, now + check.interval_ms / 1_000)
