"""Story 7: the operator is killed in the middle of a run and of an edit: the run completes once, the edit lands, no request is lost."""

from __future__ import annotations

import pytest

from e2e.conftest import SYSTEM
from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World
from e2e.s03_edit.test_edit import assert_exactly_once
from e2e.s06_loadtest.test_loadtest import finished, load_test


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """An agent under steady load, whose pool a load test measures too."""
    return world.settle_cached_agent()


def kill_operator() -> str:
    """SIGKILL to the operator's container, by the kubelet: no grace period, no clean-up; the uid of the pod that was killed."""
    pod = kubectl.get("pods", "", SYSTEM, "app.kubernetes.io/name=slipstream-operator")[0]["metadata"]
    kubectl.delete("pod", pod["name"], SYSTEM, "--grace-period=0", "--force")
    return str(pod["uid"])


def test_a_run_completes_once_and_an_edit_lands_though_the_operator_is_killed(story: World) -> None:
    """One Job, run 1, both parts, and the run says that its policies changed; the edit is programmed by the next operator; the counting
    client has every write exactly once."""
    pod = story.agent()
    story.agent_get(pod, "/steady/start", [("url", "http://memory-server:8080/episodic/remember"), ("rate", "20"), ("session", "steady")])
    story.apply(load_test("survivor", stage="15s"))
    eventually(lambda: "Hold" in story.get("lt", "survivor").get("status", {}).get("progress", ""), "measuring", 90)
    job = kubectl.get("jobs", "", story.namespace)
    story.apply(workloads.cache(ttl="123s"))
    kill_operator()
    found = finished(story, "survivor", timeout=120)
    assert found["reason"] == "Inconclusive", found
    assert found["message"].startswith("PoliciesChanged: "), found  # it measured before and after the edit, which is what it says
    assert story.get("lt", "survivor")["status"]["runners"]["summary"] == "2/2"
    assert [j["metadata"]["uid"] for j in kubectl.get("jobs", "", story.namespace)] == [j["metadata"]["uid"] for j in job]
    story.wait_condition("cachep", "memory", "Programmed", "True", timeout=60)
    counted = story.agent_get(pod, "/steady/stop")
    print(f"client during the kill: {counted}")
    assert counted["failed"] == []
    assert_exactly_once(story, pod, "steady", counted["sent"])


def test_a_counting_client_notices_a_lost_request(story: World) -> None:
    """The control: with the memory server gone for a moment the same client reports failures."""
    pod = story.agent()
    story.agent_get(pod, "/steady/start", [("url", "http://memory-server:8080/episodic/remember"), ("rate", "20"), ("session", "control")])
    kubectl.run("scale", "deployment/memory-server", "--replicas=0", "-n", story.namespace)
    kubectl.run("wait", "--for=delete", "pod", "-l", "app=memory-server", "-n", story.namespace, "--timeout=60s")
    assert story.agent_get(pod, "/steady/stop")["failed"] != []
