"""Baseline against candidate over repeats: Improved, Regressed, NoChange or Inconclusive, each with its evidence. Pure.

Direct: the two targets of this run, in interleaved repeats. Stored: the same target in an earlier run.
A change counts when it exceeds the noise band AND the rank test shows it AND its interval leaves 1 out. The rank test's p is corrected
after Holm over all rows that are shown together: of twenty figures that don't change, one would show at 5 % by chance. With few repeats no
rank test can show anything (4 + 4 values never get below p = 0.029), so the answer is Inconclusive and says how many are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from slipstream_loadtest.judged.alike import Baseline, few, repeats, rows, unfit
from slipstream_loadtest.judged.metrics import METRICS, Metric, measure
from slipstream_loadtest.judged.saturation import lag_added
from slipstream_loadtest.judged.stats import holm, mann_whitney, median, ratio_interval
from slipstream_loadtest.measured.result import Result, ResultPart, Window
from slipstream_loadtest.plan.model import Plan, TargetName
from slipstream_loadtest.plan.units import Unit, show

MAX_ERROR_DIFFERENCE: Final = 1.0  # percentage points; a side that fails more answers faster for the wrong reason

Change = Literal["Improved", "Regressed", "NoChange", "Inconclusive"]


class ComparisonRow(ResultPart, frozen=True, kw_only=True):
    """One metric of one stage. `change`: ratio of the medians, candidate to baseline; `interval`: of that ratio, this row's alone; `p`: of
    the rank test; `p_adjusted`: after Holm over all rows, what the judgement goes by. `repeats`: of the side with fewer."""

    metric: str
    stage: str
    unit: Unit
    repeats: int
    baseline: float | None = None
    candidate: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    p_adjusted: float | None = None
    result: Change = "Inconclusive"
    message: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared, in one stage. `planned`: repeats that it should have."""

    name: Literal["the baseline", "the candidate"]
    windows: list[Window]
    planned: int

    def values(self, metric: Metric) -> list[float]:
        """The metric of each repeat, in order, where it has a value."""
        found = [measure(metric.name, [window]).value for window in self.windows]
        return [value for value in found if value is not None]


def compare(plan: Plan, result: Result, baseline: Baseline | None = None) -> tuple[ComparisonRow, ...]:
    """All rows of a plan that compares; none of one that doesn't, or that has no earlier result to compare with."""
    stored = plan.comparison.baseline == "Stored"
    if plan.comparison.baseline == "None" or (stored and baseline is None):
        return ()
    refusal = unfit(plan, baseline) if stored and baseline is not None else few(plan)
    found = []
    for stage in plan.stages:
        candidate = _side("the candidate", plan, result, plan.candidate, stage.name)
        other = _side("the baseline", plan, result, "Direct", stage.name)
        if stored and baseline is not None:
            other = _side("the baseline", *baseline, baseline[0].candidate, stage.name)
        doubt = refusal or _unlike_errors(other, candidate)
        found += [_measured(plan, stage.name, METRICS[name], other, candidate, doubt) for name in plan.comparison.metrics]
    return tuple(_judged(plan, row) for row in _corrected(plan, found))


def _side(name: Literal["the baseline", "the candidate"], plan: Plan, result: Result, target: TargetName, stage: str) -> Side:
    return Side(name, [w for w in result.windows if w.judged and (w.stage, w.target) == (stage, target)], repeats(plan, target))


def _measured(plan: Plan, stage: str, metric: Metric, other: Side, candidate: Side, doubt: str) -> ComparisonRow:
    """The row with its evidence; a message where that allows no judgement."""
    then, now = other.values(metric), candidate.values(metric)
    row = ComparisonRow(metric=metric.name, stage=stage, unit=metric.unit, repeats=min(len(then), len(now)))
    for side, values in ((other, then), (candidate, now)):
        if len(values) < side.planned:
            missing = f"{len(values)} of {side.planned} repeats have a value: {side.name} has none in the others"
            return replace(row, message=doubt or missing)
    if not then or not now:
        return replace(row, message=doubt or "nothing was measured")
    row = replace(row, baseline=median(then), candidate=median(now))
    if not row.baseline:
        return replace(row, message=doubt or "the baseline is 0: there is no ratio to it")
    interval = ratio_interval(then, now, seed=plan.seed, confidence=plan.comparison.confidence)
    row = replace(row, change=median(now) / row.baseline, interval=interval, p=mann_whitney(then, now)[1])
    if interval is None:
        doubt = doubt or "some repeats of the baseline are 0: there is no ratio to them"
    return replace(row, message=doubt or _lag_explains(plan, row, metric, other, candidate))


def _corrected(plan: Plan, several: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """With p adjusted over all rows; one without p counts as a question that was asked."""
    with_p = [(at, row.p) for at, row in enumerate(several) if row.p is not None]
    adjusted = dict(zip((at for at, _ in with_p), holm([p for _, p in with_p], rows(plan)), strict=True))
    return [replace(row, p_adjusted=adjusted.get(at)) for at, row in enumerate(several)]


def _judged(plan: Plan, row: ComparisonRow) -> ComparisonRow:
    change, interval, p = row.change, row.interval, row.p_adjusted
    if row.message or change is None or interval is None or p is None:
        return row
    noise = plan.comparison.noise_percent / 100
    if abs(change - 1) <= noise:
        return replace(row, result="NoChange", message=f"within the noise band of {plan.comparison.noise_percent:g}%")
    if p > 1 - plan.comparison.confidence or interval[0] <= 1 <= interval[1]:
        return replace(row, result="NoChange", message=f"not told apart from chance (p = {p:.2f} over all rows)")
    return replace(row, result="Improved" if (change - 1) * METRICS[row.metric].better > 0 else "Regressed")


def _unlike_errors(other: Side, candidate: Side) -> str:
    """Why latencies of the two sides can't be compared: one of them answers much more with errors."""
    then, now = (measure("errors.percent", side.windows).value or 0.0 for side in (other, candidate))
    if abs(then - now) <= MAX_ERROR_DIFFERENCE:
        return ""
    return f"errors differ: {show(then, 'percent')} of the baseline, {show(now, 'percent')} of the candidate"


def _lag_explains(plan: Plan, row: ComparisonRow, metric: Metric, other: Side, candidate: Side) -> str:
    """Why a change may be the generator's: without what lag may have done to the worse side it would be none."""
    if not row.baseline or row.candidate is None or row.change is None or abs(row.change - 1) * 100 <= plan.comparison.noise_percent:
        return ""
    worse = other if (row.baseline - row.candidate) * metric.better < 0 else candidate
    lag = lag_added(worse.windows, row.metric)
    if abs(row.baseline - row.candidate) > lag:
        return ""
    return f"the runners' own lag of {show(lag, row.unit)} could explain it: use more CPU or less load"
