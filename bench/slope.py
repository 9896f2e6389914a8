"""Whether a series of samples stays flat: the Theil-Sen slope, which a few outliers don't move. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations

MOST = 300  # points: pairs grow with their square


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of (x, y); of long series every n-th point is taken."""
    some = points[:: max(1, -(-len(points) // MOST))]
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(some, 2) if x2 != x1)


def second_half(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """What comes after the middle in x."""
    middle = (points[0][0] + points[-1][0]) / 2
    return [point for point in points if point[0] >= middle]
