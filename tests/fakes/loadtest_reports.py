"""Builders of whole reports with figures over time, timings, checks and memory: seeded, the same each time. Holds no expectations."""

from __future__ import annotations

import random
from typing import Any

from msgspec.structs import replace

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.judged.verdict import CheckRow, Reason, judge
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import GeneratorPart, MemorySample, PhasePart, SeriesPart, SlicePart, TimingsPart
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.report.document import as_report
from slipstream_loadtest.report.model import PolicyInForce, Report, SidecarCounters, Versions
from tests.fakes.loadtest_plans import a_part, a_plan, a_series, comparison_plan

MS = 1_000_000
FINISHED = "2026-01-02T03:04:05Z"
HOSTILE = "</style><script>alert(1)</script>\"'&\u202e\x00\x1b[31m ]]> ${x} --> \ud800"
STALL = 4  # the slice in which nothing is answered
CHECKS = (
    CheckRow(name="isolation", result="Passed", control="Caught", observed="0 of 5,000 probes", limit="0 crossings", detectable="0.06%"),
    CheckRow(name="memoryGrowth", result="Inconclusive", control="Missed", message="the control was not found: use a longer test"),
)


def histogram(*values_ms: float) -> Any:
    made = Histogram()
    for value in values_ms:
        made.record(int(value * MS))
    return made.encode()


def rich_series(plan: Plan, scenario: str, step: str, dice: random.Random, base_ms: float, seconds: int, corrected: bool) -> SeriesPart:
    """A hundred calls a slice around `base_ms` with a long tail; nothing in slice STALL; some failures after it."""
    times = {n: [base_ms * (0.7 + dice.expovariate(2.0)) for _ in range(0 if n == STALL else 100)] for n in range(seconds)}
    every = [t for slice_times in times.values() for t in slice_times]
    errors = {"Status503": 3, "Timeout": 1} if seconds > STALL else {}
    series = a_series(
        plan, every, errors=errors, corrected=corrected, cache={"hit": len(every) * 3 // 4, "fwd=miss": len(every) // 4}, opened=8
    )
    slices = tuple(
        SlicePart(number=n, completed=len(t), failed=4 * (n == STALL + 1) if errors else 0, latency=histogram(*t))
        for n, t in times.items()
        if t
    )
    timings = TimingsPart(
        queue=histogram(*(t * 0.05 for t in every)),
        connect=histogram(*[0.4] * 8),
        first_byte=histogram(*(t * 0.8 for t in every)),
        last_byte=histogram(*(t * 0.15 for t in every)),
    )
    return replace(series, scenario=scenario, step=step, slices=slices, timings=timings)


def rich_result(plan: Plan, base_ms: dict[str, float]) -> Result:
    """One runner; every phase with load has series, the generator is at ease. Windows hold the series whole, as one runner's merge does."""
    dice = random.Random(7)
    healthy = GeneratorPart(
        loop_lag=histogram(*[0.2] * 200), start_lag=histogram(*[0.1] * 200), cpu_ms=300, wall_ms=1000, gc_ms=2, memory_bytes=48 << 20
    )
    phases = []
    for number, phase in enumerate(plan.phases):
        seconds, corrected = phase.duration_ms // 1000, plan.stage(phase.stage).model == "Open"
        series = tuple(
            rich_series(plan, scenario.name, step.name, dice, base_ms[phase.target], seconds, corrected)
            for scenario in plan.scenarios
            for step in scenario.steps
            if phase.kind not in ("Drain", "Idle")
        )
        phases.append(PhasePart(phase=number, held_ms=phase.duration_ms, series=series, generator=healthy))
    result = merge(plan, [replace(a_part(plan, {}), phases=tuple(phases))])
    alone = [replace(w, steps=p.series, generator=healthy) for w, p in zip(result.windows, phases, strict=True)]
    memory = tuple(MemorySample(at_ms=at, bytes=(64 << 20) + at * 40) for at in range(0, plan.duration_ms, 2000))
    return replace(result, windows=tuple(alone), memory=memory)


def compared_report(repeats: int = 5, layers_ms: float = 4.0) -> Report:
    """Layers against Direct, two stages, warm-up, checks, thresholds that hold."""
    stages = [{"name": "c10", "users": 10, "duration": "8s"}, {"name": "r500", "ratePerSecond": 500, "duration": "8s", "maxInFlight": 100}]
    bounds = [{"name": "p95", "metric": "latency.p95", "max": "50ms"}, {"name": "errors", "metric": "errors.percent", "max": "1%"}]
    plan = comparison_plan(repeats, stages=stages, thresholds=bounds, warmup="3s")
    result = rich_result(plan, {"Direct": 12.0, "Layers": layers_ms})
    verdict = replace(judge(plan, result), checks=CHECKS)
    return as_report(plan, result, verdict, finished_at=FINISHED)


def failed_report() -> Report:
    """One closed stage, a broken threshold, one that nothing was measured for."""
    bounds = [{"name": "fast", "metric": "latency.p95", "max": "1ms"}, {"name": "hits", "metric": "cache.hitPercent", "min": "10%"}]
    plan = a_plan(thresholds=bounds)
    series = a_series(plan, [5, 7, 9], errors={"Reset": 1}, censored_ms=[8.0])
    result = merge(plan, [a_part(plan, {n: series for n, p in enumerate(plan.phases) if p.kind == "Hold"})])
    return as_report(plan, result, judge(plan, result), finished_at=FINISHED, unenforced=("stages[s].ramp",))


def lost_report() -> Report:
    """No part has come: nothing to show, and it says so."""
    plan = comparison_plan(5)
    result = merge(plan, [])
    return as_report(plan, result, judge(plan, result))


def hostile(value: Any) -> Any:
    """The same JSON document with every free text made hostile; names of fields and of known words stay."""
    known = {"Hold", "WarmUp", "Drain", "Ramp", "Settle", "Idle", "Direct", "Layers", "Closed", "Open", "Passed", "Failed", "Inconclusive"}
    known |= {
        "Improved",
        "Regressed",
        "NoChange",
        "NoData",
        "LowerBound",
        "Caught",
        "Missed",
        "NotRun",
        "Constant",
        "System",
        "DNS",
        "None",
        "Random",
    }
    known |= {
        "ms",
        "percent",
        "perSecond",
        "count",
        "ns",
        "isolation",
        "memoryGrowth",
        "degradation",
        "Stored",
        "Sequential",
        "UniquePerUser",
    }
    if isinstance(value, dict):
        return {name: _member(name, member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [hostile(item) for item in value]
    return value + HOSTILE if isinstance(value, str) and value not in known else value


def _member(name: str, member: Any) -> Any:
    if name in ("rate", "rateFrom", "metric"):
        return member
    if name in ("errors", "outcomes", "cache") and isinstance(member, dict) and member and all(isinstance(n, int) for n in member.values()):
        return {HOSTILE + kind: n for kind, n in member.items()}
    return hostile(member)


def golden_report() -> Report:
    """A small report whose every figure is fixed here, so that no change of a judgement or of a format's version changes its files."""
    base = failed_report()
    rows = (
        ThresholdRow(
            name="p95",
            metric="latency.p95",
            stage="s",
            unit="ms",
            limit="must be at most 50ms",
            samples=1200,
            max=50.0,
            observed=31.4,
            result="Passed",
        ),
        ThresholdRow(
            name="hits",
            metric="cache.hitPercent",
            stage="",
            unit="percent",
            limit="must be at least 10%",
            samples=0,
            result="NoData",
            message="cache.hitPercent has no samples",
        ),
    )
    better = ComparisonRow(
        metric="latency.p95", stage="s", unit="ms", repeats=5, baseline=40.0, candidate=31.4, change=0.785, interval=(0.71, 0.86), p=0.008
    )
    alike = ComparisonRow(
        metric="throughput",
        stage="s",
        unit="perSecond",
        repeats=5,
        baseline=100.0,
        candidate=101.0,
        change=1.01,
        interval=(0.98, 1.04),
        p=0.5,
    )
    compared = (replace(better, result="Improved"), replace(alike, result="NoChange", message="within the noise band of 3%"))
    return replace(
        base,
        plan_hash="0f" * 32,
        versions=Versions(slipstream="1.2.3", plan=1, result=1, histogram=1),
        result="Passed",
        reasons=(Reason(code="Passed", message="all thresholds hold"),),
        thresholds=rows,
        comparison=compared,
        checks=CHECKS,
        trigger="PolicyChange",
        policies=(
            PolicyInForce(kind="CachePolicy", name="recall", generation=7, hash="1f2e3d4c"),
            PolicyInForce(kind="ConnectionPool", name="memory", generation=2, hash="5a6b7c8d"),
        ),
        sidecars=SidecarCounters(
            before={"requests": 40, "hits": 10}, after={"requests": 1240, "hits": 910}, difference={"requests": 1200, "hits": 900}
        ),
    )
