"""Story 10: pool deleted: traffic goes on without layers, and with them when the pool is back."""

from __future__ import annotations

import pytest

from e2e.harness.waiting import eventually
from e2e.harness.world import World

URL = "http://memory-server:8080/episodic/recall?q=pipe"


@pytest.fixture(scope="module")
def story(world: World) -> World:
    return world.settle_cached_agent()


def test_a_deleted_pool_leaves_pass_through(story: World) -> None:
    """No pool, no layers, and still an answer at the same name; the pool comes back and so do the layers."""
    story.delete("cachep", "memory")
    story.delete("cpool", "memory")
    eventually(
        lambda: "no-rule" in story.read_twice(URL)["Cache-Status"], "pass-through", 180
    )  # the reinstalled operator has new keys: the volume brings them
