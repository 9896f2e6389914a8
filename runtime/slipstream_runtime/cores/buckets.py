"""Buckets of durations, for histograms: powers of two, so that they convert to native histograms of schema 0 without loss. Pure."""

from __future__ import annotations

from typing import Final

# Upper bounds in seconds, inclusive: 0.24 ms (a hit, a call on loopback) to 64 s (a default requestTimeout is 30 s). A native histogram of
# schema n has the bounds 2^(i / 2^n): these are the bounds of schema 0, each exact in binary and in decimal.
_LEAST: Final = -12
_MOST: Final = 6
BOUNDS: Final[tuple[float, ...]] = tuple(2.0**power for power in range(_LEAST, _MOST + 1))
_QUICK: Final = 5  # most answers come within so many buckets, or within the next ones
_FIRST_BOUND: Final = 2.0**_LEAST
_QUICK_BOUND: Final = 2.0 ** (_LEAST + _QUICK)


def bucket(seconds: float) -> int:
    """The index of the bucket that `seconds` falls into; len(BOUNDS) above the last bound."""
    index, bound = 0, _FIRST_BOUND
    if seconds > _QUICK_BOUND:
        index, bound = _QUICK, _QUICK_BOUND
    while seconds > bound and index <= _MOST - _LEAST:  # a few steps: nothing where it is compiled, a bisection's call where it isn't
        index += 1
        bound *= 2.0
    return index


def empty() -> list[int]:
    """One counter per bucket."""
    return [0] * (len(BOUNDS) + 1)
