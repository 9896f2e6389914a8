"""Thresholds against a result: Passed, Failed, NoData or LowerBound for each. Pure; a threshold that nothing was measured for never passes.

Thresholds are about the candidate (through the layers, where there are layers); the baseline of a comparison is not judged. One with a
window is held against every stretch of that length: one broken stretch breaks it, and one without data takes a pass away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from slipstream_loadtest.judged.metrics import METRICS, Measure, only, pool
from slipstream_loadtest.judged.saturation import lag_added
from slipstream_loadtest.judged.stretches import SLICED, Stretch, stretches
from slipstream_loadtest.measured.part import MemorySample
from slipstream_loadtest.measured.result import Result, ResultPart, Window
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import Unit, show, show_ms

Judged = Literal["Passed", "Failed", "NoData", "LowerBound"]


class ThresholdRow(ResultPart, frozen=True, kw_only=True):
    """One threshold and what was observed: over the whole, or with a window the worst stretch. `limit`: as a sentence goes on, e.g.
    `must be at most 50ms`. `first_breach_at_ms`: end of the first broken stretch, since the common start."""

    name: str
    metric: str
    stage: str
    scenario: str = ""
    step: str = ""
    unit: Unit
    limit: str
    samples: int
    min: float | None = None
    max: float | None = None
    observed: float | None = None
    lag: float = 0.0  # what the generator itself may have added to `observed`, or taken from it
    window_ms: int = 0
    stretches: int = 0
    broken_stretches: int = 0
    first_breach_at_ms: int | None = None
    enforce: bool = True
    result: Judged
    message: str = ""

    @property
    def explained(self) -> bool:
        """A broken bound that would hold without the generator's own lag."""
        if self.result != "Failed" or self.observed is None:
            return False
        above = self.max is not None and self.observed > self.max
        if self.metric == "throughput":
            return not above and self.min is not None and self.observed + self.lag >= self.min
        return above and self.max is not None and self.observed - self.lag <= self.max


def judge_thresholds(plan: Plan, result: Result) -> tuple[ThresholdRow, ...]:
    return tuple(judge_threshold(plan, result, threshold) for threshold in plan.thresholds)


def judge_threshold(plan: Plan, result: Result, threshold: Threshold, *, last: int | None = None) -> ThresholdRow:
    """One threshold; `last`: of one with a window only the latest stretches."""
    windows = selected(plan, result, threshold)
    memory = _memory(plan, result, windows) if threshold.metric == "target.memory" else []
    if threshold.window_ms:
        return _windowed(plan, threshold, windows, memory, last)
    pooled = pool(windows, [sample.bytes for sample in memory])
    found = METRICS[threshold.metric].of(pooled)
    outcome = _outcome(threshold, found)
    return msgspec.structs.replace(
        _row(threshold, outcome, found, lag_added(windows, threshold.metric, pooled)),
        message=_no_data(threshold, found, result) if outcome == "NoData" else "",
    )


def selected(plan: Plan, result: Result, threshold: Threshold) -> list[Window]:
    """The candidate's judged windows that a threshold is about, with its steps alone."""
    judged = [w for w in result.windows if w.judged and w.target == plan.candidate and threshold.stage in ("", w.stage)]
    return [only(w, threshold.scenario, threshold.step) for w in judged]


def _memory(plan: Plan, result: Result, windows: Sequence[Window]) -> list[MemorySample]:
    """Samples of the time of these windows."""
    phases = [plan.phases[w.phase] for w in windows]
    return [sample for sample in result.memory if any(p.start_ms <= sample.at_ms <= p.end_ms for p in phases)]


def _windowed(
    plan: Plan, threshold: Threshold, windows: Sequence[Window], memory: Sequence[MemorySample], last: int | None
) -> ThresholdRow:
    if threshold.metric not in SLICED:
        row = _row(threshold, "NoData", Measure(None, 0), 0.0)
        return msgspec.structs.replace(row, message=f"{threshold.metric} isn't kept over time: leave window out")
    found = [
        (w, s, _outcome(threshold, s.measure))
        for w in windows
        for s in stretches(plan, w, threshold.metric, threshold.window_ms, memory, last=last)
    ]
    if not found:
        row = _row(threshold, "NoData", Measure(None, 0), 0.0)
        return msgspec.structs.replace(row, message=f"{threshold.metric} has no whole stretch of {show_ms(threshold.window_ms)}")
    broken = [(w, s) for w, s, outcome in found if outcome == "Failed"]
    empty = [s for _, s, outcome in found if outcome == "NoData"]
    doubtful = [(w, s) for w, s, outcome in found if outcome == "LowerBound"]
    outcome: Judged = "Failed" if broken else "NoData" if empty else "LowerBound" if doubtful else "Passed"
    window, worst = _worst(threshold, broken or doubtful or [(w, s) for w, s, o in found if o == "Passed"] or [found[0][:2]])
    lag = lag_added([window], threshold.metric, worst.pooled, (worst.end_ms - worst.start_ms) / max(1, window.held_ms))
    message = f"{_scarce(threshold, empty[0].measure)} between {_span(empty[0])}" if outcome == "NoData" else ""
    return msgspec.structs.replace(
        _row(threshold, outcome, worst.measure, lag),
        stretches=len(found),
        broken_stretches=len(broken),
        first_breach_at_ms=broken[0][1].end_ms if broken else None,
        message=message or (f"first broken between {_span(broken[0][1])}" if broken else ""),
    )


def _worst(threshold: Threshold, several: Sequence[tuple[Window, Stretch]]) -> tuple[Window, Stretch]:
    """The stretch that is farthest on the wrong side."""

    def excess(one: tuple[Window, Stretch]) -> float:
        value = one[1].measure.value or 0.0
        beyond = [value - threshold.max] if threshold.max is not None else []
        return max(beyond + ([threshold.min - value] if threshold.min is not None else []))

    return max(several, key=excess)


def _row(threshold: Threshold, outcome: Judged, found: Measure, lag: float) -> ThresholdRow:
    unit = METRICS[threshold.metric].unit
    return ThresholdRow(
        name=threshold.name,
        metric=threshold.metric,
        stage=threshold.stage,
        scenario=threshold.scenario,
        step=threshold.step,
        unit=unit,
        limit=_limit(threshold, unit),
        samples=found.samples,
        min=threshold.min,
        max=threshold.max,
        observed=found.value,
        lag=lag,
        window_ms=threshold.window_ms,
        enforce=threshold.enforce,
        result=outcome,
    )


def _outcome(threshold: Threshold, found: Measure) -> Judged:
    if found.value is None or found.samples < threshold.min_samples:
        return "NoData"
    if threshold.max is not None and found.value > threshold.max:
        return "Failed"  # also of a lower bound: the true value is no smaller
    if threshold.min is not None and found.value < threshold.min:
        return "LowerBound" if found.lower_bound else "Failed"
    return "LowerBound" if found.lower_bound and threshold.max is not None else "Passed"


def _no_data(threshold: Threshold, found: Measure, result: Result) -> str:
    if threshold.metric == "target.memory" and result.memory_error:
        return f"the target's memory couldn't be read: {result.memory_error}"
    where = [f"{kind} {name}" for kind in ("stage", "scenario", "step") if (name := getattr(threshold, kind))]
    return f"{_scarce(threshold, found)} in {', '.join(where) or 'any stage'}"


def _scarce(threshold: Threshold, found: Measure) -> str:
    if found.value is None:
        return f"{threshold.metric} has no samples"
    return f"{threshold.metric} has {found.samples} of the {threshold.min_samples} samples that it needs"


def _span(stretch: Stretch) -> str:
    return f"{show_ms(stretch.start_ms)} and {show_ms(stretch.end_ms)}" if stretch.start_ms else f"the start and {show_ms(stretch.end_ms)}"


def _limit(threshold: Threshold, unit: Unit) -> str:
    bounds = []
    if threshold.min is not None:
        bounds.append(f"must be at least {show(threshold.min, unit)}")
    if threshold.max is not None:
        bounds.append(f"must be at most {show(threshold.max, unit)}")
    window = f" in every {show_ms(threshold.window_ms)}" if threshold.window_ms else ""
    return " and ".join(bounds) + window
