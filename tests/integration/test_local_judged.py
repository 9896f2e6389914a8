"""Local runs that the judgement looks at while they go on, runners that are lost, and results that later runs are compared with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_cli.baseline import watch
from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop, run_local
from tests.fakes.commands import SLIPSTREAM, Process
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.scripted_target import ScriptedTarget, scripted_target

BROKEN = {"name": "wrong", "metric": "errors.percent", "max": "1", "abort": True}


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


def plan_for(target: ScriptedTarget, path: str, *, runners: int = 1, seconds: int = 60, **members: Any) -> Plan:
    stages = [{"name": "s", "users": 4, "duration": f"{seconds}s"}]
    scenarios = [{"name": "r", "steps": [{"name": "get", "http": {"path": path}}]}]
    return a_plan(Routes(direct=Route(url=target.url)), stages=stages, scenarios=scenarios, runners={"count": runners}, **members)


@pytest.mark.parametrize("runners", [1, 2])
async def test_trap_t21_a_broken_bound_ends_a_run_that_drains_merges_and_is_failed(target: ScriptedTarget, runners: int) -> None:
    """All answers are errors: a minute's run ends within seconds, with the parts of all runners."""
    plan, stop = plan_for(target, "/status/503", runners=runners, thresholds=[BROKEN]), Stop()
    async with asyncio.timeout(40):
        done = await run_local(plan, on_parts=watch(plan, stop), abort=stop)
    assert done.result.received == tuple(range(runners))
    assert done.result.aborted.startswith("threshold wrong: errors.percent is 100%")
    verdict = judge(plan, done.result)
    assert (verdict.result, verdict.reasons[0].code) == ("Failed", "ThresholdsFailed")


async def test_who_is_told_of_a_run_and_fails_is_heard(target: ScriptedTarget) -> None:
    """An exception of the caller's own is its own, and no runner's loss."""

    def fail(parts: list[Part]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run_local(plan_for(target, "/things", seconds=2), on_parts=fail)


async def test_a_bound_that_holds_ends_nothing(target: ScriptedTarget) -> None:
    """The control: the same with answers that are right."""
    plan, stop = plan_for(target, "/things", seconds=2, thresholds=[BROKEN]), Stop()
    done = await run_local(plan, on_parts=watch(plan, stop), abort=stop)
    assert done.result.aborted == ""
    assert [row.result for row in judge(plan, done.result).thresholds] == ["Passed"]


@pytest.mark.parametrize("lost", [0, 1])
async def test_the_others_are_told_of_whoever_is_killed(target: ScriptedTarget, lost: int) -> None:
    """The first runner as well as the last: progress goes on each second, with what the dead one has counted and without its rate."""
    plan = plan_for(target, "/slow?ms=5", runners=2, seconds=4)
    told: list[Progress] = []
    both: list[list[Part]] = []

    def kill(found: list[Part]) -> None:
        if len(found) == 2:
            both.append(found)
            if len(both) == 1:
                os.kill(int(found[lost].attempt), signal.SIGKILL)

    async with asyncio.timeout(40):
        done = await run_local(plan, on_parts=kill, on_progress=told.append)
    assert done.result.lost == (lost,)
    assert len(both) >= 3
    assert max(moment.phase for moment in told) == 0
    assert told[-1].completed > told[0].completed
    assert max(moment.in_flight for moment in told) > 2 >= told[-1].in_flight  # two users each, without a pause


@pytest.mark.parametrize("may_be_lost", [0, 1])
async def test_trap_t15_a_runner_that_is_killed_is_lost_and_said(target: ScriptedTarget, may_be_lost: int) -> None:
    """Its snapshots are no part, and tell what it is known to have done. As many as may be lost leave a verdict with what was offered."""
    plan = replace(plan_for(target, "/slow?ms=5", runners=2, seconds=3), max_lost=may_be_lost)
    killed: set[int] = set()

    def kill(parts: list[Part]) -> None:
        for part in parts:
            if part.index == 1 and not killed:
                killed.add(int(part.attempt))
                os.kill(int(part.attempt), signal.SIGKILL)

    async with asyncio.timeout(40):
        done = await run_local(plan, on_parts=kill)
    assert killed
    assert (done.result.received, done.result.lost) == ((0,), (1,))
    verdict = judge(plan, done.result)
    (said,) = [reason for reason in verdict.reasons if reason.code == "LostRunner"]
    assert "1 of 2 runners reported (lost: 1)" in said.message
    (known,) = done.result.known
    assert (known.index, known.completed > 0, known.until_ms > 500) == (1, True, True)
    assert f"runner 1 had offered {known.offered} calls by " in said.message
    assert sum(step.offered for window in done.result.windows for step in window.steps) + known.offered <= len(target.requests)
    if not may_be_lost:
        assert (verdict.result, verdict.reasons[0]) == ("Inconclusive", said)
    else:
        assert verdict.reasons[0] != said


def spec_file(folder: Path, url: str, baseline: str, path: str) -> Path:
    spec = {
        "target": {"url": url},
        "comparison": {"baseline": baseline, "repeats": 4, "metrics": ["latency.p50"], "gate": "Enforce"},
        "stages": [{"name": "s", "users": 2, "duration": "300ms"}],
        "scenarios": [{"name": "r", "steps": [{"name": "get", "http": {"path": path}}]}],
    }
    document = {"apiVersion": "slipstream.dev/v1alpha1", "kind": "LoadTest", "metadata": {"name": "memory"}, "spec": spec}
    file = folder / "test.yaml"
    file.write_text(json.dumps(document))
    return file


async def run(*arguments: str | Path) -> tuple[int, str]:
    process = await Process.start(*SLIPSTREAM, "loadtest", *map(str, arguments))
    return await process.end(), process.said


async def test_a_stored_result_is_the_baseline_of_the_next_run(target: ScriptedTarget, tmp_path: Path) -> None:
    """The first has none and says so; the second, on a target that takes a multiple of the time, has regressed: exit code 99."""
    stored, second = tmp_path / "first.json", tmp_path / "second.json"
    code, said = await run("-f", spec_file(tmp_path, target.url, "LastPassed", "/slow?ms=10"), "--report", stored)
    first = json.loads(stored.read_text())
    assert "NoBaseline" in {reason["code"] for reason in first["reasons"]}
    assert (code == 0) == (first["result"] == "Passed"), said
    document = json.loads(stored.read_text())
    slower = json.dumps(document).replace("/slow?ms=10", "/slow?ms=80")  # the same load on paper, on a target that has become slower
    stored.write_text(slower)
    test = spec_file(tmp_path, target.url, "LastPassed", "/slow?ms=80")
    code, said = await run("-f", test, "--report", second, "--baseline", stored)
    result = json.loads(second.read_text())
    (row,) = result["comparison"]
    assert row["metric"] == "latency.p50"
    assert row["change"] > 2
    assert row["repeats"] == 4
    codes = {reason["code"] for reason in result["reasons"]}
    assert code in ((99,) if row["result"] == "Regressed" and "GeneratorSaturated" not in codes else (3,)), said
    assert "Baseline" in codes


async def test_a_baseline_that_does_not_fit_is_refused_before_the_run(target: ScriptedTarget, tmp_path: Path) -> None:
    """Another load, no result at all, no file, a test that doesn't compare: usage, and nothing is sent."""
    stored = tmp_path / "first.json"
    await run("-f", spec_file(tmp_path, target.url, "LastPassed", "/slow?ms=5"), "--report", stored)
    sent = len(target.requests)
    other = spec_file(tmp_path, target.url, "LastPassed", "/slow?ms=6")
    code, said = await run("-f", other, "--baseline", stored)
    assert (code, "scenarios.r.steps differs from the baseline's" in said.replace("\n", " ")) == (2, True), said
    (tmp_path / "empty.json").write_text("{}")
    for file in ("empty.json", "nowhere.json"):
        code, said = await run("-f", other, "--baseline", tmp_path / file)
        assert (code, "--baseline" in said) == (2, True), said
    code, said = await run("-f", spec_file(tmp_path, target.url, "None", "/slow?ms=5"), "--baseline", stored)
    assert (code, "the test doesn't ask for one" in said) == (2, True), said
    assert len(target.requests) == sent
