"""Manifests of policies, pods and what a sidecar says, with everything but the point of a test filled in."""

from __future__ import annotations

import json
from typing import Any

from slipstream_api.addresses import plan_endpoints
from slipstream_api.config import canonical

NS = "shop"
API = "slipstream.dev/v1alpha1"


def pool(name: str = "memory", *, workloads: tuple[str, ...] = ("agent",), host: str = "memory-server", **spec: Any) -> dict[str, Any]:
    upstream = {"protocol": "HTTP", "host": host, "port": 8080}
    return {
        "apiVersion": API,
        "kind": "ConnectionPool",
        "metadata": {"namespace": NS, "name": name},
        "spec": {"workloads": list(workloads), "upstream": upstream, **spec},
    }


def _policy(kind: str, name: str, pools: tuple[str, ...], spec: dict[str, Any]) -> dict[str, Any]:
    refs = [{"group": "slipstream.dev", "kind": "ConnectionPool", "name": target} for target in pools]
    return {"apiVersion": API, "kind": kind, "metadata": {"namespace": NS, "name": name}, "spec": {"targetRefs": refs, **spec}}


def cache(
    name: str = "memory", *, pools: tuple[str, ...] = ("memory",), rules: tuple[str, ...] = ("recall",), ttl: str = "5m", **spec: Any
) -> dict[str, Any]:
    found = [{"name": rule, "match": {"http": {"methods": ["GET"], "path": f"/episodic/{rule}"}}, "ttl": ttl} for rule in rules]
    return _policy("CachePolicy", name, pools, {"rules": found, **spec})


def breaker(name: str = "memory", *, pools: tuple[str, ...] = ("memory",), **spec: Any) -> dict[str, Any]:
    return _policy("CircuitBreaker", name, pools, {"rules": [{"name": "default"}], **spec})


def pod(
    name: str = "agent-1",
    *,
    workload: str = "agent",
    ip: str = "10.0.0.1",
    sidecar: bool = True,
    started: bool = True,
    phase: str = "Running",
    endpoints: tuple[tuple[str, int], ...] = (("memory-server", 8080),),
    aliases: tuple[tuple[str, int], ...] = (("memory-server", 8080),),
    conflicts: tuple[dict[str, Any], ...] = (),
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    host_network: bool = False,
) -> dict[str, Any]:
    injected = {
        "version": "1",
        "endpoints": json.loads(canonical(plan_endpoints(NS, endpoints, aliases))),
        "conflicts": list(conflicts),
    }
    notes = {"slipstream.dev/status": json.dumps(injected)} if sidecar else {}
    spec: dict[str, Any] = {"containers": [{"name": "app"}], **({"hostNetwork": True} if host_network else {})}
    status: dict[str, Any] = {"phase": phase, "podIP": ip}
    if sidecar:
        spec["initContainers"] = [{"name": "slipstream", "restartPolicy": "Always"}]
        status["initContainerStatuses"] = [{"name": "slipstream", "state": {"running": {}} if started else {"waiting": {}}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": NS,
            "name": name,
            "uid": f"uid-of-{name}",
            "labels": {"slipstream.dev/workload": workload, **(labels or {})},
            "annotations": {**notes, **(annotations or {})},
        },
        "spec": spec,
        "status": status,
    }
