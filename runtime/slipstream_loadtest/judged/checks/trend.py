"""The Theil–Sen slope of one or several series with its confidence interval. Pure; knows nothing of memory.

References: Theil 1950; Sen 1968 (interval by Kendall's variance, ties counted); Hirsch, Slack & Smith 1982 for several series with one
slope: pairs are made within a series only, and the variances add up. Up to 29 % of outliers don't move it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from typing import Final, NamedTuple

from slipstream_loadtest.judged.stats import median

MOST: Final = 300  # points of a series: pairs grow with their square
Z_95: Final = 1.959964

Point = tuple[float, float]


class Trend(NamedTuple):
    """A slope and its 95 % interval, of `points` points in all."""

    slope: float
    low: float
    high: float
    points: int


def theil_sen(series: Sequence[Sequence[Point]], z: float = Z_95) -> Trend | None:
    """The common slope of all series; None where no series has two points at different x."""
    thinned = [one[:: max(1, -(-len(one) // MOST))] for one in series]
    slopes = sorted(slope for one in thinned for slope in _slopes(one))
    if not slopes:
        return None
    width = z * sqrt(sum(_variance([y for _, y in one]) for one in thinned))
    low, high = round((len(slopes) - width) / 2) - 1, round((len(slopes) + width) / 2)
    return Trend(median(slopes), slopes[max(0, low)], slopes[min(len(slopes) - 1, high)], sum(len(one) for one in thinned))


def _slopes(points: Sequence[Point]) -> list[float]:
    return [(y2 - y1) / (x2 - x1) for at, (x1, y1) in enumerate(points) for x2, y2 in points[at + 1 :] if x2 != x1]


def _variance(values: Sequence[float]) -> float:
    """Of Kendall's S without a trend."""
    n = len(values)
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(values).values())
    return (n * (n - 1) * (2 * n + 5) - ties) / 18
