"""Pods and pools as the API server has them, with defaults; and JSON patches applied as it does. Holds no expectations."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch

from slipstream_operator.injector.inject import Injection, inject
from slipstream_operator.injector.pools import PoolFacts
from slipstream_operator.injector.sidecar import Settings

NAMESPACE = "agents"
SETTINGS = Settings(image="slipstream-runtime:dev", cluster="cluster-uid", keys={"k1": "cHVibGlj"}, version="0.1.0")


def a_container(name: str = "agent", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "agent:1", **more}


def a_pod(
    workload: str | None = "agent",
    *containers: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod as the webhook sees it: no name yet, no namespace of its own."""
    metadata: dict[str, Any] = {"generateName": "agent-7d9f-", "labels": {"app": "agent", **(labels or {})}}
    if workload is not None:
        metadata["labels"]["slipstream.dev/workload"] = workload
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [dict(c) for c in containers] or [a_container()], **spec},
    }


def a_pool(name: str = "memory", host: str = "memory-server", port: int = 8080, **more: Any) -> PoolFacts:
    return PoolFacts(**{"name": name, "workloads": ("agent",), "host": host, "port": port, "alias": True, **more})


def patched(pod: Mapping[str, Any], injection: Injection) -> dict[str, Any]:
    """The pod after admission."""
    result: dict[str, Any] = jsonpatch.apply_patch(copy.deepcopy(dict(pod)), [dict(op) for op in injection.ops])
    return result


def injected(pod: Mapping[str, Any], *pools: PoolFacts, settings: Settings = SETTINGS, namespace: str = NAMESPACE) -> dict[str, Any]:
    """The pod after an injection with these pools."""
    return patched(pod, inject(pod, namespace, pools, settings))


def outcome(pod: Mapping[str, Any], pools: Sequence[PoolFacts] = ()) -> str:
    return inject(pod, NAMESPACE, pools, SETTINGS).outcome


def env_of(container: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container.get("env") or []}
