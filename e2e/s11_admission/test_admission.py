"""Story 11: pods start with their sidecars under Pod Security `restricted` and under a ResourceQuota on limits."""

from __future__ import annotations

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=sha"


def carries_a_working_sidecar(world: World) -> None:
    world.settle_cached_agent()
    pod = world.pods("agent")[0]
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["slipstream"]
    assert "hit" in [world.ask(world.agent(), URL, session="s") for _ in range(2)][1]["headers"]["Cache-Status"]


def test_under_pod_security_restricted(world: World) -> None:
    """The namespace enforces `restricted`; the control is a pod that it refuses."""
    kubectl.run("label", "namespace", world.namespace, "pod-security.kubernetes.io/enforce=restricted")
    careless = workloads.agent("careless")["spec"]["template"]
    careless["spec"]["securityContext"] = {}
    refused = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "careless"}, "spec": careless["spec"]}
    with pytest.raises(kubectl.KubectlError, match="violates PodSecurity"):
        world.apply(refused)
    carries_a_working_sidecar(world)


def test_under_a_quota_on_limits(world: World) -> None:
    """Every container must say its limits there, so the sidecar does; the control is a pod without limits, which is refused."""
    hard = {"limits.cpu": "8", "limits.memory": "4Gi", "requests.cpu": "2", "requests.memory": "2Gi"}
    world.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "limits"}, "spec": {"hard": hard}})
    spec = {"containers": [{"name": "c", "image": workloads.MEMORY_IMAGE, "securityContext": workloads.HARDENED}]}
    spec["securityContext"] = workloads.HARDENED_POD  # type: ignore[assignment]
    with pytest.raises(kubectl.KubectlError, match="must specify limits"):
        world.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "boundless"}, "spec": spec})
    kubectl.run("rollout", "restart", "deployment/agent", "-n", world.namespace)
    world.ready("agent")
    carries_a_working_sidecar(world)
