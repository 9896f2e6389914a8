"""Which answers are to be fetched ahead, and when: a list in order, a budget a second. Pure; fetches nothing."""

from __future__ import annotations

from typing import Final

AHEAD: Final = 0.1  # of an answer's life: so long before its end it is fetched again
LOOK_AGAIN: Final = 1.0  # seconds after which one is looked at that isn't there yet
LOOK_AT_LIFELESS: Final = 30.0  # the same, of an answer that the upstream is to confirm before each use
BURST: Final = 1.0  # seconds whose budget may be spent at once


class Warmth:
    """Of one policy on one pool; targets are numbered in the order of the policy."""

    __slots__ = ("_due", "_per_second", "_saved", "_since")

    def __init__(self, targets: int, per_second: int, now: float) -> None:
        self._due: list[float] = [now] * targets
        self._per_second = per_second
        self._saved: float = float(per_second)
        self._since: float = now

    def due(self, now: float) -> list[int]:
        """The targets to look at now, none longer than needed."""
        return [number for number, at in enumerate(self._due) if at <= now]

    def affords(self, now: float) -> bool:
        """Whether one more call may be made."""
        self._saved = min(self._saved + (now - self._since) * self._per_second, self._per_second * BURST)
        self._since = now
        return self._saved >= 1.0

    def spend(self) -> None:
        """One is made."""
        self._saved -= 1.0

    def there(self, target: int, received: float, expires: float, now: float) -> bool:
        """It is stored and fresh: look again shortly before its end. False: that is now."""
        self._due[target] = expires - (expires - received) * AHEAD
        return self._due[target] > now

    def missing(self, target: int, now: float, lifeless: bool = False) -> None:
        """It isn't, or soon won't be: look again in a moment, whether it was asked for or not. `lifeless`: it has no life of its own, so
        that it would be missing for ever."""
        self._due[target] = now + (LOOK_AT_LIFELESS if lifeless else LOOK_AGAIN)

    def never(self, target: int) -> None:
        """No rule takes it."""
        self._due[target] = float("inf")
