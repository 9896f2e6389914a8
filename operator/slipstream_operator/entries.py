"""What is kept of an object that is watched: small, immutable, parsed once. Pure: bodies in, entries and index keys out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from slipstream_api.sidecar import ENVELOPE_FILE, KEYS_FILE, Endpoint
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.names import (
    ANNOTATION_INJECT,
    ANNOTATION_STATUS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    ROLE_RUNNER,
    SIDECAR_CONTAINER,
    workload_config_map,
)

FINISHED: Final = frozenset({"Succeeded", "Failed"})


class PortConflict(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alias that the injector left out of a pod."""

    host: str
    port: int
    reason: str = ""


class Injection(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The annotation slipstream.dev/status: what the injector gave a pod, for the pod's life."""

    version: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    conflicts: tuple[PortConflict, ...] = ()

    def endpoint(self, host: str, port: int) -> Endpoint | None:
        return next((e for e in self.endpoints if e.host == host and e.port == port), None)

    def conflict(self, host: str) -> PortConflict | None:
        """An alias is all or nothing for a host, whichever port is the reason."""
        return next((c for c in self.conflicts if c.host == host), None)


@dataclass(frozen=True, slots=True)
class PodEntry:
    """A pod that carries the label slipstream.dev/workload. `created`: RFC 3339."""

    uid: str
    namespace: str
    name: str
    workload: str
    ip: str = ""
    created: str = ""
    runner: bool = False
    over: bool = False  # finished, or being deleted
    sidecar: bool = False
    started: bool = False  # the sidecar's container runs
    opted_out: bool = False
    host_network: bool = False
    injection: Injection = field(default_factory=Injection)

    @property
    def counts(self) -> bool:
        """Whether it is one of the pods that a policy is for."""
        return not self.runner and not self.over


@dataclass(frozen=True, slots=True)
class Other:
    """An object that is watched because of its labels and concerns nobody; it counts when caches are compared with the API server."""

    uid: str


@dataclass(frozen=True, slots=True)
class ConfigMapEntry:
    """A workload's ConfigMap as it is, whoever wrote it."""

    uid: str
    namespace: str
    name: str
    workload: str
    envelope: str = ""
    keys: str = ""
    owners: frozenset[str] = frozenset()  # uids of ConnectionPools
    resource_version: str = ""


def pod_entry(body: Mapping[str, Any]) -> PodEntry | None:
    """The entry; None for a pod that isn't a workload's."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    workload = labels.get(LABEL_WORKLOAD)
    if not workload:
        return None
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return PodEntry(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        workload=workload,
        ip=status.get("podIP") or "",
        created=meta.get("creationTimestamp") or "",
        runner=labels.get(LABEL_ROLE) == ROLE_RUNNER,
        over=bool(meta.get("deletionTimestamp")) or status.get("phase") in FINISHED,
        sidecar=any(c.get("name") == SIDECAR_CONTAINER for c in containers),
        started=any(s.get("name") == SIDECAR_CONTAINER and "running" in (s.get("state") or {}) for s in states),
        opted_out=annotations.get(ANNOTATION_INJECT) == "false",
        host_network=bool(spec.get("hostNetwork")),
        injection=_injection(annotations.get(ANNOTATION_STATUS)),
    )


def _injection(text: str | None) -> Injection:
    """Nobody but the injector writes the annotation; one that can't be read counts as an empty one."""
    if not text:
        return Injection()
    try:
        return msgspec.json.decode(text, type=Injection)
    except msgspec.DecodeError:
        return Injection()


def config_map_entry(body: Mapping[str, Any]) -> ConfigMapEntry | None:
    """The entry; None for a ConfigMap that isn't a workload's."""
    meta, data = body["metadata"], body.get("data") or {}
    workload = (meta.get("labels") or {}).get(LABEL_WORKLOAD)
    if not workload or meta["name"] != workload_config_map(workload):
        return None
    return ConfigMapEntry(
        uid=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        workload=workload,
        envelope=data.get(ENVELOPE_FILE) or "",
        keys=data.get(KEYS_FILE) or "",
        owners=frozenset(o["uid"] for o in meta.get("ownerReferences") or () if o.get("kind") == CONNECTION_POOL.kind),
        resource_version=meta.get("resourceVersion") or "",
    )
