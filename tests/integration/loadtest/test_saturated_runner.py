"""A real runner that stands still for more than a second, and a target that does: the same figures, and not the same verdict."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.runner_process import RunnerProcess, ended

RATE = 50  # calls a second, for three seconds
STANDSTILL = 1.2  # seconds: 60 calls wait, of 150
BOUND_MS = 300


@dataclass
class GatedTarget:
    """Answers at once while its gate is open, else once it opens."""

    url: str = ""
    served: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        await self.gate.wait()
        self.served += 1
        return web.Response(text="ok")


@asynccontextmanager
async def gated_target() -> AsyncIterator[GatedTarget]:
    target = GatedTarget()
    target.gate.set()
    app = web.Application()
    app.add_routes([web.get("/", target.answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield target
    finally:
        await runner.cleanup()


def plan_of(target: GatedTarget) -> Plan:
    stage = {"name": f"r{RATE}", "ratePerSecond": RATE, "duration": "3s"}
    scenario = {"name": "a", "steps": [{"name": "one", "http": {"path": "/"}}]}
    bound = {"name": "p95", "metric": "latency.p95", "max": f"{BOUND_MS}ms"}
    return a_plan(Routes(direct=Route(url=target.url)), stages=[stage], scenarios=[scenario], thresholds=[bound])


async def until(true: Callable[[], bool]) -> None:
    """At most ten seconds."""
    async with asyncio.timeout(10):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


async def judged(folder: Path, target: GatedTarget, stand_still: Callable[[RunnerProcess], Awaitable[None]]) -> Verdict:
    """A run with one standstill once 20 calls were answered."""
    runner = RunnerProcess(folder, plan_of(target))
    try:
        await runner.launch()
        await runner.wait_for("Ready")
        await runner.start()
        await until(lambda: target.served >= 20)
        await stand_still(runner)
        await runner.wait_for("Done")
        part = decode_part((await runner.request("GET", "/part"))[1])
    finally:
        await ended(runner)
    return judge(runner.plan, merge(runner.plan, [part]))


async def test_trap_t18_a_runner_that_stands_still_is_inconclusive(tmp_path: Path) -> None:
    """Stopped by a signal as a node without CPU stops it: calls start late, the p95 is beyond its bound, and it is the runner's own."""
    async with gated_target() as target:

        async def stopped(runner: RunnerProcess) -> None:
            pid, stat = runner.process.pid, Path(f"/proc/{runner.process.pid}/stat")
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
            since = time.monotonic()
            await until(lambda: time.monotonic() - since >= STANDSTILL)
            os.kill(pid, signal.SIGCONT)

        verdict = await judged(tmp_path, target, stopped)
    (row,) = verdict.thresholds
    assert row.result == "Failed"
    assert row.observed is not None
    assert row.observed > BOUND_MS
    assert (verdict.result, verdict.reasons[0].code) == ("Inconclusive", "GeneratorSaturated"), verdict.reasons
    assert "the runners' own lag may be" in verdict.reasons[0].message


async def test_trap_t18_a_target_that_stands_still_as_long_fails(tmp_path: Path) -> None:
    """The control: as late as that by the target's doing, and the bound is broken for good."""
    async with gated_target() as target:

        async def held(_: RunnerProcess) -> None:
            target.gate.clear()
            since = time.monotonic()
            await until(lambda: time.monotonic() - since >= STANDSTILL)
            target.gate.set()

        verdict = await judged(tmp_path, target, held)
    (row,) = verdict.thresholds
    assert (row.result, verdict.result, verdict.reasons[0].code) == ("Failed", "Failed", "ThresholdsFailed"), verdict.reasons
