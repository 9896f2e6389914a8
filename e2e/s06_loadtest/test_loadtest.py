"""Story 6: a load test in the cluster: passes, fails an impossible threshold, is inconclusive without a runner, runs again, is aborted."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """A pool with a cache, its memory server, no workload pods but the runners'."""
    world.apply(workloads.pool(intercept="Environment"), workloads.cache(), *workloads.memory_server())
    world.ready("memory-server")
    return world


def load_test(name: str, stage: str = "4s", **spec: Any) -> Manifest:
    """Two runners, 50 arrivals a second, recalls of a few words by a few sessions."""
    step = {
        "name": "recall",
        "http": {"method": "GET", "path": "/episodic/recall?q=${word}", "headers": {"X-Session-Id": "${session}"}},
        "expect": {"status": [200], "contains": ["${session}", "${word}"]},
    }
    return workloads.policy(
        "LoadTest",
        name,
        {
            "target": {"poolRef": {"name": "memory"}, "workload": "agent"},
            "comparison": {"baseline": "None"},
            "runners": {"count": 2},
            "warmup": "1s",
            "stages": [{"name": "r50", "ratePerSecond": 50, "duration": stage}],
            "scenarios": [{"name": "recall", "steps": [step]}],
            "data": [{"name": "word", "values": ["thread", "socket", "queue", "event", "codec"]}],
            "thresholds": [
                {"name": "p95", "metric": "latency.p95", "max": "10s"},
                {"name": "errors", "metric": "errors.percent", "max": "1"},
            ],
            **spec,
        },
    )


def result(story: World, name: str) -> Manifest:
    return story.condition("lt", name, "Succeeded")


def measured(found: Manifest) -> bool:
    """Passed: beside a bound of 10 s the generator's own lag decides nothing, however busy the cores are that everything shares."""
    return bool(found["reason"] == "Passed")


def finished(story: World, name: str, run: int = 1, timeout: float = 120) -> Manifest:
    def look() -> Manifest | None:
        test = story.get("lt", name)
        status = test.get("status", {})
        assert status.get("run") == run, status
        assert status.get("completionTime"), result(story, name)
        return kubectl.condition(test, "Succeeded")

    found = eventually(look, f"run {run} of {name} finished", timeout)
    assert found is not None
    return found


def test_passes_and_shows_its_columns(story: World) -> None:
    """RESULT RUN RUNNERS RPS P95 ERRORS DELTA are there, and `kubectl wait` works; a second run comes from `rerun`."""
    story.apply(load_test("good"))
    kubectl.run("wait", "--for=condition=Succeeded", "lt/good", "-n", story.namespace, "--timeout=120s", timeout=130)
    header, row = kubectl.out("get", "loadtests.slipstream.dev", "good", "-n", story.namespace).splitlines()
    print(header, row, sep="\n")
    for column in ("RESULT", "RUN", "RUNNERS", "RPS", "P95", "ERRORS", "DELTA"):
        assert column in header.split()
    assert row.split()[1:4] == ["Passed", "1", "2/2"]
    summary = story.get("lt", "good")["status"]["summary"]
    assert float(summary["rps"]) > 0
    assert summary["errors"] == "0%"
    story.apply(load_test("good", rerun="again"))
    assert finished(story, "good", run=2)["reason"] == "Passed"
    history = story.get("lt", "good")["status"]["history"]
    assert [entry["run"] for entry in history][:2] == [2, 1]


def test_an_impossible_threshold_fails(story: World) -> None:
    """More than is offered: Failed, with the threshold named. Not a latency: beside a bound of nothing the generator's own lag decides."""
    story.apply(load_test("impossible", thresholds=[{"name": "rate", "metric": "throughput", "min": "100000"}]))
    found = finished(story, "impossible")
    assert (found["status"], found["reason"]) == ("False", "ThresholdsFailed"), found
    assert "ThresholdsFailed: rate" in found["message"], found
    assert story.condition("lt", "impossible", "Stalled")["status"] == "True"


def test_a_killed_runner_makes_it_inconclusive(story: World) -> None:
    """Half of the load was missing: that is no pass and no failure of the target."""
    story.apply(load_test("killed", stage="8s"))
    runner = "slipstream.dev/loadtest=killed"
    eventually(lambda: result(story, "killed")["reason"] == "Running", "running", 90)
    victim = kubectl.get("pods", "", story.namespace, runner)[0]["metadata"]["name"]
    kubectl.delete("pod", victim, story.namespace, "--grace-period=0", "--force")
    found = finished(story, "killed")
    assert (found["status"], found["reason"]) == ("False", "Inconclusive"), found
    assert "runner" in found["message"]


def test_suspending_aborts_and_keeps_what_was_measured(story: World) -> None:
    """Aborted, with parts; taking it back starts nothing."""
    story.apply(load_test("stopped", stage="60s"))
    eventually(lambda: "Hold" in story.get("lt", "stopped").get("status", {}).get("progress", ""), "measuring", 90)
    story.apply(load_test("stopped", stage="60s", suspend=True))
    found = finished(story, "stopped", timeout=60)
    assert found["reason"] == "Aborted", found
    assert story.get("lt", "stopped")["status"]["summary"]["requests"] > 0
    story.apply(load_test("stopped", stage="60s"))
    eventually(lambda: story.get("lt", "stopped")["status"]["observedGeneration"] == 3, "seen", 20)
    assert story.get("lt", "stopped")["status"]["run"] == 1


def test_a_comparison_runs_direct_and_through_the_layers(story: World) -> None:
    """Five interleaved repeats each, hits only through the layers, a delta in the column."""
    story.apply(load_test("compared", stage="2s", comparison={"baseline": "Direct", "repeats": 5, "noisePercent": 3}))
    found = finished(story, "compared", timeout=180)
    status = story.get("lt", "compared")["status"]
    assert measured(found), found
    assert status["summary"]["delta"].endswith("%"), status["summary"]
    stored = kubectl.json.loads(story.get("configmap", status["resultRef"]["name"])["data"]["result.json"])
    assert stored


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://metadata.google.internal", "http://[fe80::1]"])
def test_a_metadata_address_is_refused(story: World, url: str) -> None:
    """A target that would read the node's credentials is not run, and the message says why."""
    name = f"meta{abs(hash(url)) % 1000}"
    story.apply(load_test(name, target={"url": url}))
    found = story.wait_condition("lt", name, "Accepted", "False")
    assert "metadata" in found["message"] or "link-local" in found["message"], found
    assert story.get("lt", name)["status"].get("run", 0) == 0
