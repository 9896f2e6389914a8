"""A LoadTest on a stage: the operator's side, real runner processes, an API server in memory and a real target on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from slipstream_api.conditions import find
from slipstream_operator.caches import Caches
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.kube.kinds import LOAD_TEST, SECRET
from slipstream_operator.loadtests.controller import LoadTests
from slipstream_operator.loadtests.deciding.actions import Timings
from slipstream_operator.names import SIGNING_KEYS_SECRET
from slipstream_operator.queue import Run
from tests.fakes.fake_kube import FakeKube
from tests.fakes.runner_pods import RunnerPods

KEY = ("default", "recall")
TIMINGS = Timings(start_lead=0.3, grace=5.0, abort_grace=5.0, poll=0.05)
ROOMY = {"name": "p95", "metric": "latency.p95", "max": "5s"}


@dataclass
class Stage:
    """A target, an API server, its kubelet, and an operator that can be started anew."""

    kube: FakeKube
    pods: RunnerPods
    url: str
    make: Callable[[], Any]
    tests: LoadTests = field(init=False)

    async def restart(self) -> None:
        """A new process would know nothing but what is in the API server and what the runners say."""
        self.tests = await self.make()

    def spec(self, **changes: Any) -> dict[str, Any]:
        step = {"name": "get", "http": {"path": "/"}}
        spec = {
            "target": {"url": self.url},
            "runners": {"count": 2, "maxUsersPerRunner": 2500},
            "stages": [{"name": "r50", "ratePerSecond": 50, "duration": "500ms"}],
            "scenarios": [{"name": "get", "steps": [step]}],
            "thresholds": [{"name": "errors", "metric": "errors.percent", "max": "1"}, ROOMY],
        }
        return spec | changes

    def apply(self, **changes: Any) -> None:
        known = self.kube.objects.get(("loadtests", *KEY))
        thing: dict[str, Any] = {"metadata": {"namespace": KEY[0], "name": KEY[1]}, "spec": self.spec(**changes)}
        if known is not None:
            thing["status"] = known.get("status", {})
        self.kube.seed(LOAD_TEST, thing)

    @property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.kube.objects["loadtests", *KEY].get("status", {})
        return status

    def message(self) -> str:
        found = find(self.status.get("conditions", ()), "Succeeded")
        return found["message"] if found else ""

    def judged(self, status: str, reason: str) -> bool:
        """Beside a bound of 5 s the generator's own lag decides nothing, however busy the machine is."""
        return self.condition("Succeeded") == (status, reason)

    def heard(self) -> int:
        """How many runners the operator has heard something of."""
        return len(self.tests.memory(KEY).said)

    def condition(self, type_: str) -> tuple[str, str]:
        found = find(self.status.get("conditions", ()), type_)
        return (found["status"], found["reason"]) if found else ("", "")

    async def until(self, done: Callable[[], object], restarts: bool = False) -> None:
        """Looks again and again, as the queue does, until `done`; with `restarts` by a new process each time."""
        async with asyncio.timeout(25):
            while not done():
                if restarts:
                    await self.restart()
                again = await self.tests.look(KEY, Run(0.0, 0))
                await asyncio.sleep(min(again, 0.05) if again is not None else 0)

    async def finish(self, run: int = 1, restarts: bool = False) -> None:
        await self.until(lambda: self.status.get("run") == run and self.status.get("completionTime"), restarts)


@asynccontextmanager
async def a_stage(folder: Path) -> AsyncIterator[Stage]:
    """One target, two runners at most."""
    app = web.Application()
    app.router.add_get("/", _hello)
    target = web.AppRunner(app)
    await target.setup()
    await web.TCPSite(target, "127.0.0.1", 0).start()
    kube = FakeKube()
    kube.seed(SECRET, {"metadata": {"namespace": "slipstream-system", "name": SIGNING_KEYS_SECRET}})
    made: list[LoadTests] = []

    async def make() -> LoadTests:
        keys = KeyStore(kube, "slipstream-system", "cluster-1", time.time)
        await keys.refresh()
        made.append(LoadTests(kube, Caches(), keys, "cluster-1", "slipstream-runtime:dev", timings=TIMINGS, live_interval=0.2))
        return made[-1]

    pods = RunnerPods(kube, folder)
    stage = Stage(kube, pods, f"http://127.0.0.1:{target.addresses[0][1]}", make)
    await stage.restart()
    try:
        yield stage
    finally:
        await pods.close()
        for one in made:
            await one.client.close()
        await target.cleanup()


async def _hello(request: web.Request) -> web.Response:
    """A target that takes its time, so that a busy machine's scheduling is small beside it."""
    await asyncio.sleep(0.2)
    return web.Response(text="hello")
