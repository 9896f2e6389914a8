"""Parts while a run goes on: of a runner pod over HTTP, and of local runners; each adds up, and they end as the last word does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import LIVE, Part, decode_part, digest
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import run_local
from slipstream_loadtest.runner.server import DIGEST_HEADER
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.runner_process import RunnerProcess, ended, requests_seen
from tests.fakes.scripted_target import ScriptedTarget, scripted_target

THINK = {"type": "Constant", "mean": "20ms"}


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


def plan_for(target: ScriptedTarget, *, runners: int = 1, duration: str = "2500ms") -> Plan:
    stages = [{"name": "s", "users": 4, "duration": duration, "ramp": "500ms", "settle": "100ms"}]
    scenarios = [{"name": "r", "steps": [{"name": "get", "http": {"path": "/things"}}], "thinkTime": THINK}]
    return a_plan(Routes(direct=Route(url=target.url)), stages=stages, scenarios=scenarios, runners={"count": runners})


async def test_a_runner_says_at_any_time_what_has_ended(tmp_path: Path, target: ScriptedTarget):
    """404 before the start; then parts that grow, and can be asked for from a phase on; after the end the part itself."""
    runner = RunnerProcess(tmp_path, plan_for(target, duration="60s"))
    await runner.launch()
    try:
        await runner.wait_for("Ready")
        assert (await runner.request("GET", "/part/progress"))[0] == 404
        await runner.start()
        await runner.wait_for("Running")
        await requests_seen(target, 20)
        status, data, headers = await runner.request("GET", "/part/progress")
        early = decode_part(data)
        assert (status, headers[DIGEST_HEADER], early.aborted, early.run) == (200, digest(data), LIVE, "uid-1/1")
        await requests_seen(target, 120)
        later = decode_part((await runner.request("GET", "/part/progress"))[1])
        assert later.offered > early.offered > 0
        tail = decode_part((await runner.request("GET", "/part/progress?since=2"))[1])
        assert [phase.phase for phase in tail.phases] == [2]
        assert (await runner.request("GET", "/part/progress?since=x"))[0] == 400
        await runner.request("POST", "/abort", runner.order("Command", {"op": "Abort", "reason": "enough"}))
        state = await runner.wait_for("Aborted")
        last = decode_part((await runner.request("GET", "/part/progress"))[1])
        assert (last.aborted, last.offered) == ("enough", len(target.requests))
        await runner.request("POST", "/ack", json.dumps({"digest": state["digest"]}).encode())
        code, parts = await runner.end()
        assert (code, parts) == (0, [last])
    finally:
        await ended(runner)


async def test_a_killed_runner_has_said_what_it_measured(tmp_path: Path, target: ScriptedTarget):
    """SIGKILL in the ramp: no last word, but whoever had asked has a part that adds up to what the target has seen until then."""
    runner = RunnerProcess(tmp_path, plan_for(target, duration="60s"))
    await runner.launch()
    try:
        await runner.wait_for("Ready")
        await runner.start()
        await runner.wait_for("Running")
        await requests_seen(target, 10)
        part = decode_part((await runner.request("GET", "/part/progress"))[1])
        runner.process.kill()
        _, parts = await runner.end()
        assert parts == []
        assert 0 < part.offered <= len(target.requests)
        assert merge(runner.plan, [part]).windows[0].steps[0].completed > 0
    finally:
        await ended(runner)


@pytest.mark.parametrize("runners", [1, 2])
async def test_local_runners_tell_their_parts_each_second(target: ScriptedTarget, runners: int):
    """In this process and from children: one part a runner, growing, never more than the last word."""
    told: list[list[Part]] = []
    plan = plan_for(target, runners=runners)
    done = await run_local(plan, on_parts=told.append)
    assert done.result.lost == ()
    assert len(told) >= 2
    assert {part.index for part in told[-1]} == set(range(runners))
    offered = [sum(part.offered for part in parts) for parts in told]
    assert offered == sorted(offered)
    assert 0 < offered[-1] <= sum(part.offered for part in map(decode_part, done.parts)) == len(target.requests)
    merge(plan, told[-1])
