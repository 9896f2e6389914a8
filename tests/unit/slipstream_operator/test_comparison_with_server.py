"""The comparison of the caches with the API server: buries what is gone, says when the caches are full, is patient with what is new."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_operator.app import WATCHED
from slipstream_operator.caches import Entry
from slipstream_operator.errors import Temporary
from slipstream_operator.ghosts import Ghosts
from slipstream_operator.kube.kinds import Kind
from slipstream_operator.metrics import Metrics
from slipstream_operator.periodic import Periodic
from tests.fakes import policies as make
from tests.fakes.cluster import Cluster


class Scene:
    def __init__(self, namespaces: tuple[str, ...] = ()) -> None:
        self.cluster, self.buried = Cluster(), list[tuple[str, str]]()
        caches = self.cluster.caches
        self.ghosts = Ghosts(self.cluster.kube, caches, WATCHED, namespaces, Metrics(), lambda: 0.0, self._bury)

    def _bury(self, kind: Kind, entry: Entry) -> None:
        self.buried.append((kind.kind, entry.uid))


async def test_what_is_alive_stays() -> None:
    """And the caches are full."""
    scene = Scene()
    for manifest in (make.pool(), make.cache(), make.pod()):
        scene.cluster.put(manifest)
    assert scene.cluster.caches.check()
    await scene.ghosts.check()
    assert scene.buried == []
    assert scene.cluster.caches.check() == ""


async def test_what_is_gone_without_a_word_is_buried_once() -> None:
    """Of any kind that is watched."""
    scene = Scene()
    bodies = [scene.cluster.put(m) for m in (make.pool(), make.cache(), make.pod())]
    for manifest in (make.pool(), make.cache(), make.pod()):
        scene.cluster.remove(manifest, quietly=True)
    await scene.ghosts.check()
    assert sorted(scene.buried) == sorted((b["kind"], b["metadata"]["uid"]) for b in bodies)
    await scene.ghosts.check()
    assert len(scene.buried) == 3


async def test_a_successor_of_the_same_name_is_alive() -> None:
    """Only the uid counts."""
    scene = Scene()
    old = scene.cluster.put(make.pool())
    scene.cluster.remove(make.pool(), quietly=True)
    new = scene.cluster.put(make.pool())
    await scene.ghosts.check()
    assert scene.buried == [("ConnectionPool", old["metadata"]["uid"])]
    assert [e.uid for e in scene.cluster.caches.pools_of(make.NS, "agent")] == [new["metadata"]["uid"]]


async def test_what_the_watch_hasnt_brought_yet_keeps_the_caches_unsynced() -> None:
    """Ready means that everything that there is is known."""
    scene = Scene()
    body = scene.cluster.put(make.pool())
    index = scene.cluster.indexes["ConnectionPool"]
    index.discard(body["metadata"]["uid"])
    await scene.ghosts.check()
    assert scene.cluster.caches.check()
    scene.cluster.put({**make.pool(), "metadata": {**make.pool()["metadata"], "labels": {"seen": "now"}}})
    await scene.ghosts.check()
    assert scene.cluster.caches.check() == ""


async def test_what_comes_during_the_comparison_isnt_taken_for_dead() -> None:
    """The list is newer than the first look, never older."""
    scene = Scene()

    async def meanwhile(method: str, kind: Kind, name: str) -> None:
        if kind.kind == "ConnectionPool" and not scene.cluster.has("ConnectionPool", make.NS, "memory"):
            scene.cluster.put(make.pool())

    scene.cluster.kube.before = meanwhile
    await scene.ghosts.check()
    assert scene.buried == []


async def test_with_namespaces_only_those_are_asked() -> None:
    """A Role allows no more."""
    scene = Scene((make.NS, "other"))
    scene.cluster.put(make.pool())
    await scene.ghosts.check()
    assert scene.buried == []
    assert len([c for c in scene.cluster.kube.calls if c[:2] == ("list", "ConnectionPool")]) == 2


@pytest.mark.looptime
async def test_a_periodic_action_comes_again_and_sooner_after_a_failure() -> None:
    """At its interval; after a failure when the error says; at once when asked to."""
    times: list[float] = []

    async def action() -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 2:
            raise Temporary("no", delay=3.0)

    periodic = Periodic("test", 100.0, action, first=10.0)
    task = asyncio.create_task(periodic.run())
    await asyncio.sleep(150)
    assert times[0] == pytest.approx(10)
    assert times[1] == pytest.approx(115, abs=6)
    assert times[2] - times[1] == pytest.approx(3)
    periodic.soon()
    await asyncio.sleep(1)
    assert len(times) == 4
    task.cancel()
