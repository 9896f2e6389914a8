"""Seeded choices: which scenario, which row of a data list. Pure functions of seed, stream and index, so that any split over runners
makes the same choices; must not keep a generator's state anywhere."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits: increments of SplitMix64 (Steele, Lea, Flood 2014)


def mix(value: int) -> int:
    """SplitMix64's output function: 64 well-mixed bits of any integer."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def stream(seed: int, *path: int) -> int:
    """The starting point of a stream of draws, e.g. of one user in one phase."""
    state = seed & _MASK
    for step in path:
        state = mix((state + _GAMMA * (step + 1)) & _MASK)
    return state


def draw(start: int, index: int) -> int:
    """The index-th 64-bit draw of a stream."""
    return mix((start + _GAMMA * (index + 1)) & _MASK)


class Weighted:
    """Choice among alternatives in proportion to whole-number weights; an alternative of weight 0 is never chosen."""

    __slots__ = ("_bounds", "total")

    def __init__(self, weights: tuple[int, ...]) -> None:
        if not weights or any(w < 0 for w in weights) or not sum(weights):
            raise ValueError(f"weights must be whole numbers of which at least one is positive, not {weights}")
        self._bounds = list(accumulate(weights))
        self.total = self._bounds[-1]

    def pick(self, number: int) -> int:
        """The alternative that a 64-bit draw stands for."""
        return bisect_right(self._bounds, number % self.total)


def row(drawn: int, number: int, rows: int) -> int:
    """Which row of the number-th data list an iteration's draw stands for; lists are drawn independently of each other.

    The draw is well mixed already: an odd multiplier per list (Fibonacci hashing) and its upper half are enough.
    """
    return ((drawn * (_GAMMA + 2 * number) & _MASK) >> 32) % rows
