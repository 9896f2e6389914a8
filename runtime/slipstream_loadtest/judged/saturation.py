"""How far the generator itself stood in the way: what a single figure may owe to it, and what makes a stage worthless. Pure.

A lagging generator makes latencies longer and throughput smaller, never the other way round: a closed user that waits for its runner
thinks, and with less thinking the mean latency would be no more than what was measured, lag included. So a bound that is kept in spite of
the lag stands; one that is broken, and a change, count only where the lag can't explain them. What is charged is what the lag may have
added to that very figure. For a quantile q of latencies T that consist of the target's S and a lag L, whatever depends on what:

    Q_q(S)  >=  Q_(q-e)(T) - Q_(1-e)(L)      for every e, since P(T > s + l) <= P(S > s) + P(L > l)

Beyond that a stage is worthless: when the runner had no CPU left, or when the lag is a visible part of what is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import sqrt
from typing import Final

from slipstream_loadtest.judged.metrics import QUANTILES, TIMINGS, Pooled, latency, pool
from slipstream_loadtest.measured.histogram import Histogram, HistogramData, merged, midpoint
from slipstream_loadtest.measured.result import Result, Window
from slipstream_loadtest.measured.tally import GENERATOR_ERRORS, OTHER, TIMEOUT
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show_ms

LAG_SHARE: Final = 0.1  # of the measured p95, or of the bound that it is held against: more is a visible part of it
LAG_FLOOR_MS: Final = 2.0  # the grain of the event loop's timers: below it nobody can tell a lag from rounding
CPU_LIMIT: Final = 90.0  # percent of one core: beyond, calls queue in the generator
GC_LIMIT: Final = 10.0  # percent of the time in pauses of the garbage collector
SKEW_SHARE: Final = 0.1  # of a stage's time: a runner that began later measured a visibly shorter stage
PROBE_MS: Final = 20.0  # between two probes of the loop lag (engine/probe.py)

_GENERATORS_OWN: Final = GENERATOR_ERRORS | {TIMEOUT, OTHER}  # errors that a runner without a turn of its loop could make
_SHARES: Final = tuple(Fraction(n, 10_000) for n in (0, 1, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000))
_MOST_STEPS: Final = 500


def saturation(windows: Sequence[Window], bound_ms: float | None = None) -> str:
    """Why these windows measured the generator rather than the target; empty when they didn't. `bound_ms`: the tightest bound on a latency
    of theirs: a lag that is small beside it decides nothing."""
    if _all_failed_by_the_target(windows):
        return ""
    busiest = max((w.cpu_percent for w in windows), default=0.0)
    if busiest > CPU_LIMIT:
        return f"a runner used {busiest:.0f}% of a core"
    wall, pauses = sum(w.generator.wall_ms for w in windows), sum(w.generator.gc_ms for w in windows)
    if pauses * 100 > GC_LIMIT * wall:
        return f"the runners' garbage collection took {pauses * 100 / wall if wall else 100:.0f}% of the time"
    p95 = latency(pool(windows)).quantile(QUANTILES["p95"])
    if p95 is None:
        return ""
    allowed = max(LAG_FLOOR_MS, LAG_SHARE * p95 / 1e6, LAG_SHARE * (bound_ms or 0.0))
    added = lag_added(windows, "latency.p95")
    if added <= allowed or _lag_p99_ms(windows) <= allowed:
        return ""
    return f"of the p95 of {show_ms(p95 / 1e6)} the runners' own lag may be {show_ms(added)}, more than {show_ms(allowed)}"


def _all_failed_by_the_target(windows: Sequence[Window]) -> bool:
    """Nothing was answered right, and no call ran out of time or of ports: users that fail at once ask again at once, which takes all of a
    core and spoils no figure, since there is none but their errors."""
    series = pool(windows).series
    return 0 < series.failed == series.offered and not _GENERATORS_OWN & series.errors.keys()


def skew(plan: Plan, result: Result) -> str:
    """Why the runners didn't measure the same time; empty when they did, or when what they missed isn't judged."""
    first = next((plan.phases[w.phase] for w in result.windows if w.judged), None)
    if first is None:
        return ""
    missed = result.start_skew_ms - first.start_ms
    if missed <= SKEW_SHARE * first.duration_ms:
        return ""
    return f"a runner began {show_ms(float(result.start_skew_ms))} late and missed {show_ms(float(missed))} of stage {first.stage}"


def lag_added(windows: Sequence[Window], metric: str, pooled: Pooled | None = None, share: float = 1.0) -> float:
    """What the generator may have added to a metric, in its unit (of a closed stage's throughput: taken from it); 0 where it can't.

    `pooled`: the figures that are judged, if not all of the windows' together; `share`: their part of the windows' time. All of the lag may
    lie within it.
    """
    family, _, name = metric.partition(".")
    if family not in ("latency", "serviceTime", "throughput", *TIMINGS):
        return 0.0
    chosen = pooled if pooled is not None else pool(windows)
    loop = as_met([w.generator.loop_lag for w in windows], max((w.generator.gc_longest_us for w in windows), default=0))
    start = merged(Histogram.decode(w.generator.start_lag) for w in windows) if family == "latency" else Histogram()
    if family == "throughput":
        return _throughput_lost(chosen, loop)
    figures = _figures(chosen, family)
    if name == "mean":
        return min((figures.mean() or 0.0), (loop.mean() or 0.0) + (start.mean() or 0.0)) / 1e6
    return _added(figures, QUANTILES[name], (loop, start), Fraction(share).limit_denominator(10_000)) / 1e6


def as_met(lags: Sequence[HistogramData], longest_pause_us: int = 0) -> Histogram:
    """The loop lag as calls meet it. A loop that stands still for a second is probed once in that second, while calls arrive all the time:
    a probe that was late stands for those that would have been due meanwhile, and would have waited for the rest of it."""
    seen = merged(Histogram.decode(lag) for lag in lags)
    made = merged([seen])
    step = int(PROBE_MS * 1e6)
    for index, count in seen.counts.items():
        value = midpoint(index)
        missed = value // step
        steps = min(missed, _MOST_STEPS)
        for at in range(1, steps + 1):
            _record(made, value - at * value // (steps + 1), max(1, count * missed // steps))
    if longest_pause_us * 1000 > made.max:
        _record(made, longest_pause_us * 1000, 1)
    return made


def _lag_p99_ms(windows: Sequence[Window]) -> float:
    """The larger one of loop and start lag."""
    loop = as_met([w.generator.loop_lag for w in windows])
    start = merged(Histogram.decode(w.generator.start_lag) for w in windows)
    return max(lag.quantile(QUANTILES["p99"]) or 0 for lag in (loop, start)) / 1e6


def _record(histogram: Histogram, value: int, count: int) -> None:
    one = Histogram()
    one.record(value)
    (index,) = one.counts or (None,)
    if index is None:
        return
    one.count, one.sum, one.counts[index] = count, value * count, count
    histogram.add(one)


def _figures(pooled: Pooled, family: str) -> Histogram:
    """The histogram that a metric of this family reads."""
    if family in TIMINGS:
        timings = pooled.series.timings
        return Histogram() if timings is None else Histogram.decode(getattr(timings, TIMINGS[family]))
    answers = latency(pooled) if family == "latency" else Histogram.decode(pooled.series.service)
    if answers.count:
        answers.add(Histogram.decode(pooled.series.censored_after))
    return answers


def _added(figures: Histogram, q: Fraction, lags: tuple[Histogram, Histogram], share: Fraction) -> float:
    """The least difference to a lower bound of the true quantile, over all e, in nanoseconds."""
    observed = figures.quantile(q)
    if observed is None or not any(lag.count for lag in lags):
        return 0.0
    halves = 2 if all(lag.count for lag in lags) else 1
    n = figures.count
    lowest = 0.0
    for e in _SHARES:
        if e < q:
            below = figures.quantile(q - e) or 0
            rare = Fraction((sqrt(1 + n * e) - 1) ** 2 / n)  # so rare that no more than e of n calls meet it, at two standard deviations
            most = sum(lag.quantile(1 - rare * share / halves) or 0 for lag in lags)
            lowest = max(lowest, below - most)
    return observed - lowest


def _throughput_lost(pooled: Pooled, loop: Histogram) -> float:
    """What closed users would have done more without their runner's lag in each of their calls; an open stage's rate is the plan's."""
    cycle, lag = Histogram.decode(pooled.series.service).mean(), loop.mean()
    if pooled.series.latency is not None or not cycle or not lag:
        return 0.0
    lag = min(lag, 0.9 * cycle)  # beyond, the stage is worthless anyway
    return pooled.throughput * lag / (cycle - lag)
