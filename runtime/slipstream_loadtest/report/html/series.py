"""What charts show, out of a report: quantiles and rates over time, percentile curves, where the time of calls went. Pure; no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log10
from typing import Final

from slipstream_loadtest.judged.metrics import latency, pool
from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.part import SlicePart, TimingsPart
from slipstream_loadtest.measured.result import Result, Window, levels
from slipstream_loadtest.plan.model import Plan, TargetName

MAX_POINTS: Final = 240  # of a chart: more can't be told apart, and the page stays small
P50, P95 = Fraction(1, 2), Fraction(95, 100)
PERCENTILES: Final = tuple(
    Fraction(text) for text in ("0", "0.25", "0.5", "0.75", "0.9", "0.95", "0.975", "0.99", "0.995", "0.999", "0.9999")
)
TIMINGS: Final = ("queue", "connect", "tls", "first_byte", "last_byte")


@dataclass(frozen=True, slots=True)
class Moment:
    """Some slices together. Times in ms since the common start; rates per second; None: nothing right was answered."""

    start_ms: int
    end_ms: int
    phase: int
    target: TargetName
    completed: float
    failed: float
    dropped: float
    p50_ms: float | None
    p95_ms: float | None

    @property
    def middle_ms(self) -> float:
        return (self.start_ms + self.end_ms) / 2


@dataclass(frozen=True, slots=True)
class Curve:
    """Quantiles of one stage on one target: (q, ms). Ends where one value would stand for several quantiles."""

    stage: str
    target: TargetName
    samples: int
    points: tuple[tuple[Fraction, float], ...]


@dataclass(frozen=True, slots=True)
class Spent:
    """Where the time of one step's right answers went: (phase of a call, its histogram, share of the mean in percent)."""

    stage: str
    target: TargetName
    scenario: str
    step: str
    parts: tuple[tuple[str, Histogram, float], ...]


def over_time(plan: Plan, result: Result) -> list[Moment]:
    """The whole run in at most MAX_POINTS moments, phases apart; a phase without any slice has none."""
    total = sum(ceil(window.held_ms / plan.slice_ms) for window in result.windows)
    several = max(1, ceil(total / MAX_POINTS))
    return [moment for window in result.windows for moment in _moments(plan, window, several)]


def _moments(plan: Plan, window: Window, several: int) -> list[Moment]:
    slices = [one for step in window.steps for one in step.slices]
    if not slices:
        return []
    start, count = plan.phases[window.phase].start_ms, max(ceil(window.held_ms / plan.slice_ms), max(s.number for s in slices) + 1)
    made = []
    for first in range(0, count, several):
        there = [one for one in slices if first <= one.number < first + several]
        begin, end = first * plan.slice_ms, min((first + several) * plan.slice_ms, max(window.held_ms, first * plan.slice_ms + 1))
        made.append(_moment(window, there, start + begin, start + end))
    return made


def _moment(window: Window, slices: Sequence[SlicePart], start_ms: int, end_ms: int) -> Moment:
    seconds = (end_ms - start_ms) / 1000
    times = merged(Histogram.decode(one.latency) for one in slices)
    return Moment(
        start_ms=start_ms,
        end_ms=end_ms,
        phase=window.phase,
        target=window.target,
        completed=sum(one.completed for one in slices) / seconds,
        failed=sum(one.failed for one in slices) / seconds,
        dropped=sum(one.dropped for one in slices) / seconds,
        p50_ms=_ms(times.quantile(P50)),
        p95_ms=_ms(times.quantile(P95)),
    )


def stretches(moments: Sequence[Moment], name: str) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Points of one figure, cut where it has none and where a phase of another target lies between."""
    runs: list[list[tuple[float, float]]] = []
    last: Moment | None = None
    for moment in moments:
        value = getattr(moment, name)
        if value is None:
            last = None
            continue
        if last is None or moment.start_ms > last.end_ms + 1:
            runs.append([])
        runs[-1].append((moment.middle_ms, value))
        last = moment
    return tuple(map(tuple, runs))


def curves(result: Result) -> list[Curve]:
    """A percentile curve for every stage and target that answered something."""
    return [made for _, stage, windows in levels(result) if (made := _curve(stage, windows)) is not None]


def _curve(stage: str, windows: list[Window]) -> Curve | None:
    histogram = latency(pool(windows))
    if not histogram.count:
        return None
    known = [q for q in PERCENTILES if q == 0 or (1 - q) * histogram.count >= 1]
    points = tuple((q, (histogram.quantile(q) or 0) / 1e6) for q in known)
    return Curve(stage, windows[0].target, histogram.count, points)


def tail(q: Fraction) -> float:
    """Where a quantile lies on an axis that gives each further nine the same room: 0 at the minimum, 1 at 90 %, 2 at 99 %."""
    return -log10(1 - q)


def spent(result: Result) -> list[Spent]:
    """By stage, target and step, where the driver took the times apart."""
    found = []
    for _, stage, windows in levels(result):
        for at, step in enumerate(windows[0].steps):
            timings = [t for w in windows if at < len(w.steps) and (t := w.steps[at].timings) is not None]
            parts = _parts(timings)
            if parts:
                found.append(Spent(stage, windows[0].target, step.scenario, step.step, parts))
    return found


def _parts(timings: list[TimingsPart]) -> tuple[tuple[str, Histogram, float], ...]:
    summed = [(name, merged(Histogram.decode(getattr(one, name)) for one in timings)) for name in TIMINGS]
    whole = sum(histogram.sum for _, histogram in summed)
    return tuple((name, histogram, histogram.sum * 100 / whole) for name, histogram in summed) if whole else ()


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6
