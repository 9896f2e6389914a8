"""What ended in each slice of a phase, bounded. Pure: is told counts, reads no clock.

A slice is (begin, end]: a call that ends on a boundary belongs to the slice before it. What ends after the phase is in no slice.
"""

from __future__ import annotations

from array import array
from math import ceil
from typing import Final

from slipstream_loadtest.measured.histogram import Histogram, HistogramData
from slipstream_loadtest.measured.part import SLICED, SlicePart

MAX_SLICES: Final = 600  # with a histogram each; a plan with more of them in a phase keeps the counts of the later ones alone

Ends = tuple[int, ...]  # counts in the order of part.SLICED


class Slices:
    """The slices of one step in one phase. `end`: when the open one does."""

    __slots__ = ("_before", "_begin", "_closed", "_length", "_until", "end", "number")

    def __init__(self, begin: float, until: float, length: float) -> None:
        self._begin, self._until, self._length = begin, until, length
        self._closed: list[tuple[int, Ends, array[int]]] = []
        self._before: Ends = (0,) * len(SLICED)
        self.number = 0
        self.end = min(until, begin + length)

    def close(self, now: float, ends: Ends, latency: Histogram) -> None:
        """Closes the open slice with the counts so far and the latencies since the one before; the next is the one that `now` lies in."""
        since = tuple(count - before for count, before in zip(ends, self._before, strict=True))
        if any(since):
            self._closed.append((self.number, since, self._packed(latency)))
            self._before = ends
        if now > self._until:
            self.end = float("inf")
            return
        self.number = max(self.number + 1, ceil((now - self._begin) / self._length) - 1)
        self.end = min(self._until, self._begin + (self.number + 1) * self._length)

    def parts(self) -> tuple[SlicePart, ...]:
        return tuple(
            SlicePart(number=number, **dict(zip(SLICED, ends, strict=True)), latency=_unpacked(packed))
            for number, ends, packed in self._closed
        )

    def _packed(self, latency: Histogram) -> array[int]:
        """16 bytes a bucket, where the wire form's tuple takes five times that."""
        if not latency.count or len(self._closed) >= MAX_SLICES:
            return array("q")
        data = latency.encode()
        return array("q", (data.count, data.sum, data.min, data.max, data.overflow, *data.buckets))


def _unpacked(packed: array[int]) -> HistogramData:
    if not packed:
        return HistogramData()
    count, total, low, high, overflow, *buckets = packed
    return HistogramData(count=count, sum=total, min=low, max=high, overflow=overflow, buckets=tuple(buckets))
