"""What a judged run shows in a cluster: by what it failed, why it is inconclusive, and its thresholds apart from both; on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_api.models.status import LoadTestStatus
from slipstream_loadtest.measured.part import GeneratorPart, IsolationPart, MemorySample, Part
from slipstream_loadtest.plan.model import Plan
from slipstream_operator.kube.kinds import Kind
from tests.fakes.loadtest_plans import a_series
from tests.fakes.loadtest_world import Measured, World, finished, new_world

MIB = 1 << 20
HOLDS = {"name": "p95", "metric": "latency.p95", "max": "1s"}
BREAKS = {"name": "p95", "metric": "latency.p95", "max": "1ms"}
LEVELS = [{"name": f"u{users}", "users": users, "duration": "30s"} for users in (1, 2)]
ISOLATION = IsolationPart(sessions=25, probes=1000, control_probes=10, control_crossings=10)


@pytest.fixture
async def world() -> World:
    return await new_world()


def sessions(crossings: int) -> Measured:
    """A target of which so many answers held another session's data."""
    return lambda plan, part: replace(part, isolation=replace(ISOLATION, crossings=crossings))


def memory(grows: int) -> Measured:
    """A target whose memory grows by so many bytes a second; the runner with index 0 reads it."""

    def measured(plan: Plan, part: Part) -> Part:
        samples = [MemorySample(at_ms=at, bytes=100 * MIB + grows * at // 1000) for at in range(0, plan.duration_ms, 500)]
        return replace(part, memory=tuple(samples) if part.index == 0 else ())

    return measured


def levels(*latencies_ms: float) -> Measured:
    """Each level of load with its own latency."""

    def measured(plan: Plan, part: Part) -> Part:
        held = [n for n, phase in enumerate(plan.phases) if phase.kind == "Hold"]
        made = {n: a_series(plan, [ms + at / 1000 for at in range(500)]) for n, ms in zip(held, latencies_ms, strict=True)}
        return replace(part, phases=tuple(replace(p, series=(made[p.phase],)) if p.phase in made else p for p in part.phases))

    return measured


def every_phase(change: Callable[[Plan, Any], Any]) -> Measured:
    """A change of each phase that was held."""

    def measured(plan: Plan, part: Part) -> Part:
        return replace(part, phases=tuple(change(plan, p) if p.series else p for p in part.phases))

    return measured


BUSY = every_phase(lambda plan, p: replace(p, generator=GeneratorPart(cpu_ms=p.held_ms, wall_ms=p.held_ms)))
DROPS = every_phase(lambda plan, p: replace(p, series=(a_series(plan, [5.0] * 50, dropped=50),)))
CHECK: dict[str, dict[str, Any]] = {
    "isolation": {"checks": {"isolation": {"sessions": 50}}},
    "memory": {"checks": {"memoryGrowth": {"max": "1Mi", "per": "5s"}}, "stages": LEVELS[1:]},
    "degradation": {"checks": {"degradation": {"maxIncreasePercent": 50}}, "stages": LEVELS},
}
FAILURES = [
    ({}, lambda plan, part: part, BREAKS, "ThresholdsFailed", ("False", "Failed")),
    (CHECK["isolation"], sessions(1), HOLDS, "IsolationBroken", ("True", "AllPassed")),
    (CHECK["isolation"], sessions(1), BREAKS, "ThresholdsFailed", ("False", "Failed")),
    (CHECK["memory"], memory(MIB), HOLDS, "MemoryGrows", ("True", "AllPassed")),
    (CHECK["degradation"], levels(5.0, 50.0), HOLDS, "Degrades", ("True", "AllPassed")),
    (CHECK["isolation"], sessions(1), None, "IsolationBroken", ("True", "AllPassed")),
]


def kill_after_the_result(world: World) -> None:
    """The status write behind it is the operator's end."""
    was = world.kube.before
    assert was is not None

    async def before(method: str, kind: Kind, name: str) -> None:
        if method == "create" and name.endswith("-result"):
            world.cut = world.writes + 1
        await was(method, kind, name)

    world.kube.before = before


def met(world: World) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in world.status()["conditions"] if c["type"] == "ThresholdsMet")


@pytest.mark.parametrize(("asked", "measured", "threshold", "reason", "thresholds"), FAILURES)
@pytest.mark.parametrize("killed", [False, True])
async def test_a_run_fails_by_the_name_of_what_broke(
    world: World, asked: Any, measured: Measured, threshold: Any, reason: str, thresholds: tuple[str, str], killed: bool
) -> None:
    """In Succeeded, Stalled and the history; ThresholdsMet tells of thresholds alone. Also when the operator dies after the result."""
    world.measured = measured
    world.apply(**asked, thresholds=[threshold] if threshold else [])
    await world.until(lambda: world.reason() == "Running")
    if killed:
        kill_after_the_result(world)
    await world.until(lambda: finished(world))
    assert world.results()
    assert world.cut is None
    assert (world.reason(), world.reason(type_="Stalled"), world.status()["history"][0]["reason"]) == (reason,) * 3
    assert met(world) == thresholds
    assert world.message(type_="ThresholdsMet").startswith("no ") is (threshold is None)
    assert world.message().startswith(f"{reason}: ")
    assert world.status()["reasons"][0] == reason
    assert "code" not in world.status()["history"][0]


@pytest.mark.parametrize("name", list(CHECK))
async def test_a_healthy_target_passes_the_same_checks(world: World, name: str) -> None:
    """The control."""
    world.measured = {"isolation": sessions(0), "memory": memory(0), "degradation": levels(5.0, 5.5)}[name]
    world.apply(**CHECK[name], thresholds=[HOLDS])
    await world.until(lambda: finished(world))
    assert (world.reason(), met(world), world.status()["reasons"]) == ("Passed", ("True", "AllPassed"), ["Passed"])


SHOWN = [
    ("isolation", sessions(1), "Failed", "2 crossings in 2000 answers", "one crossing in 666 answers (0.15%)"),
    ("isolation", sessions(0), "Passed", "0 crossings in 2000 answers", "one crossing in 666 answers (0.15%)"),
    ("memory", memory(MIB), "Failed", "grows by 5 MiB in 5s", "a leak of "),
    ("memory", memory(0), "Passed", "", "a leak of "),
    ("degradation", levels(5.0, 50.0), "Failed", "latency.p95 +821% from u1 (5.48ms) to u2 (50.5ms)", "an increase of 5"),
    ("degradation", levels(5.0, 5.5), "Passed", "latency.p95 +9% from u1", "an increase of 5"),
]


@pytest.mark.parametrize(("name", "measured", "result", "observed", "detectable"), SHOWN)
async def test_a_check_is_in_the_status_with_its_control(
    world: World, name: str, measured: Measured, result: str, observed: str, detectable: str
) -> None:
    """What it saw, its bound, the least that it could have found, and that the control was caught: enough to believe a pass."""
    world.measured = measured
    world.apply(**CHECK[name])
    await world.until(lambda: finished(world))
    (row,) = world.status()["checks"]
    assert (row["result"], row["control"]) == (result, "Caught")
    assert (row.get("observed", "").startswith(observed), row.get("detectable", "").startswith(detectable)) == (True, True), row
    assert row["limit"]
    LoadTestStatus.model_validate(world.status())
    world.measured = lambda plan, part: part
    world.apply(rerun="2")
    await world.until(lambda: world.status().get("run") == 2)
    assert world.status().get("checks") is None


async def test_a_check_that_saw_nothing_says_so(world: World) -> None:
    """No rows that look like a pass."""
    world.apply(**CHECK["isolation"])
    await world.until(lambda: finished(world))
    assert world.status()["checks"] == [
        {"name": "isolation", "result": "Inconclusive", "control": "NotRun", "limit": "no answer with another session's data"}
    ]


INCONCLUSIVE = [
    ({}, BUSY, "GeneratorSaturated", ("Unknown", "Inconclusive")),
    ({}, DROPS, "DroppedLoad", ("Unknown", "Inconclusive")),
    (CHECK["isolation"], lambda plan, part: part, "CheckInconclusive", ("True", "AllPassed")),
    ({}, lambda plan, part: replace(part, phases=tuple(replace(p, series=()) for p in part.phases)), "NoData", ("Unknown", "NoData")),
]


@pytest.mark.parametrize(("asked", "measured", "code", "thresholds"), INCONCLUSIVE)
async def test_an_inconclusive_run_has_its_code_where_a_script_finds_it(
    world: World, asked: Any, measured: Measured, code: str, thresholds: tuple[str, str]
) -> None:
    """The list of codes, before the message, and in the history, where the next run can't take it away."""
    world.measured = measured
    world.apply(**asked, thresholds=[HOLDS])
    await world.until(lambda: finished(world))
    assert world.reason() == "Inconclusive"
    assert (world.status()["reasons"][0], world.message().split(":")[0], world.status()["history"][0]["code"]) == (code,) * 3
    assert met(world) == thresholds


async def test_a_lost_runner_is_named_by_its_code(world: World) -> None:
    """First what ended the run, then what the verdict says of it."""
    world.apply()
    await world.until(lambda: world.reason() == "Running")
    world.kill(next(r for r in world.runners.values() if r.index == 1))
    await world.until(lambda: finished(world))
    assert world.status()["reasons"][:2] == ["RunnerLost", "LostRunner"]


async def test_codes_are_of_the_last_run(world: World) -> None:
    """A run that begins has none."""
    world.measured = BUSY
    world.apply()
    await world.until(lambda: finished(world))
    world.apply(rerun="2")
    await world.until(lambda: world.status().get("run") == 2)
    assert world.status().get("reasons") is None
