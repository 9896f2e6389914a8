"""An API server in memory, as far as the Kube protocol sees one: versions, uids, generations, server-side apply, status isolation.

It must answer like a real one: tests/contract/kube_conformance.py runs on both. Nothing schedules, collects garbage or validates here.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slipstream_operator.errors import AlreadyExists, Conflict, Invalid, NotFound
from slipstream_operator.kube.client import Object
from slipstream_operator.kube.kinds import POD, Kind
from slipstream_operator.names import FIELD_MANAGER

Key = tuple[str, str | None, str]
WITH_STATUS = frozenset({"ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest", "Pod", "Job", "Namespace"})
# Lists that server-side apply merges by key.
LIST_KEYS = {"ownerReferences": "uid", "containers": "name", "initContainers": "name", "webhooks": "name"}
WRITES = frozenset({"create", "update", "apply", "patch", "patch_status", "delete"})


class FakeKube:
    """See `Kube`. `calls` lists every call, `before` may raise or wait in front of each, `listeners` hear every change."""

    def __init__(self, field_manager: str = FIELD_MANAGER) -> None:
        self.objects: dict[Key, Object] = {}
        self.applied: dict[Key, Object] = {}
        self.calls: list[tuple[str, str, str]] = []  # (method, kind, name)
        self.changes = 0  # writes that changed something
        self.before: Callable[[str, Kind, str], Awaitable[None]] | None = None
        self.listeners: list[Callable[[Kind, str, Object], None]] = []
        self.closed = False
        self.printed: dict[tuple[str, str, str], str] = {}  # what containers have printed
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)
        self._manager = field_manager

    # -- the protocol --

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object:
        await self._enter("get", kind, name)
        return copy.deepcopy(self._find(kind, namespace, name))

    async def list(
        self, kind: Kind, namespace: str | None, *, labels: str = "", fields: str = "", metadata_only: bool = False
    ) -> list[Object]:
        await self._enter("list", kind, "")
        found = [
            obj
            for (plural, where, _), obj in sorted(self.objects.items(), key=lambda item: (item[0][1] or "", item[0][2]))
            if plural == kind.plural and namespace in (None, where) and _selected(obj, labels) and _matches(obj, fields)
        ]
        if metadata_only:
            found = [{"metadata": obj["metadata"]} for obj in found]
        return copy.deepcopy(found)

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        name = obj["metadata"]["name"]
        await self._enter("create", kind, name)
        key = self._key(kind, obj["metadata"].get("namespace"), name)
        if key in self.objects:
            raise AlreadyExists(f"{kind.plural} {name} exists already")
        return self._insert(kind, key, obj)

    async def update(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        meta = obj["metadata"]
        await self._enter("update", kind, meta["name"])
        old = self._find(kind, meta.get("namespace"), meta["name"])
        self._check(old, meta)
        new = copy.deepcopy(dict(obj))
        new["metadata"] = {**new["metadata"], **_identity(old)}
        if kind.kind in WITH_STATUS:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy.deepcopy(old["status"])
        return self._replace(kind, old, new)

    async def apply(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        name = obj["metadata"]["name"]
        await self._enter("apply", kind, name)
        key = self._key(kind, obj["metadata"].get("namespace"), name)
        wanted = copy.deepcopy(dict(obj))
        if kind.kind in WITH_STATUS:
            wanted.pop("status", None)
        before, self.applied[key] = self.applied.get(key, {}), copy.deepcopy(wanted)
        if key not in self.objects:
            return self._insert(kind, key, wanted)
        old = self.objects[key]
        new = copy.deepcopy(old)
        _apply(new, wanted, before)
        return self._replace(kind, old, new)

    async def patch(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        await self._enter("patch", kind, name)
        old = self._find(kind, namespace, name)
        self._check(old, patch.get("metadata") or {})
        new = copy.deepcopy(old)
        _merge(new, {k: v for k, v in patch.items() if k != "status" or kind.kind not in WITH_STATUS})
        new["metadata"] |= _identity(old)
        return self._replace(kind, old, new)

    async def patch_status(self, kind: Kind, namespace: str | None, name: str, patch: Mapping[str, Any]) -> Object:
        await self._enter("patch_status", kind, name)
        if kind.kind not in WITH_STATUS:
            raise NotFound(f"{kind.plural}/status: the server could not find the requested resource")
        old = self._find(kind, namespace, name)
        self._check(old, patch.get("metadata") or {})
        new = copy.deepcopy(old)
        _merge(new, {"status": copy.deepcopy(patch.get("status"))})
        return self._replace(kind, old, new)

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str = "") -> None:
        await self._enter("delete", kind, name)
        old = self._find(kind, namespace, name)
        if uid and uid != old["metadata"]["uid"]:
            raise Conflict(f"{kind.plural} {name}: the uid is another's")
        self.remove(kind, namespace, name)

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        await self.get(POD, namespace, pod)
        return self.printed.get((namespace, pod, container), "")

    async def close(self) -> None:
        self.closed = True

    # -- for tests --

    def seed(self, kind: Kind, obj: Mapping[str, Any]) -> Object:
        """Puts an object there as a user or a kubelet would, status included."""
        meta = obj["metadata"]
        key = self._key(kind, meta.get("namespace"), meta["name"])
        if key not in self.objects:
            return self._insert(kind, key, obj, status=True)
        old = self.objects[key]
        new = copy.deepcopy(dict(obj))
        new["metadata"] = {**new["metadata"], **_identity(old)}
        if "status" not in new and "status" in old:
            new["status"] = copy.deepcopy(old["status"])
        return self._replace(kind, old, new)

    def remove(self, kind: Kind, namespace: str | None, name: str, *, quietly: bool = False) -> None:
        """The object vanishes; `quietly`: nobody hears of it, as while a watch is broken."""
        key = self._key(kind, namespace, name)
        gone = self.objects.pop(key)
        self.applied.pop(key, None)
        self.changes += 1
        if not quietly:
            self._tell(kind, "DELETED", gone)

    def writes(self) -> list[tuple[str, str, str]]:
        """The calls that may change something."""
        return [call for call in self.calls if call[0] in WRITES]

    # -- inside --

    async def _enter(self, method: str, kind: Kind, name: str) -> None:
        if self.before is not None:
            await self.before(method, kind, name)
        self.calls.append((method, kind.kind, name))

    @staticmethod
    def _key(kind: Kind, namespace: str | None, name: str) -> Key:
        if kind.namespaced and namespace is None:
            raise Invalid(f"{kind.plural} {name}: a namespace is needed")
        return (kind.plural, namespace if kind.namespaced else None, name)

    def _find(self, kind: Kind, namespace: str | None, name: str) -> Object:
        try:
            return self.objects[self._key(kind, namespace, name)]
        except KeyError:
            raise NotFound(f'{kind.plural} "{name}" not found') from None

    @staticmethod
    def _check(old: Object, metadata: Mapping[str, Any]) -> None:
        version = metadata.get("resourceVersion")
        if version is not None and version != old["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified; please apply your changes to the latest version and try again")

    def _insert(self, kind: Kind, key: Key, obj: Mapping[str, Any], *, status: bool = False) -> Object:
        new = copy.deepcopy(dict(obj))
        if not status and kind.kind in WITH_STATUS:
            new.pop("status", None)
        new |= {"apiVersion": kind.api_version, "kind": kind.kind}
        given = {k: v for k, v in new["metadata"].items() if k not in ("resourceVersion", "generation")}
        number = next(self._uids)
        new["metadata"] = {"uid": f"uid-{number}", "creationTimestamp": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z", **given}
        new["metadata"]["resourceVersion"] = str(next(self._versions))
        if "spec" in new:
            new["metadata"]["generation"] = 1
        self.objects[key] = new
        self.changes += 1
        self._tell(kind, "ADDED", new)
        return copy.deepcopy(new)

    def _replace(self, kind: Kind, old: Object, new: Object) -> Object:
        if new == old:
            return copy.deepcopy(old)
        meta = new["metadata"]
        if new.get("spec") != old.get("spec"):
            meta["generation"] = old["metadata"].get("generation", 0) + 1
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[self._key(kind, meta.get("namespace"), meta["name"])] = new
        self.changes += 1
        self._tell(kind, "MODIFIED", new)
        return copy.deepcopy(new)

    def _tell(self, kind: Kind, event: str, obj: Object) -> None:
        for listener in self.listeners:
            listener(kind, event, copy.deepcopy(obj))


def _identity(obj: Object) -> Object:
    return {k: v for k, v in obj["metadata"].items() if k in ("uid", "resourceVersion", "generation", "creationTimestamp")}


def _matches(obj: Object, fields: str) -> bool:
    """`involvedObject.name=x`, joined by commas."""
    for term in filter(None, fields.split(",")):
        path, value = term.split("=")
        found: Any = obj
        for name in path.split("."):
            found = (found or {}).get(name)
        if found != value:
            return False
    return True


def _selected(obj: Object, labels: str) -> bool:
    """`a=b`, `a!=b`, `a`, `!a`, joined by commas."""
    have = obj["metadata"].get("labels") or {}
    for term in filter(None, labels.split(",")):
        if "!=" in term:
            name, value = term.split("!=")
            ok = have.get(name) != value
        elif "=" in term:
            name, value = term.replace("==", "=").split("=")
            ok = have.get(name) == value
        else:
            ok = term[1:] not in have if term.startswith("!") else term in have
        if not ok:
            return False
    return True


def _merge(target: Object, patch: Mapping[str, Any]) -> None:
    """RFC 7396."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = copy.deepcopy(value)


def _apply(target: Object, wanted: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """What the manager applied before and doesn't any more goes; what it applies now is set; what others set stays."""
    for name in [name for name in before if name not in wanted]:
        if isinstance(before[name], Mapping) and isinstance(target.get(name), dict):
            _apply(target[name], {}, before[name])
            if not target[name]:
                del target[name]
        elif name in LIST_KEYS:
            _apply_list(target, name, [], before[name])
        else:
            target.pop(name, None)
    for name, value in wanted.items():
        if isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _apply(target[name], value, before.get(name) or {})
        elif name in LIST_KEYS:
            _apply_list(target, name, value, before.get(name) or [])
        else:
            target[name] = copy.deepcopy(value)


def _apply_list(target: Object, name: str, wanted: list[Any], before: list[Any]) -> None:
    """Items are merged by their key: what others set in an item of ours stays, items of others too."""
    field = LIST_KEYS[name]
    old, earlier = ({item[field]: item for item in items} for items in (target.get(name) or [], before))
    ours = {item[field] for item in wanted}
    others = [item for key, item in old.items() if key not in ours and key not in earlier]
    for item in wanted:
        _apply(old.setdefault(item[field], {}), item, earlier.get(item[field]) or {})
    if others or wanted:
        target[name] = others + [old[item[field]] for item in wanted]
    else:
        target.pop(name, None)
