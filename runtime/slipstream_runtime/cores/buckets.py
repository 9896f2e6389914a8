"""Buckets of durations, for histograms: powers of two, so that they convert to native histograms of schema 0 without loss. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

# Upper bounds in seconds, inclusive: 0.24 ms (a hit, a call on loopback) to 64 s (a default requestTimeout is 30 s). A native histogram of
# schema n has the bounds 2^(i / 2^n): these are the bounds of schema 0, each exact in binary and in decimal.
_LEAST: Final = -12
_MOST: Final = 6
BOUNDS: Final[tuple[float, ...]] = tuple(2.0**power for power in range(_LEAST, _MOST + 1))


def bucket(seconds: float) -> int:
    """The index of the bucket that `seconds` falls into; len(BOUNDS) above the last bound."""
    return bisect_left(BOUNDS, seconds)


def empty() -> list[int]:
    """One counter per bucket."""
    return [0] * (len(BOUNDS) + 1)
