"""Story 6, two runners against one: the same load in sum, and the same percentiles of the merge; each answer takes a known time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

RATE, SECONDS, TAKES_MS = 20, 15, 2000
PORT = workloads.AGENT_PORT


@pytest.fixture(scope="module")
def story(world: World) -> World:
    """A server whose answers take two seconds: percentiles that don't depend on how busy the node is."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "steady"},
        "spec": {"selector": {"app": "steady"}, "ports": [{"port": PORT, "targetPort": PORT}]},
    }
    world.apply(workloads.agent_source(), workloads.agent("steady"), service)
    world.ready("steady")
    return world


def stored(story: World, name: str, runners: int) -> dict[str, Any]:
    """The Hold level of a finished run, out of its stored report."""
    spec = {
        "target": {"url": f"http://steady:{PORT}"},
        "runners": {"count": runners},
        "warmup": "2s",
        "stages": [{"name": "r", "ratePerSecond": RATE, "duration": f"{SECONDS}s", "drain": "5s"}],
        "scenarios": [{"name": "wait", "steps": [{"name": "wait", "http": {"path": f"/wait?ms={TAKES_MS}"}}]}],
        "thresholds": [{"name": "errors", "metric": "errors.percent", "max": 0}],
    }
    story.apply(workloads.policy("LoadTest", name, spec))

    def look() -> dict[str, Any] | None:
        status: dict[str, Any] = story.get("lt", name).get("status", {})
        return status if status.get("completionTime") else None

    status = eventually(look, f"{name} finished", 120)
    assert status is not None
    document = json.loads(story.get("configmap", status["resultRef"]["name"])["data"]["result.json"])
    assert kubectl.condition(story.get("lt", name), "Succeeded")["reason"] == "Passed", status
    return dict(next(level for level in document["stages"] if level["stage"] == "r"))


def test_two_runners_offer_what_one_offers_and_measure_the_same(story: World) -> None:
    """Exactly as many calls; p99 within 2 %."""
    one, two = stored(story, "one-runner", 1), stored(story, "two-runners", 2)
    print(json.dumps({"one": one, "two": two}))
    assert one["offered"] == two["offered"] == RATE * SECONDS
    assert two["latencyMs"]["p99"] == pytest.approx(one["latencyMs"]["p99"], rel=0.02)
    assert one["latencyMs"]["p99"] >= TAKES_MS
