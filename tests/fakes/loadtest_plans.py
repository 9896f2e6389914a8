"""Builders of small plans, parts and results for tests of the load tests. Holds no expectations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipstream_api.models import LoadTestSpec
from slipstream_loadtest.measured.merge import gather, merge
from slipstream_loadtest.measured.part import GeneratorPart, Part, PhasePart, SeriesPart, encode_part
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.build import Route, Routes, build_plan
from slipstream_loadtest.plan.model import Plan, plan_hash

STEP = {"name": "get", "http": {"path": "/things"}}
BOTH = Routes(direct=Route(url="http://127.0.0.1:1"), layers=Route(env="SLIPSTREAM_MEMORY_URL"))
URL = Routes(direct=Route(url="http://127.0.0.1:1"))
MS = 1_000_000


def a_spec(**members: Any) -> LoadTestSpec:
    """A spec of one closed stage and one step; members in camelCase replace it."""
    document: dict[str, Any] = {
        "target": {"url": "http://127.0.0.1:1"},
        "stages": [{"name": "s", "users": 2, "duration": "10s"}],
        "scenarios": [{"name": "read", "steps": [STEP]}],
    }
    return LoadTestSpec.model_validate(document | members)


def a_plan(
    routes: Routes | None = None,
    *,
    seed: int = 7,
    drain_ms: int = 100,
    timeout_ms: int | None = 1000,
    config_maps: Mapping[tuple[str, str], str] | None = None,
    runners_override: int | None = None,
    **members: Any,
) -> Plan:
    spec = a_spec(**members)
    chosen = routes if routes is not None else BOTH if spec.comparison.baseline == "Direct" else URL
    return build_plan(
        "test",
        "default",
        spec,
        chosen,
        seed,
        runners=runners_override,
        config_maps=config_maps or {},
        drain_ms=drain_ms,
        timeout_ms=timeout_ms,
    )


def comparison_plan(repeats: int = 6, **members: Any) -> Plan:
    pool = {"poolRef": {"name": "memory"}}
    return a_plan(target=pool, comparison={"baseline": "Direct", "repeats": repeats}, **members)


def a_series(
    plan: Plan,
    latencies_ms: Iterable[float] = (),
    *,
    errors: dict[str, int] | None = None,
    dropped: int = 0,
    censored_ms: Sequence[float] = (),
    corrected: bool = False,
    cache: dict[str, int] | None = None,
    opened: int = 0,
) -> SeriesPart:
    """The first step's series with these right answers, failures, drops and cut-off calls."""
    scenario = plan.scenarios[0]
    series = Series(scenario.name, scenario.steps[0].name, float("inf"), corrected=corrected)
    for latency in latencies_ms:
        series.offered += 1
        series.complete(0.0, 0.0, latency / 1000)
    for kind, n in (errors or {}).items():
        for _ in range(n):
            series.offered += 1
            series.fail(kind, 0.0, 0.001)
    for _ in range(dropped):
        series.drop()
    for elapsed in censored_ms:
        series.offered += 1
        series.censor(0.0, 0.0, elapsed / 1000)
    for outcome, n in (cache or {}).items():
        series.cache.add(outcome, n)
    series.opened = opened
    series.reused = series.completed + series.failed - opened
    return series.close()


def a_part(
    plan: Plan,
    by_phase: dict[int, SeriesPart],
    *,
    index: int = 0,
    run: str = "r",
    attempt: str = "a",
    aborted: str = "",
    generator: GeneratorPart | None = None,
) -> Part:
    """A part whose phases held their whole windows; phases without series are empty."""
    phases = tuple(
        PhasePart(
            phase=number,
            held_ms=phase.duration_ms,
            series=(by_phase[number],) if number in by_phase else (),
            generator=generator if generator is not None else GeneratorPart(cpu_ms=10, wall_ms=phase.duration_ms),
        )
        for number, phase in enumerate(plan.phases)
    )
    return Part(plan_hash=plan_hash(plan), run=run, index=index, attempt=attempt, aborted=aborted, phases=phases)


def a_result(plan: Plan, *series: SeriesPart, generator: GeneratorPart | None = None) -> Result:
    """The result of a one-runner plan: one series per judged phase, the last one for all further ones."""
    held = [number for number, phase in enumerate(plan.phases) if phase.kind == "Hold"]
    by_phase = {number: series[min(at, len(series) - 1)] for at, number in enumerate(held)}
    return merge(plan, [a_part(plan, by_phase, generator=generator)])


def gathered(plan: Plan, parts: Iterable[Part], run: str, broken: Mapping[str, str] | None = None) -> Result:
    """The last word on parts, which come encoded."""
    return gather(plan, map(encode_part, parts), run, broken)
