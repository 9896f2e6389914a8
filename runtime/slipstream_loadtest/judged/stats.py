"""Mann-Whitney U, Holm's correction, a bootstrap interval of the ratio of two medians. Pure: randomness comes from a seed; judges nothing.

References: Mann & Whitney 1947; exact p by enumeration of all splits (ties included), normal approximation with tie correction beyond;
percentile bootstrap as in Efron & Tibshirani 1993, chapter 13; Holm 1979.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import comb, erfc, sqrt
from random import Random
from typing import Final

EXACT_SPLITS: Final = 50_000  # up to 9 + 9 values; takes some 10 ms
RESAMPLES: Final = 1_000


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    if not values:
        raise ValueError("no values have no median")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """(U of `a`, two-sided p) of the hypothesis that both come from one distribution."""
    if not a or not b:
        raise ValueError("Mann-Whitney needs values on both sides")
    n, m = len(a), len(b)
    ranks = _midranks([*a, *b])
    u = sum(ranks[:n]) - n * (n + 1) / 2
    if comb(n + m, n) <= EXACT_SPLITS:
        return u, _exact_p(ranks, n, u)
    return u, _normal_p(ranks, n, m, u)


def ratio_interval(
    baseline: Sequence[float], candidate: Sequence[float], *, seed: int, confidence: float = 0.95, resamples: int = RESAMPLES
) -> tuple[float, float] | None:
    """Bootstrap interval of median(candidate) / median(baseline); None where a baseline of 0 leaves no ratio."""
    random = Random(seed)  # noqa: S311 - statistics, not secrets
    ratios = []
    for _ in range(resamples):
        below = median(random.choices(baseline, k=len(baseline)))
        above = median(random.choices(candidate, k=len(candidate)))
        if below <= 0:
            return None
        ratios.append(above / below)
    ratios.sort()
    tail = (1 - confidence) / 2
    return ratios[int(tail * (resamples - 1))], ratios[int((1 - tail) * (resamples - 1))]


def smallest_p(n: int, m: int) -> float:
    """The smallest two-sided p that n + m values can reach: why 3 + 3 repeats can never show anything at 0.05."""
    return 2 / comb(n + m, n)


def repeats_needed(alpha: float, rows: int = 1) -> int:
    """The number of repeats on each side from which on a difference can be shown at `alpha` in one of so many rows (Holm's first step)."""
    n = 1
    while smallest_p(n, n) * rows > alpha:
        n += 1
    return n


def holm(ps: Sequence[float], rows: int | None = None) -> list[float]:
    """Adjusted p of each, in the order given: below `alpha` means that the difference stands at that error rate for all of them together.
    `rows`: how many were asked, if more than have a p. Holm 1979: the smallest times m, the next times m - 1, …, never falling."""
    m = max(len(ps), rows or 0)
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, ps[at] * (m - rank)))
        adjusted[at] = highest
    return adjusted


def _midranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end < len(order) and values[order[end]] == values[order[at]]:
            end += 1
        for i in order[at:end]:
            ranks[i] = (at + 1 + end) / 2
        at = end
    return ranks


def _exact_p(ranks: Sequence[float], n: int, u: float) -> float:
    """Share of all splits whose U lies at least as far from the centre (distances in whole halves, so that equal ones compare equal)."""
    m = len(ranks) - n
    base = n * (n + 1)  # twice the smallest rank sum
    doubled = [round(2 * r) for r in ranks]
    distance = abs(round(2 * u) - n * m)
    extreme = sum(1 for split in combinations(doubled, n) if abs(sum(split) - base - n * m) >= distance)
    return extreme / comb(n + m, n)


def _normal_p(ranks: Sequence[float], n: int, m: int, u: float) -> float:
    """Normal approximation with tie and continuity correction."""
    total = n + m
    ties = sum(t**3 - t for t in Counter(ranks).values())
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / sqrt(variance)
    return min(1.0, erfc(z / sqrt(2)))
