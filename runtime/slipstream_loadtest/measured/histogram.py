"""Mergeable log-linear histogram of durations with exact count, sum, min and max. Pure; knows nothing of requests, never estimates a tail.

Unit: integer nanoseconds. Below 512 ns every value has a bucket of its own; above, each octave has 256, so a bucket is at most 1/256 of
its value wide and its midpoint at most 0.2 % off. Values over an hour are counted in `overflow`: they take part in count, sum and max.
Quantiles are nearest-rank (the smallest value with at least q of all at or below it), clamped to the exact minimum and maximum.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Final

import msgspec

CODEC_VERSION: Final = 1
UNIT: Final = "ns"
PRECISION_BITS: Final = 8
HIGHEST: Final = 3_600_000_000_000  # an hour; no request of a load test may take longer
_LINEAR: Final = 1 << (PRECISION_BITS + 1)  # values below have exact buckets
_SHIFT_BASE: Final = PRECISION_BITS + 1


class Unlike(ValueError):  # noqa: N818 - names what is so
    """Two histograms, parts or plans that measure different things and can't be added up."""


class HistogramData(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Wire form. `buckets`: index, count, index, count … by rising index; equal contents give equal bytes."""

    version: int = CODEC_VERSION
    unit: str = UNIT
    bits: int = PRECISION_BITS
    highest: int = HIGHEST
    count: int = 0
    sum: int = 0
    min: int = 0
    max: int = 0
    overflow: int = 0
    buckets: tuple[int, ...] = ()


class Histogram:
    """Counts of values by bucket. Not thread-safe; recording is the hot path of the generator."""

    __slots__ = ("count", "counts", "max", "min", "overflow", "sum")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.sum = 0
        self.min = 0
        self.max = 0
        self.overflow = 0

    def __repr__(self) -> str:
        return f"<Histogram n={self.count} min={self.min} max={self.max} overflow={self.overflow}>"

    def record(self, value: int) -> None:
        """Adds a duration in nanoseconds; a negative one is a defect of the caller's clock and raises ValueError."""
        if value > self.max or not self.count:
            self._widen(value)
        if value < self.min:
            self._widen(value)
        self.count += 1
        self.sum += value
        if value > HIGHEST:
            self.overflow += 1
            return
        shift = value.bit_length() - _SHIFT_BASE
        index = value if shift <= 0 else (shift << PRECISION_BITS) + (value >> shift)
        counts = self.counts
        if index in counts:
            counts[index] += 1
        else:
            counts[index] = 1

    def record_many(self, value: int, times: int) -> None:
        """The same duration so many times."""
        if times:
            many = Histogram()
            many.record(value)
            many.count, many.sum, many.overflow = times, value * times, many.overflow * times
            many.counts = dict.fromkeys(many.counts, times)
            self.add(many)

    def _widen(self, value: int) -> None:
        """A new minimum or maximum: rare, so the hot path pays for two comparisons alone."""
        if value < 0:
            raise ValueError(f"a duration can't be negative: {value} ns")
        self.min = min(self.min, value) if self.count else value
        self.max = max(self.max, value)

    def add(self, other: Histogram) -> None:
        """Adds what `other` counted: commutative, associative, exact."""
        if not other.count:
            return
        self.min = min(self.min, other.min) if self.count else other.min
        self.max = max(self.max, other.max)
        self.count += other.count
        self.sum += other.sum
        self.overflow += other.overflow
        counts = self.counts
        for index, n in other.counts.items():
            counts[index] = counts.get(index, 0) + n

    def quantile(self, q: Fraction | float) -> int | None:
        """Nearest-rank quantile in nanoseconds, None without values; rank arithmetic is exact when `q` is a Fraction."""
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
        if not self.count:
            return None
        rank = max(1, ceil(q * self.count))
        if rank >= self.count:
            return self.max
        if rank == 1:
            return self.min
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= rank:
                return min(max(midpoint(index), self.min), self.max)
        return self.max  # the rank lies in the overflow, whose only exact value is the maximum

    def mean(self) -> float | None:
        """Exact mean in nanoseconds, None without values."""
        return self.sum / self.count if self.count else None

    def encode(self) -> HistogramData:
        buckets = tuple(number for index in sorted(self.counts) for number in (index, self.counts[index]))
        return HistogramData(count=self.count, sum=self.sum, min=self.min, max=self.max, overflow=self.overflow, buckets=buckets)

    @classmethod
    def decode(cls, data: HistogramData) -> Histogram:
        """The histogram in `data`; raises Unlike for another version, unit, precision or range, and for contents that don't add up."""
        _check_alike(data)
        made = cls()
        indexes, counts = data.buckets[::2], data.buckets[1::2]
        if len(indexes) != len(counts) or any(n <= 0 for n in counts) or any(a >= b for a, b in pairwise(indexes)):
            raise Unlike("histogram: buckets must be pairs of rising index and positive count")
        if sum(counts) + data.overflow != data.count or data.overflow < 0 or not 0 <= data.min <= data.max:
            raise Unlike(f"histogram: {sum(counts)} in buckets and {data.overflow} in overflow don't make {data.count}")
        made.counts = dict(zip(indexes, counts, strict=True))
        made.count, made.sum, made.min, made.max, made.overflow = data.count, data.sum, data.min, data.max, data.overflow
        return made


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """The sum of any number of histograms, in any order the same."""
    total = Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def bucket_bounds(index: int) -> tuple[int, int]:
    """Lowest and highest value that fall into a bucket."""
    if index < _LINEAR:
        return index, index
    shift = (index >> PRECISION_BITS) - 1
    low = (index - (shift << PRECISION_BITS)) << shift
    return low, low + (1 << shift) - 1


def midpoint(index: int) -> int:
    """The value that stands for a bucket."""
    low, high = bucket_bounds(index)
    return (low + high) // 2


def _check_alike(data: HistogramData) -> None:
    got = (data.version, data.unit, data.bits, data.highest)
    wanted = (CODEC_VERSION, UNIT, PRECISION_BITS, HIGHEST)
    if got != wanted:
        raise Unlike(f"histogram: (version, unit, bits, highest) is {got}, this version adds up only {wanted}")
