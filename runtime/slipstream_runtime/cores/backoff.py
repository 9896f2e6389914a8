"""How long not to dial after a failed dial: doubled by each round of failures, capped, jittered. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST: Final = 0.05  # seconds
MOST: Final = 2.0  # short: while it lasts callers fail at once, and a breaker's probe mustn't
JITTER: Final = 0.5  # shorter only, so that pods that lost an upstream together don't come back together


class Backoff:
    """One upstream's. Dials that were under way together fail together, and count as one round."""

    __slots__ = ("_random", "rounds", "until")

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.rounds: int = 0  # of failures since the last success
        self.until: float = 0.0

    def holds(self, now: float) -> bool:
        return now < self.until

    def failed(self, now: float) -> None:
        if now >= self.until:
            self.until = now + min(FIRST * 2.0 ** min(self.rounds, 32), MOST) * (1.0 - JITTER * self._random())
            self.rounds += 1

    def succeeded(self) -> None:
        self.rounds = 0
        self.until = 0.0
