"""Thresholds, comparison and checks of a LoadTest → those of a plan, in numbers. Pure; judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from slipstream_api.scalars import parse_duration
from slipstream_loadtest.judged.metrics import METRICS
from slipstream_loadtest.plan.asked import Comparison, Threshold
from slipstream_loadtest.plan.model import Stage
from slipstream_loadtest.plan.refused import PlanRefused
from slipstream_loadtest.plan.units import limit

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec
    from slipstream_api.models import loadtest as api


def comparison(spec: LoadTestSpec) -> Comparison:
    """LastPassed and Result need no second target: the other result is handed to the judgement."""
    asked = spec.comparison
    if asked.baseline == "None":
        return Comparison()
    return Comparison(
        baseline="Direct" if asked.baseline == "Direct" else "Stored",
        repeats=asked.repeats,
        noise_percent=float(asked.noise_percent),
        confidence=asked.confidence_percent / 100,
        metrics=tuple(asked.metrics),
        enforce=asked.gate == "Enforce",
    )


def thresholds(spec: LoadTestSpec, stages: Sequence[Stage], slice_ms: int) -> tuple[Threshold, ...]:
    """All bounds; raises PlanRefused for one that could never be broken, met or evaluated."""
    return tuple(_threshold(threshold, spec, stages, slice_ms) for threshold in spec.thresholds)


def _threshold(asked: api.Threshold, spec: LoadTestSpec, stages: Sequence[Stage], slice_ms: int) -> Threshold:
    path = f"spec.thresholds[{asked.name}]"
    metric = METRICS.get(asked.metric)
    if metric is None:
        raise PlanRefused(f"{path}.metric", f"{asked.metric} isn't measured: there are {', '.join(METRICS)}")
    _check_step(asked, spec, path)
    window, delay = _spans(asked, stages, slice_ms, path)
    if asked.min is None and asked.max is None:
        raise PlanRefused(path, "set min or max: a threshold without a bound is never broken")
    try:
        low, high = (None if bound is None else limit(str(bound), metric.unit) for bound in (asked.min, asked.max))
    except ValueError as error:
        raise PlanRefused(path, f"{metric.name} {error}") from None
    return Threshold(
        name=asked.name,
        metric=metric.name,
        stage=asked.stage or "",
        scenario=asked.scenario or "",
        step=asked.step or "",
        min=low,
        max=high,
        window_ms=window,
        min_samples=asked.min_samples or 1,
        abort=bool(asked.abort),
        delay_ms=delay,
        enforce=asked.gate != "Report",
    )


def _check_step(asked: api.Threshold, spec: LoadTestSpec, path: str) -> None:
    """Scenario and step, where they are named, must exist."""
    steps = {scenario.name: [step.name for step in scenario.steps] for scenario in spec.scenarios}
    if asked.scenario is None:
        if asked.step is not None:
            raise PlanRefused(f"{path}.step", "is of a scenario: set scenario too")
    elif asked.scenario not in steps:
        raise PlanRefused(f"{path}.scenario", f"there is no scenario {asked.scenario}: there are {', '.join(steps)}")
    elif asked.step is not None and asked.step not in steps[asked.scenario]:
        raise PlanRefused(f"{path}.step", f"{asked.scenario} has no step {asked.step}: it has {', '.join(steps[asked.scenario])}")


def _spans(asked: api.Threshold, stages: Sequence[Stage], slice_ms: int, path: str) -> tuple[int, int]:
    """Window and delay in milliseconds: whole slices, within the stages that they are about."""
    about = [stage for stage in stages if asked.stage in (None, stage.name)]
    if not about:
        raise PlanRefused(f"{path}.stage", f"there is no stage {asked.stage}: there are {', '.join(sorted(s.name for s in stages))}")
    shortest = min(about, key=lambda stage: stage.duration_ms)
    window, delay = (0 if text is None else parse_duration(text) for text in (asked.window, asked.delay))
    if asked.window is not None and (window <= 0 or window % slice_ms):
        raise PlanRefused(f"{path}.window", f"series are kept in slices of {slice_ms // 1000}s: write a multiple of it")
    if window > shortest.duration_ms:
        raise PlanRefused(f"{path}.window", f"stage {shortest.name} is shorter: write at most its duration")
    if delay and delay >= shortest.duration_ms:
        raise PlanRefused(f"{path}.delay", f"stage {shortest.name} is over by then: write less than its duration")
    return window, delay
