"""Thresholds against a result: Passed, Failed, NoData or LowerBound for each. Pure; a threshold that nothing was measured for never passes.

Thresholds are about the candidate (through the layers, where there are layers); the baseline of a comparison is not judged.
"""

from __future__ import annotations

from typing import Literal

from slipstream_loadtest.judged.metrics import METRICS, Measure, measure
from slipstream_loadtest.judged.saturation import lag_ms
from slipstream_loadtest.measured.result import Result, ResultPart
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import Unit, show


class ThresholdRow(ResultPart, frozen=True, kw_only=True):
    """One threshold and what was observed. `limit`: as a sentence goes on, e.g. `at most 50ms`."""

    name: str
    metric: str
    stage: str
    unit: Unit
    limit: str
    samples: int
    min: float | None = None
    max: float | None = None
    observed: float | None = None
    lag: float = 0.0  # what the generator itself may have added to `observed`
    result: Literal["Passed", "Failed", "NoData", "LowerBound"]
    message: str = ""


def judge_thresholds(plan: Plan, result: Result) -> tuple[ThresholdRow, ...]:
    return tuple(_row(plan, result, threshold) for threshold in plan.thresholds)


def _row(plan: Plan, result: Result, threshold: Threshold) -> ThresholdRow:
    windows = [w for w in result.windows if w.judged and w.target == plan.candidate and threshold.stage in ("", w.stage)]
    measured = measure(threshold.metric, windows)
    unit = METRICS[threshold.metric].unit
    outcome = _outcome(threshold, measured)
    where = f"stage {threshold.stage}" if threshold.stage else "any stage"
    return ThresholdRow(
        name=threshold.name,
        metric=threshold.metric,
        stage=threshold.stage,
        unit=unit,
        limit=_limit(threshold, unit),
        samples=measured.samples,
        min=threshold.min,
        max=threshold.max,
        observed=measured.value,
        lag=lag_ms(windows, threshold.metric),
        result=outcome,
        message=f"{threshold.metric} has no samples in {where}" if outcome == "NoData" else "",
    )


def _outcome(threshold: Threshold, measured: Measure) -> Literal["Passed", "Failed", "NoData", "LowerBound"]:
    if measured.value is None:
        return "NoData"
    if threshold.max is not None and measured.value > threshold.max:
        return "Failed"  # also of a lower bound: the true value is no smaller
    if threshold.min is not None and measured.value < threshold.min:
        return "LowerBound" if measured.lower_bound else "Failed"
    return "LowerBound" if measured.lower_bound and threshold.max is not None else "Passed"


def _limit(threshold: Threshold, unit: Unit) -> str:
    bounds = []
    if threshold.min is not None:
        bounds.append(f"must be at least {show(threshold.min, unit)}")
    if threshold.max is not None:
        bounds.append(f"must be at most {show(threshold.max, unit)}")
    return " and ".join(bounds)
