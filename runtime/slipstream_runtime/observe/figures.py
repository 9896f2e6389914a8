"""Counters of the data path as plain numbers: adding to one costs less than looking up a metric. Read by metrics and status. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from slipstream_runtime.cores.buckets import BOUNDS, empty

MAX_OPERATIONS: Final = 64  # of a pool that are told apart: about 20 series each; those beyond are one, called OTHER
OTHER: Final = "other"


class OperationFigures:
    """Of one operation in one pool."""

    __slots__ = ("buckets", "hits", "seconds")

    def __init__(self) -> None:
        self.hits = 0  # answered from a store: no duration is measured, all are in the first bucket
        self.buckets = empty()
        self.seconds = 0.0


class PoolFigures:
    """Of one pool; live as long as the pool."""

    __slots__ = ("by_class", "cancelled", "errors", "failures", "hits", "operations", "requests", "retries", "retries_answered",
                 "retries_made", "retries_refused", "transitions")  # fmt: skip

    def __init__(self) -> None:
        self.requests = 0
        self.hits = 0  # answered from a store
        self.errors = 0  # answered by ourselves because the upstream didn't, or cut short
        self.failures: dict[str, int] = {}  # those of `errors` by reason; reasons are ours, so there are few
        self.retries = 0  # sent again after an idle connection proved closed
        self.retries_made = 0  # further attempts that a rule allowed
        self.retries_answered = 0  # requests that one of them brought an answer
        self.retries_refused = {"budget": 0, "circuit": 0, "deadline": 0}  # attempts that the rule would have allowed
        self.cancelled = 0  # the client left first
        self.transitions = 0  # of circuits
        self.by_class = [0] * 6  # the upstream's answers by status / 100
        self.operations: dict[str, OperationFigures] = {}

    def of(self, operation: str) -> OperationFigures:
        """An operation's own figures; as many as MAX_OPERATIONS and one, whatever configurations come and go."""
        found = self.operations.get(operation)
        if found is None:
            if len(self.operations) >= MAX_OPERATIONS and operation != OTHER:
                return self.of(OTHER)
            found = self.operations[operation] = OperationFigures()
        return found

    def failed(self, reason: str) -> None:
        """One request has no answer of the upstream, or a part of one; why, in the word of X-Slipstream-Reason."""
        self.errors += 1
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def hit(self, operation: str) -> None:
        """One request was answered from a store."""
        self.hits += 1
        self.of(operation).hits += 1

    def observe(self, operation: str, seconds: float) -> None:
        """One request that no store answered at once has its answer, whoever gave it."""
        figures = self.operations.get(operation) or self.of(operation)
        figures.buckets[bisect_left(BOUNDS, seconds)] += 1  # as `bucket`; a call costs more
        figures.seconds += seconds
