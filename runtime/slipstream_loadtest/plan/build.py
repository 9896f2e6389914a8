"""LoadTest spec → plan: what will be sent, when and where, exactly. Pure: the same spec, routes and seed always give the same plan.

A block is one repeat on one target: warm-up, then each stage as Hold and Drain. A comparison interleaves blocks as ABBA (Direct, Layers,
Layers, Direct, …), so that a drift of the machine meets both sides alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from slipstream_api.scalars import parse_duration
from slipstream_loadtest.http.request import compile_scenarios
from slipstream_loadtest.judged.metrics import METRICS
from slipstream_loadtest.plan.asked import Comparison, Threshold
from slipstream_loadtest.plan.model import Phase, PhaseKind, Plan, Stage, Target, TargetName, decode_plan, encode_plan, plan_hash
from slipstream_loadtest.plan.scenarios import DataList, Expect, HttpRequest, Scenario, Step
from slipstream_loadtest.plan.template import TemplateError
from slipstream_loadtest.plan.units import limit

if TYPE_CHECKING:
    from slipstream_api.models import LoadTestSpec
    from slipstream_api.models import loadtest as api

TIMEOUT_MS: Final = 10_000  # of one call: what loadtest.md recommends
DRAIN_MS: Final = 1_000  # after a stage, for the calls in flight; what takes longer is censored, and a bound that rests on it isn't passed
MAX_IN_FLIGHT: Final = 1_000  # of an open stage that sets none


class PlanRefused(ValueError):  # noqa: N818 - an answer, not a malfunction
    """A spec that can't be planned. `path`: the field; the message says what to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


@dataclass(frozen=True, slots=True)
class Route:
    """A way to the target: its URL, or the environment variable in which a runner finds it."""

    url: str = ""
    env: str = ""
    resolution: Literal["System", "DNS"] = "System"


@dataclass(frozen=True, slots=True)
class Routes:
    """The ways to the target that exist. A `url` target has only `direct`."""

    direct: Route | None = None
    layers: Route | None = None


def build_plan(
    name: str,
    namespace: str,
    spec: LoadTestSpec,
    routes: Routes,
    seed: int,
    *,
    runners: int | None = None,
    timeout_ms: int = TIMEOUT_MS,
    drain_ms: int = DRAIN_MS,
) -> Plan:
    """The plan of a LoadTest. `runners` replaces the spec's count (the standalone command). Raises PlanRefused."""
    count = spec.runners.count if runners is None else runners
    comparison = _comparison(spec)
    targets = _targets(routes, comparison)
    stages = tuple(_stage(stage, count) for stage in spec.stages)
    order = _interleaved(targets, comparison)
    plan = Plan(
        name=name,
        namespace=namespace,
        seed=seed,
        runners=count,
        timeout_ms=timeout_ms,
        drain_ms=drain_ms,
        targets=targets,
        stages=stages,
        phases=tuple(_phases(order, stages, parse_duration(spec.warmup), drain_ms)),
        scenarios=tuple(_scenario(scenario) for scenario in spec.scenarios),
        data=tuple(DataList(name=one.name, rows=tuple((value,) for value in one.values or ())) for one in spec.data),
        thresholds=tuple(_threshold(threshold, {stage.name for stage in stages}) for threshold in spec.thresholds),
        comparison=comparison,
    )
    try:
        compile_scenarios(plan.scenarios, plan.data, "target")
    except TemplateError as error:
        raise PlanRefused("spec.scenarios", str(error)) from None
    return plan


def _comparison(spec: LoadTestSpec) -> Comparison:
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


def _targets(routes: Routes, comparison: Comparison) -> tuple[Target, ...]:
    direct, layers = _target("Direct", routes.direct), _target("Layers", routes.layers)
    if comparison.baseline == "Direct":
        if direct is None or layers is None:
            raise PlanRefused("spec.comparison.baseline", "Direct needs a way through the layers and one past them: set target.poolRef")
        return (direct, layers)
    only = layers or direct
    if only is None:
        raise PlanRefused("spec.target", "there is no way to it: set poolRef or url")
    return (only,)


def _target(name: TargetName, route: Route | None) -> Target | None:
    return None if route is None else Target(name=name, url=route.url, env=route.env, resolution=route.resolution)


def _interleaved(targets: tuple[Target, ...], comparison: Comparison) -> Iterator[tuple[TargetName, int]]:
    """Targets in the order in which they are measured, with the number of the repeat: every second pair the other way round."""
    for repeat in range(comparison.repeats):
        for target in targets if repeat % 2 == 0 else tuple(reversed(targets)):
            yield target.name, repeat


def _phases(order: Iterator[tuple[TargetName, int]], stages: tuple[Stage, ...], warmup_ms: int, drain_ms: int) -> Iterator[Phase]:
    """All windows, one after the other without gaps. The warm-up has the first stage's load."""
    at = 0
    for target, repeat in order:
        windows: list[tuple[PhaseKind, str, int]] = [("WarmUp", stages[0].name, warmup_ms)] if warmup_ms else []
        for stage in stages:
            windows += [("Hold", stage.name, stage.duration_ms), ("Drain", stage.name, drain_ms)]
        for kind, name, duration in windows:
            yield Phase(kind=kind, target=target, repeat=repeat, stage=name, start_ms=at, duration_ms=duration)
            at += duration


def _stage(stage: api.Stage, runners: int) -> Stage:
    duration = parse_duration(stage.duration)
    if duration <= 0:
        raise PlanRefused(f"spec.stages[{stage.name}].duration", "a stage must last: write 30s")
    if (stage.users is None) == (stage.rate_per_second is None):
        raise PlanRefused(f"spec.stages[{stage.name}]", "set users (closed model) or ratePerSecond (open model)")
    if stage.rate_per_second is None:
        return Stage(name=stage.name, model="Closed", users=stage.users or 0, duration_ms=duration)
    room = MAX_IN_FLIGHT if stage.max_in_flight is None else stage.max_in_flight
    if room < runners:
        raise PlanRefused(
            f"spec.stages[{stage.name}].maxInFlight", f"{room} leaves some of {runners} runners without any: set at least {runners}"
        )
    rate = f"{stage.rate_per_second}/1"
    return Stage(name=stage.name, model="Open", rate=rate, max_in_flight=room, connections=room, duration_ms=duration)


def _scenario(scenario: api.Scenario) -> Scenario:
    return Scenario(name=scenario.name, weight=scenario.weight, steps=tuple(_step(step) for step in scenario.steps))


def _step(step: api.Step) -> Step:
    http = HttpRequest(
        method=step.http.method,
        path=step.http.path,
        headers=tuple(sorted(step.http.headers.items())),
        body=step.http.body or "",
    )
    return Step(name=step.name, http=http, expect=Expect(status=tuple(sorted(step.expect.status)), contains=tuple(step.expect.contains)))


def _threshold(threshold: api.Threshold, stages: set[str]) -> Threshold:
    path = f"spec.thresholds[{threshold.name}]"
    metric = METRICS.get(threshold.metric)
    if metric is None:
        raise PlanRefused(f"{path}.metric", f"{threshold.metric} isn't measured: there are {', '.join(METRICS)}")
    if threshold.stage is not None and threshold.stage not in stages:
        raise PlanRefused(f"{path}.stage", f"there is no stage {threshold.stage}: there are {', '.join(sorted(stages))}")
    if threshold.min is None and threshold.max is None:
        raise PlanRefused(path, "set min or max: a threshold without a bound is never broken")
    try:
        low, high = (None if bound is None else limit(str(bound), metric.unit) for bound in (threshold.min, threshold.max))
    except ValueError as error:
        raise PlanRefused(path, f"{metric.name} {error}") from None
    return Threshold(
        name=threshold.name,
        metric=metric.name,
        stage=threshold.stage or "",
        scenario=threshold.scenario or "",
        step=threshold.step or "",
        min=low,
        max=high,
        window_ms=0 if threshold.window is None else parse_duration(threshold.window),
        min_samples=threshold.min_samples or 1,
        abort=bool(threshold.abort),
        delay_ms=0 if threshold.delay is None else parse_duration(threshold.delay),
        enforce=threshold.gate != "Report",
    )


__all__ = ["Plan", "PlanRefused", "Route", "Routes", "build_plan", "decode_plan", "encode_plan", "plan_hash"]
