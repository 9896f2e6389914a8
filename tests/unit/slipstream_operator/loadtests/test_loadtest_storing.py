"""How a result gets into its ConfigMap: it fits, whatever was measured, and a refusal ends the run instead of holding it up."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_loadtest.measured.part import PhasePart, SeriesPart, encode_part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.report.bounded import CONFIG_MAP_BYTES
from slipstream_loadtest.report.document import as_json, read_report
from slipstream_operator.errors import Invalid
from slipstream_operator.kube.kinds import Kind
from slipstream_operator.loadtests.applying import outcome as outcomes
from slipstream_operator.loadtests.applying.fitting import CONFIG_MAP_LIMIT, decoded
from slipstream_operator.loadtests.applying.outcome import Besides, Outcome, outcome, with_status
from slipstream_operator.loadtests.deciding.actions import Conclude
from tests.fakes.loadtest_plans import STEP, a_part, a_series, comparison_plan
from tests.fakes.loadtest_reports import rich_series
from tests.fakes.loadtest_world import NS, World, finished, new_world

RESULT = "slipstream-lt-recall-1-result"
RECORDS = {"policies": [{"kind": "CachePolicy", "name": "n" * 60, "generation": 1, "hash": "0" * 12}] * 32}


def measured(stages: int, scenarios: int, repeats: int, seconds: int) -> Outcome:
    """A judged run of that size, each of its windows with one of sixteen sets of figures over `seconds`; of 0: five calls each."""
    steps = [{"name": f"c{n}", "steps": [STEP]} for n in range(scenarios)]
    plan = comparison_plan(repeats, stages=[{"name": f"s{n}", "users": 1, "duration": "60s"} for n in range(stages)], scenarios=steps)
    dice = random.Random(1)
    some = [
        rich_series(plan, "c0", "get", dice, 5.0 + dice.random() * 20, seconds, corrected=False)
        if seconds
        else a_series(plan, [5.0 + dice.random() for _ in range(5)])
        for _ in range(16)
    ]
    part = replace(a_part(plan, {}), phases=tuple(_phase(plan, n, some) for n in range(len(plan.phases))))
    return outcome(plan, "r", [encode_part(part)], Conclude(), None, Besides(RECORDS))


def _phase(plan: Plan, number: int, some: list[SeriesPart]) -> PhasePart:
    names = [(c.name, s.name) for c in plan.scenarios for s in c.steps] if plan.phases[number].kind == "Hold" else []
    series = tuple(replace(some[(number * 7 + at) % 16], scenario=c, step=s) for at, (c, s) in enumerate(names))
    return PhasePart(phase=number, held_ms=60_000, series=series)


SIZES = [(50, 20, 2, 0), (9, 2, 5, 18)]  # all stages and scenarios that the CRD allows, in repeats; few, of which much is packed


@pytest.mark.parametrize("size", SIZES)
def test_trap_t27_a_result_of_any_size_fits_into_a_config_map(size: tuple[int, int, int, int]) -> None:
    """Report, status, records and what later runs are compared with, together; with room to spare for what admission adds."""
    made = measured(*size)
    text = with_status(made)
    assert len(text.encode()) + decoded(made.measured) <= CONFIG_MAP_LIMIT - 60_000
    report = read_report(text)
    assert len(report.stages) == 2 * size[0]
    assert made.measured


def test_fitted_alone_it_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a report that is fitted without a look at what is stored beside it."""
    monkeypatch.setattr(outcomes, "as_json", lambda plan, result, verdict, max_bytes: as_json(plan, result, verdict))
    made = measured(*SIZES[1])
    assert len(made.document) <= CONFIG_MAP_BYTES
    assert len(with_status(made)) + decoded(made.measured) > CONFIG_MAP_LIMIT


async def refusing(forms: int) -> tuple[World, list[str]]:
    """A world whose API server refuses so many forms of a result, and which it has refused."""
    world, refused = await new_world(), list[str]()
    was = world.kube.before
    assert was is not None

    async def before(method: str, kind: Kind, name: str) -> None:
        if method == "create" and name.endswith("-result") and len(refused) < forms:
            refused.append(name)
            raise Invalid("POST configmaps: 422 Too long: must have at most 1048576 bytes")
        await was(method, kind, name)

    world.kube.before = before
    return world, refused


def stored(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.kube.objects["configmaps", NS, RESULT]
    return found


async def test_a_result_that_is_refused_is_stored_without_what_a_baseline_needs() -> None:
    """The verdict stands, the message says what is missing, and no later run is compared with it."""
    world, _ = await refusing(1)
    world.apply(comparison={"baseline": "LastPassed", "repeats": 6})
    await world.until(lambda: finished(world))
    assert world.reason() == "Passed"
    assert "stored without what a later run could be compared with" in world.message()
    assert "binaryData" not in stored(world)
    assert json.loads(stored(world)["data"]["result.json"])["measured"]
    world.apply(comparison={"baseline": "LastPassed", "repeats": 6}, rerun="2")
    await world.until(lambda: finished(world, 2))
    assert "there is no earlier result" in world.message()


async def test_a_result_that_is_refused_twice_is_stored_as_a_verdict() -> None:
    """It is a report still, and the status is in it for a restart."""
    world, _ = await refusing(2)
    world.apply()
    await world.until(lambda: finished(world))
    report = read_report(stored(world)["data"]["result.json"])
    assert (world.reason(), report.result, report.measured, report.plan) == ("Passed", "Passed", None, None)
    assert len(set(report.omitted)) == len(report.omitted) >= 3
    assert isinstance(report.status, dict)


async def test_a_result_that_is_never_taken_ends_the_run_all_the_same() -> None:
    """Inconclusive, without a result that one could look for; and the next in line begins."""
    world, refused = await refusing(3)
    world.apply("recall")
    world.apply("other")
    await world.until(lambda: finished(world), "recall", "other")
    assert world.reason() == "Inconclusive"
    assert "the result can't be stored: POST configmaps: 422 Too long" in world.message()
    assert world.status().get("resultRef") is None
    assert "result" not in world.status()["history"][0]
    assert refused == [RESULT] * 3
    await world.until(lambda: finished(world, 1, "other"), "recall", "other")
    assert (world.reason("other"), world.results()) == ("Passed", ["slipstream-lt-other-1-result"])


@pytest.mark.parametrize(("what", "words"), [("-plan", "the plan can't be stored"), ("", "the Job is refused")])
async def test_a_run_whose_objects_are_refused_ends(what: str, words: str) -> None:
    """Not after the time for its start, but at once: what is refused as it is stays refused."""
    world = await new_world()

    async def before(method: str, kind: Kind, name: str) -> None:
        if method == "create" and name == f"slipstream-lt-recall-1{what}":
            raise Invalid("422 no")

    world.kube.before = before
    world.apply()
    await world.until(lambda: finished(world), within=5)
    assert world.reason() == "Inconclusive"
    assert words in world.message()
