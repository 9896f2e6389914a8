"""Whole runs of LoadTests: the operator's side against real runner processes, an API server in memory, and a real target on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slipstream_api.conditions import find
from slipstream_operator.errors import Temporary
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL, JOB, LOAD_TEST, Kind
from slipstream_operator.queue import Run
from tests.fakes.loadtest_stage import KEY, ROOMY, Stage, a_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with a_stage(tmp_path) as made:
        yield made


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
    """Out of what the runners say: what `kubectl get loadtests -w` prints; the calls in flight are no errors."""
    stage.apply(stages=[{"name": "r50", "ratePerSecond": 50, "duration": "3s"}])
    await stage.until(lambda: "p95" in (stage.status.get("summary") or {}))
    assert not stage.status.get("completionTime")
    assert stage.status["progress"].startswith("Hold r50")
    assert stage.status["summary"]["errors"] == "0%"
    assert stage.heard() == 2
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
