"""A bound on the target's memory that ends a run: of the command, of a runner in this process, and of a pod by its unfinished part."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from slipstream_cli.baseline import watch
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.part import Part, decode_part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop, run_local
from slipstream_operator.loadtests.gathering.live import so_far
from slipstream_operator.loadtests.judging import aborts
from tests.fakes.runner_process import RunnerProcess, ended
from tests.fakes.session_server import SessionServer, session_server
from tests.integration.loadtest.test_check_runs import STEP, plan_of

ENOUGH = 90_000_000  # bytes: ten megabytes more than the server begins with, which are 500 of its leaky answers


def bounded(server: SessionServer) -> Plan:
    """A minute of two users, unless the memory ends it."""
    bound = {"name": "memory", "metric": "target.memory", "max": f"{ENOUGH}", "abort": True}
    scenario = {"name": "s", "steps": [STEP], "thinkTime": {"type": "Constant", "mean": "2ms"}}
    return plan_of(server, duration="60s", scenarios=[scenario], thresholds=[bound], checks={"memoryGrowth": {}})


@pytest.mark.parametrize("in_process", [True, False])
async def test_memory_beyond_its_bound_ends_the_run(in_process: bool) -> None:
    """Long before its minute is over, and the verdict names the bound."""
    async with session_server("leaks-memory") as server:
        plan, stop = bounded(server), Stop()
        async with asyncio.timeout(40):
            run = await run_local(plan, in_process=in_process, on_parts=watch(plan, stop), abort=stop)
    assert run.result.aborted.startswith("threshold memory: target.memory is ")
    reasons = judge(plan, run.result).reasons  # a busy machine may add GeneratorSaturated, never take this one away
    assert "memory" in next(reason.message for reason in reasons if reason.code == "ThresholdsFailed")


async def test_memory_within_its_bound_ends_nothing() -> None:
    """Whoever ends the run is then somebody else."""
    async with session_server() as server:
        plan, stop = bounded(server), Stop()
        look = watch(plan, stop)
        assert look is not None
        told = 0

        def count(parts: list[Part]) -> None:
            nonlocal told
            look(parts)
            told += 1
            if told == 3:
                assert parts[0].memory
                stop.end("seen enough")

        async with asyncio.timeout(40):
            run = await run_local(plan, on_parts=count, abort=stop)
    assert run.result.aborted == "seen enough"


async def test_the_unfinished_part_of_a_pod_has_the_memory_so_far(tmp_path: Path) -> None:
    """The operator ends a run by it, as by any other bound."""
    async with session_server("leaks-memory") as server:
        runner = RunnerProcess(tmp_path, bounded(server))
        try:
            await runner.launch()
            await runner.wait_for("Ready")
            await runner.start()
            await runner.wait_for("Running")
            reason = await broken(runner)
        finally:
            await ended(runner)
    assert reason.startswith("threshold memory: target.memory is ")


async def broken(runner: RunnerProcess) -> str:
    """What the operator makes of the pod's unfinished parts, once it would end the run."""
    async with asyncio.timeout(30):
        while True:
            status, data, _ = await runner.request("GET", "/part/progress")
            result = so_far(runner.plan, "uid-1/1", [data]) if status == 200 else None
            if result is not None and result.memory and (reason := aborts(runner.plan, result, 30_000)):
                assert decode_part(data).aborted == "still running"
                return reason
            await asyncio.sleep(0.05)
