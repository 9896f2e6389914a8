"""What a pod carries against what a pool expects of it: the operator's condition Injected is made of this. Pure.

Ask with live pods only, and with one pool's upstreams at a time: the answer is about that pool.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from slipstream_operator.injector.pools import PoolFacts
from slipstream_operator.names import (
    ANNOTATION_INJECT,
    ANNOTATION_STATUS,
    ANNOTATION_UPSTREAMS,
    LABEL_ROLE,
    ROLE_RUNNER,
    SIDECAR_CONTAINER,
)

State = Literal["Injected", "MissingSidecar", "Outdated", "PortConflict", "OptedOut", "HostNetwork", "Runner"]


@dataclass(frozen=True, slots=True)
class PodExtract:
    """What of a pod matters here; `extract` reads it from the API server's JSON."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    init_containers: tuple[str, ...] = ()
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """One upstream as a pool wants it reached; `passthrough` only matters with `alias`."""

    host: str
    port: int
    alias: bool = False
    passthrough: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Detection:
    """`message` says what to change; empty where nothing is to be."""

    state: State
    message: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """What slipstream.dev/status says that a pod was given."""

    endpoints: Mapping[tuple[str, int], bool]  # (host, port) → has the alias
    passthrough: frozenset[tuple[str, int]]
    conflicts: Mapping[tuple[str, int], str]  # (host, port) → why it has none


def extract(pod: Mapping[str, Any]) -> PodExtract:
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    return PodExtract(
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        init_containers=tuple(str(c.get("name", "")) for c in spec.get("initContainers") or []),
        host_network=bool(spec.get("hostNetwork")),
    )


def expected_of(pool: PoolFacts) -> Expected:
    return Expected(pool.host, pool.port, pool.alias, pool.passthrough)


def detect(pod: PodExtract, expected: Sequence[Expected]) -> Detection:
    """The worst that is true of any of `expected`: without a sidecar, without an endpoint, without an alias."""
    if pod.labels.get(LABEL_ROLE) == ROLE_RUNNER:
        return Detection("Runner")
    if SIDECAR_CONTAINER not in pod.init_containers:
        return _without_sidecar(pod)
    given = _given(pod.annotations.get(ANNOTATION_STATUS, ""))
    if given is None:
        return Detection("Outdated", f"annotation {ANNOTATION_STATUS} is missing or unreadable; restart the pod")
    for wanted in expected:
        problem = _outdated(wanted, given)
        if problem:
            return Detection("Outdated", f"{problem}; {_remedy(pod)}")
    for wanted in expected:
        detail = given.conflicts.get((wanted.host, wanted.port))
        if wanted.alias and detail is not None:
            return Detection("PortConflict", f"{wanted.host}:{wanted.port} is not intercepted by name: {detail}")
    return Detection("Injected")


def _without_sidecar(pod: PodExtract) -> Detection:
    if pod.annotations.get(ANNOTATION_INJECT, "").strip().lower() == "false":
        return Detection("OptedOut")
    if pod.host_network:
        return Detection("HostNetwork", "pods on the host's network get no sidecar")
    return Detection("MissingSidecar", "no sidecar: was the injector down, or the namespace excluded? Restart the pod")


def _outdated(wanted: Expected, given: Given) -> str:
    """What a pod that was made before the pool is as it is now lacks of it; empty where nothing."""
    key = (wanted.host, wanted.port)
    if key not in given.endpoints:
        return f"the pod doesn't know {wanted.host}:{wanted.port}"
    if not wanted.alias or key in given.conflicts:
        return ""
    if not given.endpoints[key]:
        return f"the pod has no host alias for {wanted.host}"
    further = [p for p in wanted.passthrough if (wanted.host, p) not in given.passthrough and (wanted.host, p) not in given.endpoints]
    return f"the pod doesn't pass {wanted.host}:{further[0]} through" if further else ""


def _remedy(pod: PodExtract) -> str:
    """Where the annotation decides, a restart alone changes nothing."""
    if pod.annotations.get(ANNOTATION_UPSTREAMS, "").strip():
        return f"add it to the annotation {ANNOTATION_UPSTREAMS}, which decides for this pod"
    return "restart the pod"


def _given(text: str) -> Given | None:
    try:
        status = json.loads(text)
        return Given(
            endpoints={(e["host"], int(e["port"])): bool(e.get("alias")) for e in status["endpoints"]},
            passthrough=frozenset((e["host"], int(e["port"])) for e in status.get("passthrough") or ()),
            conflicts={(c["host"], int(c["port"])): str(c.get("detail") or c["reason"]) for c in status["conflicts"]},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
