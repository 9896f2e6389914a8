"""Baseline against candidate over interleaved repeats: Improved, Regressed, NoChange or Inconclusive, each with its evidence. Pure.

A change counts when it exceeds the noise band AND the rank test shows it AND its interval leaves 1 out. Below four repeats no rank test
can show anything at 5 % (3 + 3 values never get below p = 0.10), so the answer is Inconclusive and says how many are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec.structs import replace

from slipstream_loadtest.judged.metrics import METRICS, Metric, measure
from slipstream_loadtest.judged.saturation import lag_ms
from slipstream_loadtest.judged.stats import mann_whitney, median, ratio_interval, repeats_needed
from slipstream_loadtest.measured.result import Result, ResultPart, Window
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import Unit, show

COMPARED: Final = ("latency.p50", "latency.p95", "throughput")
MAX_ERROR_DIFFERENCE: Final = 1.0  # percentage points; a side that fails more answers faster for the wrong reason

Change = Literal["Improved", "Regressed", "NoChange", "Inconclusive"]


class ComparisonRow(ResultPart, frozen=True, kw_only=True):
    """One metric of one stage. `change`: ratio of the medians, candidate to baseline; `interval`: of that ratio; `p`: of the rank test."""

    metric: str
    stage: str
    unit: Unit
    repeats: int
    baseline: float | None = None
    candidate: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    result: Change = "Inconclusive"
    message: str = ""


def compare(plan: Plan, result: Result) -> tuple[ComparisonRow, ...]:
    """All rows of a plan that compares; none of one that doesn't."""
    if plan.comparison.baseline == "None":
        return ()
    return tuple(_row(plan, result, stage.name, METRICS[name]) for stage in plan.stages for name in COMPARED)


def too_few(plan: Plan) -> str:
    """What to change when a plan's repeats can't show anything; empty when they can."""
    needed = repeats_needed(1 - plan.comparison.confidence)
    if plan.comparison.baseline == "None" or plan.comparison.repeats >= needed:
        return ""
    asked = f"{plan.comparison.repeats} repeats can't show a difference at {plan.comparison.confidence:.0%} confidence"
    return f"{asked}: set repeats to at least {needed}"


def _row(plan: Plan, result: Result, stage: str, metric: Metric) -> ComparisonRow:
    baseline, candidate = _values(result, stage, "Direct", metric), _values(result, stage, plan.candidate, metric)
    repeats = min(len(baseline), len(candidate))
    row = ComparisonRow(metric=metric.name, stage=stage, unit=metric.unit, repeats=repeats)
    if repeats < plan.comparison.repeats:
        missing = "the baseline" if len(baseline) < len(candidate) else "the candidate"
        return replace(row, message=f"{repeats} of {plan.comparison.repeats} repeats have a value: {missing} has none in the others")
    middle = (median(baseline), median(candidate))
    row = replace(row, baseline=middle[0], candidate=middle[1])
    if middle[0] <= 0:
        return replace(row, message="the baseline is 0: there is no ratio to it")
    interval = ratio_interval(baseline, candidate, seed=plan.seed, confidence=plan.comparison.confidence)
    _, p = mann_whitney(baseline, candidate)
    row = replace(row, change=middle[1] / middle[0], interval=interval, p=p)
    doubt = too_few(plan) or _unlike_errors(plan, result, stage) or _lag_explains(plan, result, row)
    return replace(row, message=doubt) if doubt else _judged(plan, row, metric)


def _judged(plan: Plan, row: ComparisonRow, metric: Metric) -> ComparisonRow:
    change, interval, p = row.change, row.interval, row.p
    if change is None or interval is None or p is None:
        return replace(row, message="some repeats of the baseline are 0: there is no ratio to them")
    noise = plan.comparison.noise_percent / 100
    if abs(change - 1) <= noise:
        return replace(row, result="NoChange", message=f"within the noise band of {plan.comparison.noise_percent:g}%")
    if p > 1 - plan.comparison.confidence or interval[0] <= 1 <= interval[1]:
        return replace(row, result="NoChange", message=f"not told apart from chance (p = {p:.2f})")
    return replace(row, result="Improved" if (change - 1) * metric.better > 0 else "Regressed")


def _values(result: Result, stage: str, target: str, metric: Metric) -> list[float]:
    """The metric of each repeat, in order, where it has a value."""
    windows = [w for w in result.windows if w.judged and w.stage == stage and w.target == target]
    found = [measure(metric.name, [w]).value for w in windows]
    return [value for value in found if value is not None]


def _unlike_errors(plan: Plan, result: Result, stage: str) -> str:
    """Why latencies of the two sides can't be compared: one of them answers much more with errors."""
    sides = [_errors([w for w in result.windows if w.judged and w.stage == stage and w.target == t]) for t in ("Direct", plan.candidate)]
    if abs(sides[0] - sides[1]) <= MAX_ERROR_DIFFERENCE:
        return ""
    return f"errors differ: {show(sides[0], 'percent')} of the baseline, {show(sides[1], 'percent')} of the candidate"


def _lag_explains(plan: Plan, result: Result, row: ComparisonRow) -> str:
    """Why a change may be the generator's: without the worse side's lag at that quantile it would be none."""
    if row.baseline is None or row.candidate is None or row.baseline == row.candidate:
        return ""
    worse = "Direct" if row.baseline > row.candidate else plan.candidate
    lag = lag_ms([w for w in result.windows if w.judged and w.stage == row.stage and w.target == worse], row.metric)
    if abs(row.baseline - row.candidate) > lag or abs(row.candidate / row.baseline - 1) * 100 <= plan.comparison.noise_percent:
        return ""
    return f"the runners' own lag of {show(lag, 'ms')} could explain it: use more CPU or less load"


def _errors(windows: Sequence[Window]) -> float:
    return measure("errors.percent", windows).value or 0.0
