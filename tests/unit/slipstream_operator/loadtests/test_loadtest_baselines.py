"""Comparisons with earlier runs through the operator, on a fake clock: the last that passed, one that is named, one that isn't there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from slipstream_operator.errors import Invalid
from slipstream_operator.kube.kinds import CONFIG_MAP, Kind
from tests.fakes.loadtest_world import NS, World, finished, new_world

LAST = {"baseline": "LastPassed", "repeats": 6, "gate": "Enforce"}
STAGES = [{"name": "s", "users": 2, "duration": "10s"}]


@pytest.fixture
async def world() -> World:
    return await new_world()


async def run(world: World, number: int, latency_ms: float, name: str = "recall", **spec: Any) -> str:
    """One more run of a target that takes so long; how it ended."""
    world.latency_ms = latency_ms
    world.apply(name, rerun=str(number), **spec)
    await world.until(lambda: finished(world, number, name), name)
    return world.reason(name)


def compared(world: World, name: str = "recall") -> set[str]:
    return {row["result"] for row in world.status(name).get("comparison") or ()}


def named(test: str, number: int, **more: Any) -> dict[str, Any]:
    return {"baseline": "Result", "resultRef": {"name": f"slipstream-lt-{test}-{number}-result"}, "repeats": 6, **more}


async def test_a_regression_against_the_last_run_that_passed_fails(world: World) -> None:
    """The first has none and passes; a slow one fails, by its name, and never becomes what the next is compared with."""
    assert await run(world, 1, 5.0, comparison=LAST) == "Passed"
    assert (world.status()["reasons"], compared(world)) == (["Passed", "NoBaseline"], set())
    assert await run(world, 2, 5.0, comparison=LAST) == "Passed"
    assert compared(world) == {"NoChange"}
    for number in (3, 4):
        assert await run(world, number, 50.0, comparison=LAST) == "Regressed"
        assert "Regressed" in compared(world)
        assert re.search(r"Baseline: compared with run \S+/2,", world.message())
        assert (world.reason(type_="Stalled"), world.reason(type_="ThresholdsMet")) == ("Regressed", "AllPassed")
        assert world.status()["summary"]["delta"].startswith("+8")
    assert await run(world, 5, 5.0, comparison=LAST) == "Passed"
    assert [record["reason"] for record in world.status()["history"]] == ["Passed", "Regressed", "Regressed", "Passed", "Passed"]


async def test_with_gate_report_a_regression_is_said(world: World) -> None:
    """The control: the same figures pass."""
    asked = LAST | {"gate": "Report"}
    assert await run(world, 1, 5.0, comparison=asked) == "Passed"
    assert await run(world, 2, 50.0, comparison=asked) == "Passed"
    assert "Reported" in world.status()["reasons"]
    assert "Regressed" in compared(world)


async def test_the_last_run_that_passed_outlives_the_history_and_the_operator(world: World) -> None:
    """Slow runs later, and in another process, it is still the baseline."""
    spec = {"comparison": LAST, "history": {"passed": 0, "failed": 1}}
    assert await run(world, 1, 5.0, **spec) == "Passed"
    for number in range(2, 6):
        assert await run(world, number, 50.0, **spec) == "Regressed"
        await world.operator()
    assert world.results() == ["slipstream-lt-recall-1-result", "slipstream-lt-recall-5-result"]


async def test_a_result_that_was_stored_without_its_figures_displaces_no_baseline(world: World) -> None:
    """The last that passed and can be compared with is kept, not the one after it."""
    spec, was, refused = {"comparison": LAST, "history": {"passed": 0, "failed": 1}}, world.kube.before, list[str]()
    assert was is not None

    async def before(method: str, kind: Kind, name: str) -> None:
        if method == "create" and name == "slipstream-lt-recall-2-result" and not refused:
            refused.append(name)
            raise Invalid("422 Too long")
        await was(method, kind, name)

    world.kube.before = before
    assert [await run(world, number, 5.0, **spec) for number in (1, 2)] == ["Passed", "Passed"]
    assert "ResultCut" in world.status()["reasons"]
    assert await run(world, 3, 50.0, **spec) == "Regressed"


async def test_a_run_with_another_load_begins_anew(world: World) -> None:
    """It is compared with nothing, passes, and is the next one's baseline."""
    assert await run(world, 1, 5.0, comparison=LAST) == "Passed"
    more = [{**STAGES[0], "users": 4}]
    assert await run(world, 2, 50.0, comparison=LAST, stages=more) == "Passed"
    assert "NoBaseline" in world.status()["reasons"]
    assert await run(world, 3, 50.0, comparison=LAST, stages=more) == "Passed"
    assert compared(world) == {"NoChange"}


async def test_a_named_result_of_another_test_is_the_baseline(world: World) -> None:
    """Whatever has passed since; and one whose load was another is refused by name of the field."""
    await run(world, 1, 5.0, "reference", comparison={"baseline": "LastPassed", "repeats": 6})
    asked = named("reference", 1, gate="Enforce")
    assert await run(world, 1, 50.0, comparison=asked) == "Regressed"
    assert await run(world, 2, 5.0, comparison=asked) == "Passed"
    assert compared(world) == {"NoChange"}
    assert await run(world, 3, 5.0, comparison=asked, stages=[{**STAGES[0], "users": 4}]) == "Inconclusive"
    assert world.status()["reasons"][0] == "BaselineUnlike"
    assert "stages.s.users differs from the baseline's: 4 now, 2 then" in world.message()


async def test_a_named_result_that_is_not_there_blocks_the_run_until_it_is(world: World) -> None:
    """No run is begun for it, the status says what is missing, and nobody has to touch the test once it is there."""
    world.apply(comparison=named("reference", 1, gate="Enforce"))
    for _ in range(5):
        await world.look()
    reasons = [world.reason(type_=t) for t in ("ResolvedRefs", "Ready", "Stalled")]
    assert reasons == ["BaselineNotFound"] * 3
    assert "there is no ConfigMap slipstream-lt-reference-1-result" in world.message(type_="ResolvedRefs")
    assert (world.status().get("run"), world.jobs_made) == (None, [])
    await run(world, 1, 5.0, "reference", comparison={"baseline": "LastPassed", "repeats": 6}, queue="another")
    await world.until(lambda: finished(world))
    assert (world.reason(), world.reason(type_="ResolvedRefs"), compared(world)) == ("Passed", "ResolvedRefs", {"NoChange"})
    assert world.reason(type_="Stalled") == ""


async def test_a_named_result_that_goes_during_the_run_is_no_first_run(world: World) -> None:
    """With gate Enforce nothing was compared, and nothing passes."""
    await run(world, 1, 5.0, "reference", comparison={"baseline": "LastPassed", "repeats": 6})
    world.apply(comparison=named("reference", 1, gate="Enforce"))
    await world.until(lambda: world.reason() == "Running")
    world.kube.remove(CONFIG_MAP, NS, "slipstream-lt-reference-1-result")
    await world.until(lambda: finished(world))
    assert (world.reason(), world.status()["reasons"]) == ("Inconclusive", ["BaselineUnlike"])
