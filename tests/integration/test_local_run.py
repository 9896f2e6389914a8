"""Local runs: in this process and over child processes, the same parts and the same merge; interrupted, they report what there is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop, run_local
from tests.fakes.loadtest_plans import URL, a_plan
from tests.fakes.scripted_target import ScriptedTarget, scripted_target


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


def plan_for(target: ScriptedTarget, *, runners: int = 1, **members: Any) -> Plan:
    stages = [{"name": "s", "users": 4, "duration": "200ms"}]
    scenarios = [{"name": "r", "steps": [{"name": "get", "http": {"path": "/things?u=${user}"}}]}]
    routes = Routes(direct=Route(url=target.url), layers=Route(url=target.url) if "comparison" in members else None)
    return a_plan(routes, **({"stages": stages, "scenarios": scenarios, "runners": {"count": runners}} | members))


async def test_one_runner_runs_in_this_process(target: ScriptedTarget):
    """Plan, run, merge, verdict."""
    plan = plan_for(target, thresholds=[{"name": "e", "metric": "errors.percent", "max": 0}])
    done = await run_local(plan)
    assert done.result.windows[0].steps[0].completed == len(target.requests) > 10
    verdict = judge(plan, done.result)
    assert [row.result for row in verdict.thresholds] == ["Passed"]


async def test_runners_are_processes_that_share_the_load(target: ScriptedTarget):
    """Two processes: every user exactly once among them, all parts merged, nothing sent twice."""
    plan = plan_for(target, runners=2)
    done = await run_local(plan)
    assert (done.result.received, done.result.lost) == ((0, 1), ())
    assert sum(step.offered for window in done.result.windows for step in window.steps) == len(target.requests)
    users = [{r.query["u"] for r in target.requests}]
    assert users == [{"0", "1", "2", "3"}]
    parts = list(map(decode_part, done.parts))
    assert sorted(part.index for part in parts) == [0, 1]
    assert len({int(part.attempt) for part in parts}) == 2


@pytest.mark.parametrize(("reuse", "result"), [(True, "Passed"), (False, "Failed")])
async def test_a_bound_on_reuse_holds_as_long_as_connections_stay(target: ScriptedTarget, reuse: bool, result: str):
    """Over the whole stage and in every second of it: users that keep their connections, and users that dial for each call."""
    bound = {"metric": "connections.reusePercent", "min": 80}
    thresholds = [{"name": "whole", **bound}, {"name": "always", "window": "1s", **bound}]
    stages = [{"name": "s", "users": 4, "duration": "2s"}]
    scenarios = [{"name": "r", "steps": [{"name": "get", "http": {"path": "/"}}], "thinkTime": {"type": "Constant", "mean": "20ms"}}]
    plan = plan_for(target, stages=stages, scenarios=scenarios, thresholds=thresholds, connections={"reuse": reuse})
    rows = judge(plan, (await run_local(plan)).result).thresholds
    assert [row.result for row in rows] == [result, result], rows
    assert rows[1].stretches == 2


@pytest.mark.parametrize("runners", [1, 2])
async def test_an_interrupted_run_reports_what_there_is(target: ScriptedTarget, runners: int):
    """Ctrl-C after the first progress: aborted, merged, inconclusive; not a minute later."""
    stop = Stop()
    told: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        told.append(progress)
        stop.set()

    plan = plan_for(target, runners=runners, stages=[{"name": "s", "users": 4, "duration": "60s"}])
    async with asyncio.timeout(20):
        done = await run_local(plan, on_progress=on_progress, abort=stop)
    assert told
    assert done.result.aborted == "interrupted"
    assert done.result.windows[0].steps[0].completed > 0
    assert judge(plan, done.result).reasons[0].code == "Aborted"


@pytest.mark.parametrize("runners", [1, 2])
async def test_a_target_that_can_not_be_resolved_is_said_before_anything_runs(runners: int):
    """The same message from this process and from a child."""
    plan = a_plan(Routes(direct=Route(url="http://does-not-exist.invalid:80")), runners={"count": runners})
    with pytest.raises(TargetUnusable, match=r"does-not-exist\.invalid can't be resolved"):
        await run_local(plan)


async def test_several_runners_do_not_fit_into_one_process():
    """Asked for explicitly, it is refused instead of measuring something else."""
    with pytest.raises(ValueError, match="can't be 2 runners"):
        await run_local(a_plan(URL, runners={"count": 2}), in_process=True)


async def test_a_comparison_measures_both_routes_in_turn(target: ScriptedTarget):
    """ABBA over real sockets; comparing a target with itself finds no change worth a word, whatever the machine does meanwhile."""
    stages = [{"name": "s", "users": 2, "duration": "60ms"}]
    plan = plan_for(target, stages=stages, comparison={"baseline": "Direct", "repeats": 2})
    done = await run_local(plan)
    held = [w for w in done.result.windows if w.judged]
    assert [(w.target, w.repeat) for w in held] == [("Direct", 0), ("Layers", 0), ("Layers", 1), ("Direct", 1)]
    assert all(w.steps[0].completed > 0 for w in held)
    assert {row.result for row in judge(plan, done.result).comparison} == {"Inconclusive"}
