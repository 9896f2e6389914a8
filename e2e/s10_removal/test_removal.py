"""Story 10: ConfigMap deleted, operator uninstalled: traffic goes on."""

from __future__ import annotations

import pytest

from e2e.conftest import ROOT, SYSTEM
from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=pipe"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    return world.settle_cached_agent()


def test_a_deleted_config_map_comes_back_and_nobody_notices(story: World) -> None:
    """Drift is mended by the operator; the sidecar keeps what it has meanwhile."""
    assert "hit" in story.read_twice(URL)["Cache-Status"]
    uid = story.get("configmap", "slipstream-agent")["metadata"]["uid"]
    story.delete("configmap", "slipstream-agent")
    assert "hit" in story.read_twice(URL)["Cache-Status"]
    eventually(
        lambda: (
            kubectl.exists("configmap", "slipstream-agent", story.namespace)
            and story.get("configmap", "slipstream-agent")["metadata"]["uid"] != uid
        ),
        "the ConfigMap is back",
    )


def test_without_an_operator_sidecars_go_on_enforcing_and_new_pods_start(story: World) -> None:
    """The whole of slipstream-system is gone: hits are still hits, and a new pod of the workload starts and works."""
    kubectl.run("delete", "namespace", SYSTEM, "--timeout=90s", timeout=100)
    try:
        assert "hit" in story.read_twice(URL)["Cache-Status"]
        story.apply(workloads.agent("newcomer", "agent"))
        story.ready("newcomer")
        assert story.ask(story.agent("newcomer"), URL, session="s")["status"] == 200
    finally:
        kubectl.run("apply", "-k", str(ROOT / "manifests" / "default"))
        for name in ("slipstream-operator", "slipstream-injector"):
            kubectl.run("rollout", "status", f"deployment/{name}", "-n", SYSTEM, "--timeout=90s")
