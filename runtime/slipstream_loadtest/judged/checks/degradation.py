"""Does latency grow faster than allowed from one level of load to the next? Pure.

Levels are stages of one model (users, or arrivals a second) in the order of their load; of equal loads none is the next of the other. A
cut-off value is a lower bound: it can prove an increase that is too large, and never one that is small enough. An increase that is too
large by less than the sampling error proves nothing either.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

from slipstream_loadtest.judged.checks.row import CheckRow, Control, Result
from slipstream_loadtest.judged.metrics import QUANTILES, Measure, latency, measure, pool
from slipstream_loadtest.measured import result as measured
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.plan.asked import Degradation
from slipstream_loadtest.plan.model import Plan, Stage
from slipstream_loadtest.plan.units import show_ms

_Z: Final = 1.96  # of a 95 % interval
_LEAST_INFLATION: Final = 10.0  # percent beyond the limit, of the control: well above the 1 % by which a histogram rounds


class Level(NamedTuple):
    """One stage's value. `error`: the farther end of its 95 % interval, relative to it."""

    model: str
    stage: str
    load: Fraction
    value: Measure
    error: float = 0.0


class Judged(NamedTuple):
    """What the levels show. `increase`: the largest one, in percent."""

    result: Result
    observed: str
    message: str
    increase: float | None = None


def judge_degradation(plan: Plan, asked: Degradation, result: measured.Result) -> CheckRow:
    """The row of the check."""
    found = levels(plan, asked.metric, result)
    judged = judge_levels(found, asked)
    control = _control(found, asked)
    outcome, message = judged.result, judged.message
    if outcome == "Passed" and control != "Caught":
        outcome, message = (
            "Inconclusive",
            "the control wasn't caught: a rise by twice the limit doesn't stand out; hold each level longer",
        )
    return CheckRow(
        name="degradation",
        result=outcome,
        control=control,
        observed=judged.observed,
        limit=f"at most {asked.max_increase_percent:g}% a level",
        detectable=_detectable(found, asked),
        message=message,
    )


def levels(plan: Plan, metric: str, result: measured.Result) -> tuple[Level, ...]:
    """All stages on the judged target, closed ones first, by load."""
    found = []
    for stage in plan.stages:
        windows = [w for w in result.windows if w.judged and w.target == plan.candidate and w.stage == stage.name]
        value = measure(metric, windows)
        found.append(Level(stage.model, stage.name, _load(stage), value, _error(metric, windows, value)))
    return tuple(sorted(found, key=lambda level: (level.model, level.load)))


def steps(found: Sequence[Level]) -> list[tuple[Level, Level]]:
    """Each level with the next one of more load."""
    return [(a, b) for a, b in pairwise(found) if a.model == b.model and a.load < b.load]


def judge_levels(found: Sequence[Level], asked: Degradation) -> Judged:
    """What is to be said of these levels."""
    pairs = steps(found)
    if not pairs:
        return Judged("Inconclusive", "", "nothing to compare: give two stages of one model (users or ratePerSecond) and unlike load")
    for level in {level.stage: level for pair in pairs for level in pair}.values():
        if not level.value.value:  # also 0: nothing grows from it by a percentage
            return Judged("Inconclusive", "", f"stage {level.stage} has no {asked.metric}: no right answer came")
    grown = [(_increase(a, b), a, b) for a, b in pairs]
    limit = asked.max_increase_percent
    proven = [one for one in grown if one[0] - _sampling(*one) > limit and not one[1].value.lower_bound]
    increase, a, b = max(proven or grown, key=lambda one: one[0])
    observed = f"{asked.metric} {increase:+.0f}% from {a.stage} ({_shown(a)}) to {b.stage} ({_shown(b)})"
    if proven:
        return Judged("Failed", observed, observed, increase)
    doubtful = [one for one in grown if one[2].value.lower_bound or (one[1].value.lower_bound and one[0] > limit)]
    if doubtful:
        stage = (doubtful[0][2] if doubtful[0][2].value.lower_bound else doubtful[0][1]).stage
        message = f"{asked.metric} of stage {stage} is a lower bound: calls were cut off, use a longer drain"
        return Judged("Inconclusive", observed, message, increase)
    if increase > limit:
        message = f"{observed}, which is within {_sampling(increase, a, b):.0f}% of sampling error of the limit: hold each level longer"
        return Judged("Inconclusive", observed, message, increase)
    return Judged("Passed", observed, "", increase)


def _load(stage: Stage) -> Fraction:
    return Fraction(stage.users) if stage.model == "Closed" else stage.exact_rate


def _increase(a: Level, b: Level) -> float:
    assert a.value.value is not None
    assert b.value.value is not None
    return (b.value.value / a.value.value - 1) * 100


def _sampling(increase: float, a: Level, b: Level) -> float:
    """What sampling may have added to an increase, in percent: relative errors of a ratio's two sides."""
    return sqrt(a.error**2 + b.error**2) * (100 + increase)


def _shown(level: Level) -> str:
    return ("at least " if level.value.lower_bound else "") + show_ms(level.value.value or 0.0)


def _control(found: Sequence[Level], asked: Degradation) -> Control:
    """The same judgement with the last level of a pair inflated by twice the limit: it must fail."""
    pairs = [(a, b) for a, b in steps(found) if a.value.value and b.value.value and not a.value.lower_bound]
    if not pairs:
        return "NotRun"
    below, above = pairs[-1]
    assert below.value.value is not None
    limit = asked.max_increase_percent
    inflated = below.value.value * (1 + max(2 * limit, limit + _LEAST_INFLATION) / 100)
    broken = [level._replace(value=Measure(inflated, above.value.samples)) if level is above else level for level in found]
    return "Caught" if judge_levels(broken, asked).result == "Failed" else "Missed"


def _error(metric: str, windows: Sequence[measured.Window], value: Measure) -> float:
    """From the order statistics: the quantiles at q ± 1.96 sqrt(q(1-q)/n) enclose the true one in 95 % of all runs."""
    q = QUANTILES.get(metric.partition(".")[2])
    if q is None or not value.value or not value.samples:
        return 0.0
    pooled, around = pool(windows), _Z * sqrt(q * (1 - q) / value.samples)
    histogram = latency(pooled)
    histogram.add(Histogram.decode(pooled.series.censored_after))
    low, high = histogram.quantile(max(0.0, float(q) - around)), histogram.quantile(min(1.0, float(q) + around))
    return 0.0 if low is None or high is None else max(value.value - low / 1e6, high / 1e6 - value.value) / value.value


def _detectable(found: Sequence[Level], asked: Degradation) -> str:
    """The limit and what sampling may add to it: errors of two levels of a ratio."""
    limit = asked.max_increase_percent
    errors = [_sampling(limit, a, b) for a, b in steps(found) if a.value.value and b.value.value]
    return f"an increase of {limit + max(errors):.0f}% (sampling error at 95%)" if errors else ""
