"""SIEVE (Zhang et al., NSDI 2024): one bit an entry, one hand, no move on a use. Pure; the list is eviction.py's.

True to the paper but for one thing: the hand stops after STEPS used entries in a row and takes the next, so that the worst case of one
eviction is bounded as well, not only the average. Stores with fewer entries never see the difference."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.entry import Entry
from slipstream_runtime.cores.eviction import Eviction

STEPS: Final = 4_096  # of the hand for one eviction: a few hundred microseconds


class Sieve(Eviction):
    """A new entry goes to the newest end; the hand goes from the oldest to the newest, and round."""

    __slots__ = ("hand",)

    def __init__(self, previous: Eviction | None = None) -> None:
        super().__init__(previous)
        self.hand: Entry | None = None  # None: at the oldest

    def hit(self, entry: Entry) -> None:
        entry.visited = True

    def victim(self) -> Entry | None:
        at = self.oldest if self.hand is None else self.hand
        steps = STEPS
        while at is not None and at.visited and steps:
            at.visited = False
            steps -= 1
            at = self.oldest if at.newer is None else at.newer
        self.hand = at
        return at

    def remove(self, entry: Entry) -> None:
        if self.hand is entry:
            self.hand = entry.newer  # None, after the newest: round to the oldest
        super().remove(entry)
