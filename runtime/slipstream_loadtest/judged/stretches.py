"""A metric in every stretch of a window: whole slices, sliding by one slice, never across two windows. Pure; compares with no bound.

A stretch ends with the phase at the latest. The last one also holds what ended in the drain or was cut off, so that nothing gets lost; a
phase shorter than a stretch is one. While a run goes on only slices that are over take part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from slipstream_loadtest.http.cache_status import HIT
from slipstream_loadtest.judged.metrics import METRICS, QUANTILES, Measure, Pooled
from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.part import SLICED as COUNTED
from slipstream_loadtest.measured.part import MemorySample, SeriesPart, SlicePart
from slipstream_loadtest.measured.result import Window, sum_slices
from slipstream_loadtest.plan.model import Plan

SLICED: Final = frozenset(
    {
        *(f"latency.{name}" for name in (*QUANTILES, "mean")),
        *("errors.percent", "dropped.percent", "wrong.count", "throughput", "target.memory"),
        *("cache.hitPercent", "connections.reusePercent"),
    }
)  # the metrics that slices hold

MISS: Final = "fwd"  # a read that is no hit; slices don't keep why


@dataclass(frozen=True, slots=True)
class Stretch:
    """`start_ms`, `end_ms`: since the common start; `pooled`: its figures, as of a window."""

    start_ms: int
    end_ms: int
    pooled: Pooled
    measure: Measure


def stretches(
    plan: Plan, window: Window, metric: str, length_ms: int, memory: Sequence[MemorySample] = (), *, last: int | None = None
) -> Iterator[Stretch]:
    """Every stretch of a window; `last`: only so many of the latest."""
    count = ceil(window.planned_ms / plan.slice_ms)
    over = count if window.held_ms >= window.planned_ms else window.held_ms // plan.slice_ms
    size = min(count, max(1, ceil(length_ms / plan.slice_ms)))
    by_number = {one.number: one for one in sum_slices(window.steps)}
    firsts = range(over - size + 1)
    for first in firsts if last is None else firsts[-last:]:
        yield _stretch(plan, window, metric, (first, first + size, count), by_number, memory)


def _stretch(
    plan: Plan,
    window: Window,
    metric: str,
    span: tuple[int, int, int],
    slices: dict[int, SlicePart],
    memory: Sequence[MemorySample],
) -> Stretch:
    first, end, count = span
    begin = plan.phases[window.phase].start_ms
    start_ms, end_ms = begin + first * plan.slice_ms, begin + min(end * plan.slice_ms, window.planned_ms)
    inside = [one for number, one in slices.items() if first <= number < end]
    after = [one for number, one in slices.items() if number >= count] if end == count else []
    series = _series(window, [*inside, *after], ending=end == count)
    throughput = sum(one.completed for one in inside) * 1000 / (end_ms - start_ms)
    pooled = Pooled(series, throughput, True, tuple(s.bytes for s in memory if start_ms <= s.at_ms <= end_ms))
    found = METRICS[metric].of(pooled)
    if metric == "throughput":  # a stretch without an answer is a throughput of 0, where there was load at all
        offered = sum(step.offered for step in window.steps)
        found = Measure(throughput if offered else None, offered)
    return Stretch(start_ms, end_ms, pooled, found)


def _series(window: Window, slices: Sequence[SlicePart], *, ending: bool) -> SeriesPart:
    """Slices of a window as a series; `ending`: the calls that were cut off belong to it."""
    counts = {name: sum(getattr(one, name) for one in slices) for name in COUNTED}
    hits, reads = counts.pop("hits"), counts.pop("reads")
    cut = window.steps if ending else ()
    censored = sum(step.censored for step in cut)
    times = merged(Histogram.decode(one.latency) for one in slices).encode()
    return SeriesPart(
        scenario="",
        step="",
        offered=counts["completed"] + counts["failed"] + counts["dropped"] + censored,
        censored=censored,
        **counts,
        cache={HIT: hits, MISS: reads - hits} if reads else {},
        service=times,
        latency=times if any(step.latency is not None for step in window.steps) else None,
        censored_after=merged(Histogram.decode(step.censored_after) for step in cut).encode(),
    )
