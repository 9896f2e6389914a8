"""Story 12: load tests that ask by themselves: a schedule, a policy's new generation, a rollout, a queue; a runner that is replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """A pool with a cache and its memory server."""
    world.apply(workloads.pool(intercept="Environment"), workloads.cache(), *workloads.memory_server())
    world.ready("memory-server")
    return world


def load_test(name: str, duration: str = "3s", **spec: Any) -> Manifest:
    """One runner, 20 arrivals a second."""
    step = {"name": "recall", "http": {"path": "/episodic/recall?q=queue", "headers": {"X-Session-Id": "${session}"}}}
    return workloads.policy(
        "LoadTest",
        name,
        {
            "target": {"poolRef": {"name": "memory"}, "workload": "agent"},
            "stages": [{"name": "r20", "ratePerSecond": 20, "duration": duration}],
            "scenarios": [{"name": "recall", "steps": [step]}],
            **spec,
        },
    )


def status(story: World, name: str) -> Manifest:
    found: Manifest = story.get("lt", name).get("status", {})
    return found


def finished(story: World, name: str, run: int, timeout: float = 150) -> Manifest:
    def look() -> Manifest | None:
        found = status(story, name)
        assert found.get("run", 0) >= run, found
        assert found.get("completionTime"), story.condition("lt", name, "Succeeded")
        return found

    found = eventually(look, f"run {run} of {name} finished", timeout)
    assert found is not None
    return found


def test_a_schedule_runs_each_minute_and_says_so(story: World) -> None:
    """A first run for the spec, a second for the next full minute; the object is removed before a third."""
    story.apply(load_test("minutely", schedule={"cron": "* * * * *"}))
    finished(story, "minutely", 1)
    found = finished(story, "minutely", 2)
    assert found["trigger"] == "Schedule"
    assert found["lastScheduleTime"].endswith(":00Z")
    assert found["nextScheduleTime"] > found["lastScheduleTime"]
    kubectl.delete("lt", "minutely", story.namespace)


def test_tests_of_one_pool_take_turns(story: World) -> None:
    """The second one is Queued and names the first; it runs when that one has ended."""
    story.apply(load_test("first", duration="15s"))
    eventually(lambda: status(story, "first").get("run") == 1, "the first has begun")
    story.apply(load_test("second"))
    found = eventually(lambda: waiting(story, "second"), "the second waits", 30)
    assert "LoadTest first" in found["message"]
    ended = finished(story, "first", 1)["completionTime"]
    assert finished(story, "second", 1)["beginTime"] >= ended


def waiting(story: World, name: str) -> Manifest | None:
    found = story.condition("lt", name, "Succeeded")
    return found if found["reason"] == "Queued" else None


def test_a_new_generation_of_a_policy_runs_once(story: World) -> None:
    """After its quiet time, with the new generation on record and the sidecar's counters beside it."""
    story.apply(load_test("watching", triggers={"onPolicyChange": True, "settle": "5s"}))
    finished(story, "watching", 1)
    settled = eventually(lambda: quiet(story, "watching"), "nothing more is asked for", 90)
    cache = workloads.cache()
    cache["spec"]["rules"][0]["ttl"] = "77s"
    story.apply(cache)
    found = finished(story, "watching", settled + 1)
    assert found["trigger"] == "PolicyChange"
    stored = json.loads(story.get("configmap", found["resultRef"]["name"])["data"]["result.json"])
    assert {policy["kind"]: policy["generation"] for policy in stored["policies"]}["CachePolicy"] >= 2
    assert stored["sidecars"]["difference"]["requests"] > 0


def quiet(story: World, name: str) -> int:
    """The run after which the policies' set is the one that was measured, 0 before."""
    found = status(story, name)
    digest = ((found.get("observed") or {}).get("policies") or {}).get("digest", "-")
    return int(found["run"]) if found.get("completionTime") and f"/policies:{digest}" in found.get("runKey", "") else 0


def test_a_rollout_of_the_target_runs_once_all_pods_are_ready(story: World) -> None:
    """A restart of the memory server's Deployment: new pods of a new template."""
    story.apply(load_test("rolling", triggers={"onTargetRollout": True, "settle": "5s"}))
    finished(story, "rolling", 1)
    eventually(lambda: "/rollout:unsettled" not in status(story, "rolling").get("runKey", "unsettled"), "the target is known", 90)
    before = finished(story, "rolling", 1)["run"]
    kubectl.run("rollout", "restart", "deployment/memory-server", "-n", story.namespace)
    story.ready("memory-server")
    assert finished(story, "rolling", before + 1)["trigger"] == "Rollout"


def test_a_runner_that_dies_before_the_start_is_replaced(story: World) -> None:
    """Two runners, one deleted while it prepares: the run has both parts."""
    story.apply(load_test("replaced", runners={"count": 2, "lossPolicy": "Replace"}))
    runner = "slipstream.dev/loadtest=replaced"
    pods = eventually(lambda: kubectl.get("pods", "", story.namespace, runner), "runners", 60, pause=0.05)
    kubectl.delete("pod", pods[0]["metadata"]["name"], story.namespace, "--grace-period=0", "--force", "--wait=false")
    found = finished(story, "replaced", 1)
    assert found["runners"]["summary"] == "2/2", found
