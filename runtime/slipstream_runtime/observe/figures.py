"""Counters of the data path as plain numbers: adding to one costs less than looking up a metric. Read by metrics and status. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

# Upper bounds in seconds: a hit or a call on loopback is below a millisecond, a default requestTimeout is 30 s.
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class PoolFigures:
    """Of one pool; live as long as the pool."""

    __slots__ = ("buckets", "by_class", "cancelled", "errors", "hits", "requests", "retries",
                 "retries_answered", "retries_made", "retries_refused", "seconds", "transitions")  # fmt: skip

    def __init__(self) -> None:
        self.requests = 0
        self.hits = 0  # answered from a store: no duration is measured, all are in the first bucket
        self.errors = 0  # answered by ourselves because the upstream didn't, or cut short
        self.retries = 0  # sent again after an idle connection proved closed
        self.retries_made = 0  # further attempts that a rule allowed
        self.retries_answered = 0  # requests that one of them brought an answer
        self.retries_refused = {"budget": 0, "circuit": 0, "deadline": 0}  # attempts that the rule would have allowed
        self.cancelled = 0  # the client left first
        self.transitions = 0  # of circuits
        self.by_class = [0] * 6  # the upstream's answers by status / 100
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """One request that went to the upstream has ended."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
