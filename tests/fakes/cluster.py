"""An API server in memory with caches that follow it, as kopf's indexes do; and, when asked for, an App that hears of each change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from slipstream_operator.app import App
from slipstream_operator.caches import Caches, index_config_map, index_pod, index_policy
from slipstream_operator.kube.client import Object
from slipstream_operator.kube.kinds import BY_NAME, CONFIG_MAP, POD, SECRET, Kind
from slipstream_operator.names import INJECTOR_TLS_SECRET, SIGNING_KEYS_SECRET, SYSTEM_NAMESPACE
from tests.fakes.fake_kube import FakeKube

KINDS: Mapping[str, Kind] = {**BY_NAME, "Pod": POD, "ConfigMap": CONFIG_MAP, "Secret": SECRET}


class MemoryIndex:
    """Key → values of objects, as kopf.Index shows it."""

    def __init__(self) -> None:
        self._by_object: dict[str, Mapping[Any, Any]] = {}

    def replace(self, uid: str, entries: Mapping[Any, Any]) -> None:
        self._by_object[uid] = entries

    def discard(self, uid: str) -> None:
        self._by_object.pop(uid, None)

    def __iter__(self) -> Iterator[Any]:
        return iter({key for entries in self._by_object.values() for key in entries})

    def __contains__(self, key: object, /) -> bool:
        return any(key in entries for entries in self._by_object.values())

    def __getitem__(self, key: Any, /) -> Iterable[Any]:
        return [entries[key] for entries in self._by_object.values() if key in entries]


def policies_of(kube: FakeKube) -> Caches:
    """Caches that hold the policies and load tests of `kube`, and nothing else."""
    caches, indexes = Caches(), {name: MemoryIndex() for name in BY_NAME}
    caches.bind(indexes, MemoryIndex(), MemoryIndex())
    caches.synced = True

    def follow(kind: Kind, event: str, body: Object) -> None:
        if kind.kind in indexes:
            indexes[kind.kind].replace(body["metadata"]["uid"], index_policy(kind, body) if event != "DELETED" else {})

    kube.listeners.append(follow)
    return caches


class Cluster:
    """`put` and `remove` as a user or a kubelet would; caches follow at once, and `app` hears of it if there is one."""

    def __init__(self) -> None:
        self.kube = FakeKube()
        self.indexes = {kind: MemoryIndex() for kind in KINDS}
        self.app: App | None = None
        self.caches = Caches()
        self.caches.bind({kind: self.indexes[kind] for kind in BY_NAME}, self.indexes["Pod"], self.indexes["ConfigMap"])
        self.kube.listeners.append(self._follow)
        for name in (SIGNING_KEYS_SECRET, INJECTOR_TLS_SECRET):
            self.put({"kind": "Secret", "metadata": {"namespace": SYSTEM_NAMESPACE, "name": name}})

    def put(self, manifest: Mapping[str, Any]) -> Object:
        return self.kube.seed(KINDS[manifest["kind"]], manifest)

    def remove(self, manifest: Mapping[str, Any], *, quietly: bool = False) -> Object:
        kind, meta = KINDS[manifest["kind"]], manifest["metadata"]
        body = self.kube.objects[kind.plural, meta["namespace"], meta["name"]]
        self.kube.remove(kind, meta["namespace"], meta["name"], quietly=quietly)
        return body

    def get(self, kind: str, namespace: str, name: str) -> Object:
        return self.kube.objects[KINDS[kind].plural, namespace, name]

    def has(self, kind: str, namespace: str, name: str) -> bool:
        return (KINDS[kind].plural, namespace, name) in self.kube.objects

    def run(self, app: App) -> None:
        """From now on `app` hears; like a fresh process it is told of everything that is there."""
        app.start({kind: self.indexes[kind] for kind in BY_NAME}, self.indexes["Pod"], self.indexes["ConfigMap"])
        self.app = app
        for (_, _, _), body in list(self.kube.objects.items()):
            if body["kind"] in self.indexes:
                self._tell(KINDS[body["kind"]], "ADDED", body)

    def _follow(self, kind: Kind, event: str, body: Object) -> None:
        if kind.kind not in self.indexes or kind.kind == "Secret":
            return
        index, uid = self.indexes[kind.kind], body["metadata"]["uid"]
        if event == "DELETED":
            index.discard(uid)
        else:
            index.replace(uid, _indexed(kind, body))
        self._tell(kind, event, body)

    def _tell(self, kind: Kind, event: str, body: Object) -> None:
        if self.app is None:
            return
        meta, gone = body["metadata"], event == "DELETED"
        if kind.kind in BY_NAME:
            self.app.policy_event((kind.kind, meta["namespace"], meta["name"]), meta["uid"], gone)
        elif kind.kind == "Pod":
            self.app.pod_event(meta["namespace"], meta["uid"], gone)
        elif kind.kind == "ConfigMap":
            self.app.config_map_event(body, gone)


def _indexed(kind: Kind, body: Object) -> Mapping[Any, Any]:
    if kind.kind in BY_NAME:
        return index_policy(kind, body)
    return index_pod(body) if kind.kind == "Pod" else index_config_map(body)
