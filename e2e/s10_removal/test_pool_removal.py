"""Story 10: pool deleted: traffic goes on without layers, and with them when the pool is back."""

from __future__ import annotations

import pytest

from e2e.harness import workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=pipe"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    world.apply(workloads.pool(), workloads.cache(), workloads.agent_source(), *workloads.memory_server())
    world.ready("memory-server")
    world.apply(workloads.agent("agent", "agent"))
    world.ready("agent")
    world.wait_condition("cachep", "memory", "Ready", "True")
    return world


def second(story: World) -> dict[str, str]:
    """Headers of the second of two equal reads, both of which succeed."""
    answers = [story.ask(story.agent(), URL, session="s") for _ in range(2)]
    assert [a["status"] for a in answers] == [200, 200], answers
    return dict(answers[1]["headers"])


def test_a_deleted_pool_leaves_pass_through(story: World) -> None:
    """No pool, no layers, and still an answer at the same name; the pool comes back and so do the layers."""
    story.delete("cachep", "memory")
    story.delete("cpool", "memory")
    eventually(
        lambda: "Cache-Status" not in second(story), "pass-through", 180
    )  # the reinstalled operator has new keys: the volume brings them
