"""Durations between two looks, from the histograms that /metrics shows. Pure; knows no pool and prints nothing."""

from __future__ import annotations

from itertools import pairwise

import msgspec

Buckets = tuple[tuple[float, float], ...]  # (upper bound in seconds, requests up to it), the last bound is infinite


class Figures(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of what `-o json` shows."""


class Quantile(Figures, frozen=True, kw_only=True):
    """A duration in milliseconds, known to be within its bucket; `estimate` is on the line between the bounds."""

    estimate: float
    above: float
    to: float | None  # None: longer than the last bound


def since(before: Buckets, after: Buckets) -> Buckets:
    """Requests of each bucket, no longer cumulative, that came in between; all of `after` where the bounds are others."""
    earlier = dict(before) if [bound for bound, _ in before] == [bound for bound, _ in after] else {}
    grown = [(bound, max(0.0, count - earlier.get(bound, 0.0))) for bound, count in after]
    return tuple((bound, max(0.0, count - less)) for (_, less), (bound, count) in pairwise([(0.0, 0.0), *grown]))


def quantile(buckets: Buckets, share: float) -> Quantile | None:
    """Where `share` of the requests were done, as Prometheus' histogram_quantile; None without requests."""
    total = sum(count for _, count in buckets)
    if not total:
        return None
    wanted, passed, above = share * total, 0.0, 0.0
    for bound, count in buckets:
        if count and passed + count >= wanted:
            if bound == float("inf"):
                return Quantile(estimate=above * 1_000, above=above * 1_000, to=None)
            return Quantile(estimate=(above + (bound - above) * (wanted - passed) / count) * 1_000, above=above * 1_000, to=bound * 1_000)
        passed, above = passed + count, bound
    raise AssertionError("the last bucket holds what the others don't")


def fell(before: Buckets, after: Buckets) -> bool:
    """A count went back: the histogram began anew in between."""
    return any(b > a for (_, b), (_, a) in zip(before, after, strict=False))
