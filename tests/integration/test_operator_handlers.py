"""kopf embedded, against a mock API server: what is watched and how, that events become keys, and that objects are never written to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kopf
import pytest
from kmock import KubernetesEmulator, ResourceInfo, action

from slipstream_operator.app import App
from slipstream_operator.handlers import register
from slipstream_operator.kube.kinds import CONFIG_MAP, EVENT, LOAD_TEST, NAMESPACE, POD, POLICY_KINDS, Kind
from slipstream_operator.settings import Settings
from tests.fakes import policies as make
from tests.fakes.cluster import Cluster
from tests.fakes.operator_world import eventually

NS = make.NS
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
URLS = {kind.kind: kind.path(NS) for kind in POLICY_KINDS} | {
    "Pod": f"/api/v1/namespaces/{NS}/pods",
    "ConfigMap": f"/api/v1/namespaces/{NS}/configmaps",
}


class Scene:
    """An App whose caches kopf fills, beside a fake for what it writes."""

    def __init__(self, server: Any) -> None:
        self.server, self.cluster = server, Cluster()
        self.app = App(Settings(debounce=0.005), self.cluster.kube, "c1")
        self.registry, self.settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
        register(self.registry, self.app)
        self.settings.networking.error_backoffs = []
        self.task: asyncio.Task[None] | None = None
        self.started = False
        self.older: set[asyncio.Task[Any]] = set()

    def start(self) -> asyncio.Task[None]:
        self.older = asyncio.all_tasks()
        self.task = asyncio.create_task(
            kopf.operator(registry=self.registry, settings=self.settings, clusterwide=True, standalone=True, stop_flag=self.app.stop_flag)
        )
        return self.task

    async def post(self, manifest: dict[str, Any]) -> None:
        meta = {"uid": f"uid-{manifest['kind']}-{manifest['metadata']['name']}", "generation": 1, **manifest["metadata"]}
        async with self.server.post(URLS[manifest["kind"]], json={**manifest, "metadata": meta}) as answer:
            assert answer.status < 300, await answer.text()

    async def ended(self, within: float = 10.0) -> BaseException | None:
        """Waits until kopf has ended; with what. What it would cancel after 5 s (streams of the mock server) is cancelled at once."""
        assert self.task is not None
        async with asyncio.timeout(within):
            while not self.task.done():
                if self.stopping():
                    for task in asyncio.all_tasks() - self.older - {self.task}:
                        task.cancel()
                await asyncio.wait([self.task], timeout=0.02)
        return self.task.exception()

    def stopping(self) -> bool:
        """Ours are stopped: that is the last thing before kopf waits."""
        return self.started and not self.app._tasks

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within the test's own task: kopf cancels every task that is younger than itself."""
        self.start()
        try:
            await eventually(lambda: self.app._tasks)
            self.started = True
            yield
        finally:
            self.app.stop_flag.set()
            await self.ended()


@pytest.fixture
async def scene(kmock: KubernetesEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for kind in (NAMESPACE, POD, CONFIG_MAP, EVENT, CRD, *POLICY_KINDS, LOAD_TEST):  # kopf waits until namespaces can be discovered
        kmock.resources[f"{kind.group}/{kind.version}/{kind.plural}" if kind.group else f"{kind.version}/{kind.plural}"] = ResourceInfo(
            kind=kind.kind, singular=kind.kind.lower(), namespaced=kind.namespaced, verbs={"get", "list", "watch", "patch"}
        )
    config = tmp_path / "config"
    config.write_text(
        f"current-context: x\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n"
        f"clusters: [{{name: x, cluster: {{server: '{kmock.url}'}}}}]\nusers: [{{name: x, user: {{}}}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    return Scene(kmock)


async def test_events_become_keys_and_the_caches_follow(scene: Scene) -> None:
    """A pool and a cache come: the workload's ConfigMap is made, from the indexes alone."""
    await scene.post(make.pool())
    async with scene.running():
        await eventually(lambda: scene.cluster.has("ConfigMap", NS, "slipstream-agent"))
        await scene.post(make.cache())
        await eventually(lambda: [p.name for p in scene.app.caches.policies_of(NS, "memory")] == ["memory"])
        await eventually(lambda: ("CachePolicy", NS, "memory") in scene.app.workloads.records[NS, "agent"].generations)
        async with scene.server.delete(f"{URLS['CachePolicy']}/memory"):
            pass
        await eventually(lambda: scene.app.caches.policies_of(NS, "memory") == ())
        await eventually(lambda: ("CachePolicy", NS, "memory") not in scene.app.workloads.records[NS, "agent"].generations)


async def test_a_pod_and_a_config_map_are_heard_of(scene: Scene) -> None:
    """Indexed by their workload."""
    async with scene.running():
        await scene.post(make.pod(ip="", started=False))
        labels = {"slipstream.dev/workload": "agent", "app.kubernetes.io/managed-by": "slipstream-operator"}
        await scene.post({"kind": "ConfigMap", "metadata": {"namespace": NS, "name": "slipstream-agent", "labels": labels}, "data": {}})
        await eventually(lambda: [p.name for p in scene.app.caches.pods_of(NS, "agent")] == ["agent-1"])
        await eventually(lambda: scene.app.caches.config_map_of(NS, "agent") is not None)


async def test_watched_objects_are_never_written_to(scene: Scene) -> None:
    """No finalizer, no annotation, no status by kopf: not one PATCH."""
    await scene.post(make.pool())
    await scene.post(make.pod(ip="", started=False))
    async with scene.running():
        await eventually(lambda: scene.cluster.has("ConfigMap", NS, "slipstream-agent"))
        await scene.post(make.breaker())
        await eventually(lambda: scene.app.caches.policies_of(NS, "memory"))
        assert len(scene.server["patch"]) == 0
        assert len(scene.server["put"]) == 0
        assert len(scene.server["post"]) == 3, "the test's own; an Event of kopf's would be one more"


def asked(scene: Scene) -> list[Any]:
    """Lists and watches so far."""
    return [r for r in scene.server if r.resource and r.action in (action.LIST, action.WATCH)]


async def test_the_server_filters_pods_and_config_maps(scene: Scene) -> None:
    """All pods of a cluster would be all of its memory."""
    async with scene.running():
        await eventually(
            lambda: {("configmaps", action.WATCH), ("pods", action.WATCH)} <= {(r.resource.plural, r.action) for r in asked(scene)}
        )
        selectors = {(r.resource.plural, r.params.get("labelSelector")) for r in asked(scene)}
        assert ("pods", "slipstream.dev/workload") in selectors
        assert ("configmaps", "app.kubernetes.io/managed-by=slipstream-operator") in selectors
        assert not [s for s in selectors if s[0] in ("pods", "configmaps") and not s[1]]


async def test_a_listed_object_asks_for_a_comparison(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """kopf's type None: after a relist, what was deleted meanwhile isn't told."""
    heard: list[bool] = []
    monkeypatch.setattr(scene.app, "relisted", lambda: heard.append(True))
    await scene.post(make.pool())
    async with scene.running():
        await eventually(lambda: heard)
        before = len(heard)
        await scene.post(make.pool("second", host="other"))
        await eventually(lambda: len(scene.app.caches.pools_of(NS, "agent")) == 2)
        assert len(heard) == before


async def test_a_watch_that_is_refused_ends_the_operator(scene: Scene) -> None:
    """Deaf with green probes is worse than a restart; the retries before it are switched off here."""
    scene.server["watch", scene.server.resource("slipstream.dev/v1alpha1/connectionpools")] << 403
    scene.start()
    await eventually(lambda: scene.app._tasks)
    scene.started = True
    assert await scene.ended() is not None


async def test_a_queue_that_dies_ends_the_operator(scene: Scene) -> None:
    """The stop flag is set, everything else is stopped, and the caller sees the crash."""
    async with scene.running():
        await eventually(lambda: asked(scene))
        scene.app._tasks[0].cancel()
        await eventually(lambda: scene.app._tasks == [])
        assert scene.app.stop_flag.is_set()
        assert scene.app.crashed is not None


async def test_stopping_leaves_no_task_of_ours(scene: Scene) -> None:
    """kopf would wait for it."""
    async with scene.running():
        await eventually(lambda: asked(scene))
        scene.app.stop_flag.set()
        await eventually(lambda: scene.app._tasks == [], within=2)
        assert scene.app.crashed is None
