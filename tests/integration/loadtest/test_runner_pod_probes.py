"""A runner pod's probes: the part that it hands over has what was found, and an order to abort ends them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.runner_process import RunnerProcess, ended
from tests.fakes.session_server import SessionServer, session_server
from tests.integration.loadtest.test_check_runs import isolation, plan_of


async def launched(folder: Path, plan: Plan) -> RunnerProcess:
    runner = RunnerProcess(folder, plan)
    await runner.launch()
    await runner.wait_for("Ready")
    await runner.start()
    return runner


async def writing(server: SessionServer) -> None:
    """Until the first session has written."""
    wrote = asyncio.Event()
    server.on_write = wrote.set
    await asyncio.wait_for(wrote.wait(), 20)


async def test_the_part_of_a_pod_has_probes_and_memory(tmp_path: Path) -> None:
    """As a local run's."""
    async with session_server() as server:
        runner = await launched(tmp_path, plan_of(server, duration="1200ms", checks=isolation() | {"memoryGrowth": {}}))
        await runner.wait_for("Done")
        part = decode_part((await runner.request("GET", "/part"))[1])
        await ended(runner)
    assert part.isolation is not None
    assert (part.isolation.sessions, part.isolation.probes, part.isolation.failed, part.isolation.crossings) == (20, 120, 0, 0)
    assert part.isolation.control_crossings > 0
    assert len(part.memory) >= 2


@pytest.mark.parametrize("how", ["order", "sigterm"])
async def test_a_pod_that_is_told_to_end_ends_its_probes(tmp_path: Path, how: str) -> None:
    """By the operator's order or by the kubelet: aborted, with what there is, long before the probes would have been done."""
    async with session_server() as server:
        runner = await launched(tmp_path, plan_of(server, checks=isolation(rounds=1000)))
        await writing(server)
        if how == "order":
            payload = {"op": "Abort", "reason": "enough"}
            assert (await runner.request("POST", "/abort", runner.order("Command", payload)))[0] == 200
            await runner.wait_for("Aborted")
            part = decode_part((await runner.request("GET", "/part"))[1])
            await ended(runner)
        else:
            runner.process.terminate()
            code, (part,) = await runner.end()
            assert code == 0
    assert part.aborted == ("enough" if how == "order" else "the pod was told to stop")
    assert part.isolation is not None
    assert part.isolation.failed > 0


def test_a_pod_without_checks_keeps_its_time() -> None:
    """Nothing is waited for after the last phase."""
    plan = a_plan()
    assert plan.longest_ms == plan.duration_ms
