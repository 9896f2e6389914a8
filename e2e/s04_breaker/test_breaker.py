"""Story 4: a failing upstream opens the circuit, the fallback answers, kubectl says so; it closes by itself when the upstream is back."""

from __future__ import annotations

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

URL = "http://memory-server:8080/semantic/list"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """One agent, a breaker, no cache."""
    world.apply(
        workloads.pool(),
        workloads.breaker(open={"duration": "15s", "backoffPercent": 100}),
        workloads.agent_source(),
        *workloads.memory_server(),
    )
    world.ready("memory-server")
    world.apply(workloads.agent("agent", "agent"))
    world.ready("agent")
    world.wait_condition("cbk", "memory", "Ready", "True")
    return world


def state(story: World) -> str:
    return str(story.get("cbk", "memory").get("status", {}).get("summary", {}).get("figure", ""))


def test_a_healthy_upstream_keeps_the_circuit_closed(story: World) -> None:
    """The control: calls that succeed open nothing."""
    for _ in range(10):
        assert story.ask(story.agent(), URL, session="a")["status"] == 200
    eventually(lambda: "open" not in state(story).lower(), "circuit closed")


def test_a_failing_upstream_opens_the_circuit_and_a_good_one_closes_it(story: World) -> None:
    """Scaled to nothing, the server fails; five failures open the circuit, the static fallback answers; scaled up, it closes."""
    pod = story.agent()
    kubectl.run("scale", "deployment/memory-server", "--replicas=0", "-n", story.namespace)
    kubectl.run("wait", "--for=delete", "pod", "-l", "app=memory-server", "-n", story.namespace, "--timeout=60s")

    def degraded() -> bool:
        answer = story.ask(pod, URL, session="a")
        assert answer["status"] in (502, 503, 504), answer
        return '"degraded":true' in answer["body"]

    eventually(degraded, "the static fallback", 30)
    eventually(lambda: degraded() and "open" in state(story).lower(), "kubectl get cbk says open", 40)
    assert "open" in kubectl.out("get", "cbk", "memory", "-n", story.namespace).lower()
    kubectl.run("scale", "deployment/memory-server", "--replicas=1", "-n", story.namespace)
    story.ready("memory-server")
    eventually(lambda: story.ask(pod, URL, session="a")["status"] == 200, "answers again", 60)
    eventually(lambda: "open" not in state(story).lower(), "kubectl get cbk says closed", 40)
    reasons = {event["reason"] for event in kubectl.get("events", "", story.namespace)}
    assert {"BreakerOpened", "BreakerClosed"} <= reasons
