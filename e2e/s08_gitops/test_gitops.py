"""Story 8: for Argo CD and Flux a re-sync changes nothing, a diff is empty, and an idle cluster is not written to."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from e2e.harness import kubectl, workloads
from e2e.harness.waiting import eventually
from e2e.harness.world import World
from e2e.s06_loadtest.test_loadtest import load_test

KINDS = {"ConnectionPool": "cpool", "CachePolicy": "cachep", "CircuitBreaker": "cbk", "LoadTest": "lt"}


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """One of each kind, with lists, nested objects and defaults left out."""
    return [workloads.pool(intercept="Environment"), workloads.cache(), workloads.breaker(), load_test("sync", suspend=True)]


@pytest.fixture(scope="module")
def story(world: World, manifests: list[dict[str, Any]]) -> World:
    """The policies, settled, with one agent pod and no traffic."""
    world.apply(*manifests, workloads.agent_source(), *workloads.memory_server())
    world.apply(workloads.agent("agent", "agent"))
    world.ready("agent", "memory-server")
    world.wait_condition("cbk", "memory", "Ready", "True")
    world.wait_condition("cachep", "memory", "Ready", "True")
    return world


def versions(story: World, manifests: list[dict[str, Any]], field: str) -> dict[str, Any]:
    return {m["kind"]: story.get(KINDS[m["kind"]], m["metadata"]["name"])["metadata"][field] for m in manifests}


def settle(story: World, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Until the last change is in force and reported: no write for longer than the figures' interval of 30 s."""
    for manifest in manifests:
        kind, name = KINDS[manifest["kind"]], manifest["metadata"]["name"]
        if manifest["kind"] != "LoadTest":
            story.wait_condition(kind, name, "Accepted", "True")
    seen: list[dict[str, Any]] = [{}]

    def quiet() -> bool:
        seen.append(versions(story, manifests, "resourceVersion"))
        return len(seen) > 8 and all(one == seen[-1] for one in seen[-8:])

    eventually(quiet, "no write for 35 s", 180, pause=5)
    return seen[-1]


def test_applying_again_changes_nothing(story: World, manifests: list[dict[str, Any]]) -> None:
    """Client-side apply prints `unchanged` for each, and no generation moves; the control is a real change."""
    before = versions(story, manifests, "generation")
    printed = story.apply(*manifests).splitlines()
    assert len(printed) == len(manifests)
    assert all(line.endswith(" unchanged") for line in printed), printed
    assert versions(story, manifests, "generation") == before
    assert story.apply(workloads.cache(ttl="7m")).strip().endswith("configured")
    story.apply(workloads.cache())


def test_applying_again_server_side_changes_no_generation(story: World, manifests: list[dict[str, Any]]) -> None:
    """As Flux does it, with a field manager of its own."""
    text = yaml.safe_dump_all(manifests, sort_keys=False)
    flags = ("--server-side", "--field-manager=flux", "--force-conflicts")
    kubectl.apply(text, story.namespace, *flags)
    settle(story, manifests)
    before = versions(story, manifests, "generation"), versions(story, manifests, "resourceVersion")
    kubectl.apply(text, story.namespace, *flags)
    assert (versions(story, manifests, "generation"), versions(story, manifests, "resourceVersion")) == before


def test_the_diff_is_empty(story: World, manifests: list[dict[str, Any]]) -> None:
    """`kubectl diff` exits 0; after a change in the file it exits 1 and shows it."""
    text = yaml.safe_dump_all(manifests, sort_keys=False)
    same = kubectl.run("diff", "-n", story.namespace, "-f", "-", stdin=text, check=False)
    assert (same.returncode, same.stdout) == (0, ""), same.stdout
    other = kubectl.run("diff", "-n", story.namespace, "-f", "-", stdin=text.replace("5m", "9m"), check=False)
    assert other.returncode == 1
    assert "9m" in other.stdout


def test_nothing_is_written_while_nothing_happens(story: World, manifests: list[dict[str, Any]]) -> None:
    """No resourceVersion moves for longer than the figures' interval; the control: one annotation does move it."""
    before = settle(story, manifests)
    kubectl.run("annotate", "cachep/memory", "-n", story.namespace, "control=1")
    assert versions(story, manifests, "resourceVersion") != before
