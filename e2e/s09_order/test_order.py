"""Story 9: whatever comes first, pods start; one older than its injector or pool is reported, and carries a sidecar after a restart."""

from __future__ import annotations

import pytest

from e2e.conftest import SYSTEM
from e2e.harness import kubectl, workloads
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=lock"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """The memory server and the agent's program; no policy yet."""
    world.apply(workloads.agent_source(), *workloads.memory_server())
    world.ready("memory-server")
    return world


def hit(story: World, app: str) -> bool:
    return "hit" in story.read_twice(URL, app).get("Cache-Status", "")


def test_a_pod_without_the_annotation_is_reported_until_it_is_restarted(story: World) -> None:
    """No pool of the namespace named the upstream when the pod was made: PodsOutdated, served as before; a restart mends it."""
    story.apply(workloads.agent("late", "late"))
    story.ready("late")
    story.apply(workloads.pool("late", ("late",)), workloads.cache("late", ("late",)))
    story.wait_condition("cpool", "late", "Injected", "False", "PodsOutdated")
    assert not hit(story, "late")
    kubectl.run("rollout", "restart", "deployment/late", "-n", story.namespace)
    story.ready("late")
    story.wait_condition("cpool", "late", "Injected", "True")
    story.wait_condition("cachep", "late", "Ready", "True")
    assert hit(story, "late")


def test_a_pod_with_the_annotation_works_at_once_though_it_came_first(story: World) -> None:
    """The annotation names the upstream, so the pod has its address and alias before the pool exists."""
    story.apply(workloads.agent("early", "early", annotations={"slipstream.dev/upstreams": "memory-server:8080"}))
    story.ready("early")
    assert not hit(story, "early")
    story.apply(workloads.pool("early", ("early",)), workloads.cache("early", ("early",)))
    story.wait_condition("cachep", "early", "Ready", "True")
    assert hit(story, "early")


def test_a_pod_created_while_the_injector_is_down_is_reported(story: World) -> None:
    """It starts without a sidecar (failurePolicy Ignore), shows as PodsMissingSidecar, and carries one after a restart."""
    story.apply(workloads.pool("orphan", ("orphan",)))
    kubectl.run("scale", "deployment/slipstream-injector", "--replicas=0", "-n", SYSTEM)
    kubectl.run("wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=slipstream-injector", "-n", SYSTEM, "--timeout=60s")
    try:
        story.apply(workloads.agent("orphan", "orphan"))
        story.ready("orphan")
        story.wait_condition("cpool", "orphan", "Injected", "False", "PodsMissingSidecar")
        assert story.ask(story.agent("orphan"), URL, session="s")["status"] == 200
    finally:
        kubectl.run("scale", "deployment/slipstream-injector", "--replicas=2", "-n", SYSTEM)
        kubectl.run("rollout", "status", "deployment/slipstream-injector", "-n", SYSTEM, "--timeout=60s")
        story.injector_answers()
    kubectl.run("rollout", "restart", "deployment/orphan", "-n", story.namespace)
    story.ready("orphan")
    story.wait_condition("cpool", "orphan", "Injected", "True")
