"""How long one use of a connection lasts lately, and so how long a queue is. Pure; keeps no queue."""

from __future__ import annotations

from typing import Final

WEIGHT: Final = 1 / 16  # of the last use in the mean
KNOWN: Final = 16  # uses before the mean decides anything


class Pace:
    """Of one pool."""

    __slots__ = ("mean", "uses")

    def __init__(self) -> None:
        self.mean: float = 0.0  # seconds
        self.uses: int = 0

    def used(self, seconds: float) -> None:
        """One use has ended."""
        self.mean += (seconds - self.mean) * WEIGHT
        self.uses += 1

    def wait(self, waiting: int, connections: int) -> float:
        """Seconds until whoever comes after `waiting` others has a turn, as fast as connections came back lately; 0 while unknown."""
        return (waiting + 1) * self.mean / connections if self.uses >= KNOWN else 0.0
