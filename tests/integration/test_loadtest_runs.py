"""Whole runs of LoadTests: the operator's side against real runner processes, an API server in memory, and a real target on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from slipstream_api.conditions import find
from slipstream_operator.caches import Caches
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.errors import Temporary
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, JOB, LOAD_TEST, SECRET, Kind
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

    def unfinished(self) -> int:
        """How many runners' unfinished parts the operator has."""
        return len(self.tests.memory(KEY).unfinished)

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


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
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

    pods = RunnerPods(kube, tmp_path)
    stage = Stage(kube, pods, f"http://127.0.0.1:{target.addresses[0][1]}", make)
    await stage.restart()
    yield stage
    await pods.close()
    for one in made:
        await one.client.close()
    await target.cleanup()


async def _hello(request: web.Request) -> web.Response:
    """A target that takes its time, so that a busy machine's scheduling is small beside it."""
    await asyncio.sleep(0.2)
    return web.Response(text="hello")


async def test_a_run_passes_and_its_result_is_stored(stage: Stage) -> None:
    """Two runners, one verdict; columns, history and result are there, runners go when their parts are safe."""
    stage.apply()
    await stage.finish()
    assert stage.judged("True", "Passed"), stage.message()
    assert stage.condition("Ready")[1] == stage.condition("Succeeded")[1]
    assert stage.condition("Reconciling") == ("", "")
    assert stage.status["runners"]["summary"] == "2/2"
    assert stage.status["summary"]["requests"] == 25
    assert [record["run"] for record in stage.status["history"]] == [1]
    result = stage.kube.objects["configmaps", "default", stage.status["resultRef"]["name"]]
    assert json.loads(result["data"]["result.json"])["result"] == "Passed"
    await stage.until(lambda: all(p.returncode == 0 for p in stage.pods.processes.values()))


async def test_an_impossible_threshold_fails_and_stalls(stage: Stage) -> None:
    """Failed is about the target, and the message names the threshold."""
    stage.apply(thresholds=[{"name": "impossible", "metric": "throughput", "min": "1M"}, ROOMY])
    await stage.finish()
    assert stage.judged("False", "ThresholdsFailed"), stage.message()
    assert stage.condition("ThresholdsMet")[1] == "Failed"
    assert stage.condition("Stalled") == ("True", stage.condition("Succeeded")[1])
    message = find(stage.status["conditions"], "Succeeded")
    assert message is not None
    assert "impossible" in message["message"]


async def test_a_run_shows_its_figures_while_it_lasts(stage: Stage) -> None:
    """Out of the runners' unfinished parts: what `kubectl get loadtests -w` prints; the calls in flight are no errors."""
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "3s"}])
    await stage.until(lambda: "p95" in (stage.status.get("summary") or {}))
    assert not stage.status.get("completionTime")
    assert stage.status["progress"].startswith("Hold r50")
    assert stage.status["summary"]["errors"] == "0%"
    assert stage.unfinished() == 2
    await stage.finish()
    assert stage.status["summary"]["requests"] == 150


async def test_a_killed_runner_makes_it_inconclusive(stage: Stage) -> None:
    """Half of the load is missing: neither a pass nor a failure of the target."""
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "1500ms"}])
    await stage.until(lambda: stage.condition("Succeeded")[1] == "Running")
    stage.pods.kill("slipstream-lt-recall-1-1")
    await stage.finish()
    assert stage.condition("Succeeded") == ("False", "Inconclusive"), stage.message()
    assert stage.status["runners"]["summary"] == "1/2"


async def test_an_operator_that_is_restarted_at_every_look_makes_one_run(stage: Stage) -> None:
    """No step needs what an earlier process knew: one Job, run 1, Passed."""
    stage.apply()
    await stage.finish(restarts=True)
    assert stage.judged("True", "Passed"), stage.message()
    assert [name for method, kind, name in stage.kube.calls if (method, kind) == ("create", "Job")].count("slipstream-lt-recall-1") >= 1
    assert len([key for key in stage.kube.objects if key[0] == "jobs"]) == 1
    assert stage.status["run"] == 1


@pytest.mark.parametrize(("method", "kind"), [("patch_status", LOAD_TEST), ("create", CONFIG_MAP), ("create", JOB)], ids=str)
async def test_every_write_may_fail_once(stage: Stage, method: str, kind: Kind) -> None:
    """An API server that is away for a moment at any write changes nothing about the outcome."""
    failed: set[str] = set()

    async def before(called: str, about: Kind, name: str) -> None:
        if (called, about) == (method, kind) and name not in failed:
            failed.add(name)
            raise Temporary("away")

    stage.kube.before = before
    stage.apply()
    async with asyncio.timeout(25):
        while not stage.status.get("completionTime"):
            try:
                await stage.tests.look(KEY, Run(0.0, 0))
            except Temporary:
                await stage.restart()
            await asyncio.sleep(0.02)
    assert failed
    assert stage.judged("True", "Passed"), stage.message()
    assert stage.status["run"] == 1


async def test_suspending_aborts_with_what_was_measured_and_false_again_runs_nothing(stage: Stage) -> None:
    """Command first, parts kept; the key is still that of the run."""
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "30s"}])
    await stage.until(lambda: stage.condition("Succeeded")[1] == "Running")
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "30s"}], suspend=True)
    await stage.finish()
    assert stage.condition("Succeeded") == ("False", "Aborted"), stage.message()
    assert stage.condition("Suspended") == ("True", "Suspended")
    assert stage.status["runners"]["summary"] == "2/2"
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "30s"}])
    for _ in range(5):
        await stage.tests.look(KEY, Run(0.0, 0))
    assert stage.status["run"] == 1
    assert stage.condition("Suspended") == ("", "")


async def test_an_edit_during_a_run_does_not_change_whose_word_its_runners_take(stage: Stage) -> None:
    """The run's Job is frozen: a new target, of another workload, is for the next run, and the abort still reaches this one."""
    stages = [{"name": "r50", "ratePerSecond": 50, "duration": "30s"}]
    spec = {"upstream": {"protocol": "HTTP", "host": "memory-server", "port": 8080}, "workloads": ["agent"]}
    stage.kube.seed(CONNECTION_POOL, {"metadata": {"namespace": KEY[0], "name": "memory"}, "spec": spec})
    stage.apply(stages=stages)
    await stage.until(lambda: stage.condition("Succeeded")[1] == "Running")
    stage.apply(stages=stages, target={"poolRef": {"name": "memory"}}, suspend=True)
    await stage.finish()
    assert stage.condition("Succeeded") == ("False", "Aborted"), stage.message()
    assert stage.status["runners"]["summary"] == "2/2"


async def test_rerun_makes_run_2_and_an_idle_test_is_not_written_to(stage: Stage) -> None:
    """A change of `rerun` runs again; without a change nothing is written."""
    stage.apply()
    await stage.finish()
    await stage.until(lambda: all(p.returncode == 0 for p in stage.pods.processes.values()))
    await stage.tests.look(KEY, Run(0.0, 0))
    writes = stage.kube.changes
    for _ in range(3):
        await stage.tests.look(KEY, Run(0.0, 0))
    assert stage.kube.changes == writes
    stage.apply(rerun="again")
    await stage.finish(run=2)
    assert [record["run"] for record in stage.status["history"]] == [2, 1]


async def test_a_refused_target_is_told_and_not_run(stage: Stage) -> None:
    """Metadata addresses are never asked; nothing is made."""
    stage.apply(target={"url": "http://169.254.169.254"})
    await stage.tests.look(KEY, Run(0.0, 0))
    assert stage.condition("Accepted") == ("False", "Invalid")
    assert stage.condition("Succeeded") == ("False", "Invalid"), stage.message()
    assert [key for key in stage.kube.objects if key[0] in ("jobs", "configmaps") and key[1] == "default"] == []


async def test_a_missing_pool_is_told_until_it_is_there(stage: Stage) -> None:
    """TargetNotFound, and no run."""
    stage.apply(target={"poolRef": {"name": "memory"}})
    await stage.tests.look(KEY, Run(0.0, 0))
    assert stage.condition("ResolvedRefs") == ("False", "TargetNotFound")
    assert stage.status.get("run", 0) == 0


async def test_a_bound_of_the_wrong_unit_is_refused_before_a_run(stage: Stage) -> None:
    """No schema can say it, so the condition does; nothing is made."""
    stage.apply(thresholds=[{"name": "odd", "metric": "latency.p95", "max": "5"}])
    await stage.tests.look(KEY, Run(0.0, 0))
    assert stage.condition("Accepted") == ("False", "Invalid")
    assert stage.status.get("run", 0) == 0


async def test_a_broken_bound_with_abort_ends_the_run_as_failed(stage: Stage) -> None:
    """Long before its 30 s are over; what ended it was a broken bound, so it isn't Inconclusive."""
    bound = [{"name": "p50", "metric": "latency.p50", "max": "1ms", "abort": True}]
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "30s"}], thresholds=bound)
    await stage.finish()
    assert stage.condition("Succeeded")[1] == "ThresholdsFailed", stage.message()


async def test_a_second_run_is_compared_with_the_last_that_passed(stage: Stage) -> None:
    """The first has nothing to be compared with, and passes."""
    asked = {"baseline": "LastPassed", "repeats": 6, "metrics": ["latency.p50"]}
    stages = [{"name": "r50", "ratePerSecond": 50, "duration": "500ms"}]
    stage.apply(comparison=asked, stages=stages)
    await stage.finish()
    assert not stage.status.get("comparison")
    stage.apply(comparison=asked, stages=stages, rerun="2")
    await stage.finish(run=2)
    assert stage.status.get("comparison")
