"""Every metric a threshold may name, as a function of merged windows: value, samples, and whether it is only a lower bound. Pure.

latency.*     from the intended start (open stages); a closed stage has no intended start, there it is the service time and is said to be
serviceTime.* from the actual start
queue.*, connect.*, firstByte.*  phases of calls: where that time went
All are of right answers only; in the first two, calls that were cut off take part with the time they had taken, a bound from below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from msgspec.structs import replace

from slipstream_loadtest.http.cache_status import HIT, NOT_READ
from slipstream_loadtest.measured.histogram import PRECISION_BITS, Histogram
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.result import Window, sum_series
from slipstream_loadtest.plan.units import Unit

QUANTILES: Final = {
    "p50": Fraction(50, 100),
    "p90": Fraction(90, 100),
    "p95": Fraction(95, 100),
    "p99": Fraction(99, 100),
    "p999": Fraction(999, 1000),
    "max": Fraction(1),
}
TIMINGS: Final = {"queue": "queue", "connect": "connect", "firstByte": "first_byte"}  # family of metrics → field of TimingsPart


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of some windows. `value` None: nothing to compute it from."""

    value: float | None
    samples: int
    lower_bound: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """`better`: the direction in which a change is an improvement."""

    name: str
    unit: Unit
    better: int  # -1: less is better, +1: more is
    of: Callable[[Pooled], Measure]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Windows of one target added up. `memory`: the target's, of their time, in bytes."""

    series: SeriesPart
    throughput: float
    measured: bool
    memory: tuple[int, ...] = ()


def pool(windows: Sequence[Window], memory: Sequence[int] = ()) -> Pooled:
    """Windows one after the other: counts and histograms add up, throughput is right answers over all of their time."""
    series = sum_series([step for window in windows for step in window.steps], sliced=False)
    seconds = sum(w.held_ms for w in windows) / 1000
    answers = sum(w.throughput * w.held_ms / 1000 for w in windows)
    return Pooled(series, answers / seconds if seconds else 0.0, bool(seconds), tuple(memory))


def only(window: Window, scenario: str, step: str) -> Window:
    """The window with these steps alone (empty: all). Its throughput is their share of the answers."""
    if not scenario:
        return window
    chosen = tuple(s for s in window.steps if s.scenario == scenario and step in ("", s.step))
    answers, all_answers = (sum(s.in_window for s in steps) for steps in (chosen, window.steps))
    return replace(window, steps=chosen, throughput=window.throughput * answers / all_answers if all_answers else 0.0)


def measure(name: str, windows: Sequence[Window]) -> Measure:
    """A metric over windows; KeyError for one that doesn't exist."""
    return METRICS[name].of(pool(windows))


def latency(pooled: Pooled) -> Histogram:
    """Corrected latency where there is one, else service time."""
    return Histogram.decode(pooled.series.latency if pooled.series.latency is not None else pooled.series.service)


def _quantile(q: Fraction, *, corrected: bool) -> Callable[[Pooled], Measure]:
    def of(pooled: Pooled) -> Measure:
        histogram, censored = _with_censored(pooled, corrected=corrected)
        value = histogram.quantile(q)
        if value is None:
            return Measure(None, 0)
        same_bucket = value + (value >> PRECISION_BITS) + 1  # the value stands for its bucket, the minimum is exact
        return Measure(value / 1e6, histogram.count, bool(censored.count) and censored.min <= same_bucket)

    return of


def _mean(*, corrected: bool) -> Callable[[Pooled], Measure]:
    def of(pooled: Pooled) -> Measure:
        histogram, censored = _with_censored(pooled, corrected=corrected)
        value = histogram.mean()
        return Measure(None, 0) if value is None else Measure(value / 1e6, histogram.count, bool(censored.count))

    return of


def _with_censored(pooled: Pooled, *, corrected: bool) -> tuple[Histogram, Histogram]:
    """Right answers and cut-off calls together, and the latter alone; nothing where there is no right answer."""
    answers = latency(pooled) if corrected else Histogram.decode(pooled.series.service)
    censored = Histogram.decode(pooled.series.censored_after)
    if answers.count:
        answers.add(censored)
    return answers, censored


def _timing(field: str, q: Fraction) -> Callable[[Pooled], Measure]:
    """A phase of right answers; of a driver that doesn't time phases there is nothing."""

    def of(pooled: Pooled) -> Measure:
        if pooled.series.timings is None:
            return Measure(None, 0)
        histogram = Histogram.decode(getattr(pooled.series.timings, field))
        value = histogram.quantile(q)
        return Measure(None if value is None else value / 1e6, histogram.count)

    return of


def _memory(pooled: Pooled) -> Measure:
    return Measure(float(max(pooled.memory)) if pooled.memory else None, len(pooled.memory))


def _dropped_percent(pooled: Pooled) -> Measure:
    return _percent(pooled.series.dropped, pooled.series.offered)


def _errors_percent(pooled: Pooled) -> Measure:
    ended = pooled.series.completed + pooled.series.failed
    return _percent(pooled.series.failed, ended)


def _wrong(pooled: Pooled) -> Measure:
    ended = pooled.series.completed + pooled.series.failed
    return Measure(float(pooled.series.wrong) if ended else None, ended)


def _throughput(pooled: Pooled) -> Measure:
    offered = pooled.series.offered
    return Measure(pooled.throughput if offered and pooled.measured else None, offered)


def _hit_percent(pooled: Pooled) -> Measure:
    """Of the answers that name an outcome at all (RFC 9211), and to requests that a cache may answer."""
    cache = pooled.series.cache
    return _percent(cache.get(HIT, 0), sum(cache.values()) - cache.get(NOT_READ, 0))


def _reuse_percent(pooled: Pooled) -> Measure:
    return _percent(pooled.series.reused, pooled.series.reused + pooled.series.opened)


def _percent(part: int, whole: int) -> Measure:
    return Measure(part * 100 / whole if whole else None, whole)


def _table() -> dict[str, Metric]:
    metrics = []
    for family, corrected in (("latency", True), ("serviceTime", False)):
        for name, q in QUANTILES.items():
            metrics.append(Metric(f"{family}.{name}", "ms", -1, _quantile(q, corrected=corrected)))
        metrics.append(Metric(f"{family}.mean", "ms", -1, _mean(corrected=corrected)))
    for family, field in TIMINGS.items():
        metrics += [Metric(f"{family}.{name}", "ms", -1, _timing(field, QUANTILES[name])) for name in ("p95", "p99")]
    metrics += [
        Metric("errors.percent", "percent", -1, _errors_percent),
        Metric("dropped.percent", "percent", -1, _dropped_percent),
        Metric("wrong.count", "count", -1, _wrong),
        Metric("throughput", "perSecond", +1, _throughput),
        Metric("cache.hitPercent", "percent", +1, _hit_percent),
        Metric("connections.reusePercent", "percent", +1, _reuse_percent),
        Metric("target.memory", "bytes", -1, _memory),
    ]
    return {metric.name: metric for metric in metrics}


METRICS: Final = _table()
