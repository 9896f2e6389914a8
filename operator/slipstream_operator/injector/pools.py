"""What the injector needs to know of a ConnectionPool, read from the API server's JSON. Pure; validates nothing: the CRD's schema did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """`alias`: the workload reaches it by the host's own name; `passthrough`: further ports of that host."""

    name: str
    workloads: tuple[str, ...]
    host: str
    port: int
    protocol: str = "HTTP"
    alias: bool = False
    passthrough: tuple[int, ...] = ()


def read_pool(manifest: Mapping[str, Any]) -> PoolFacts | None:
    """None where the object isn't what this version understands: one odd pool must not keep others from working."""
    try:
        spec = manifest["spec"]
        upstream, listen = spec["upstream"], spec.get("listen") or {}
        return PoolFacts(
            name=str(manifest["metadata"]["name"]),
            workloads=tuple(str(name) for name in spec["workloads"]),
            host=str(upstream["host"]),
            port=int(upstream["port"]),
            protocol=str(upstream.get("protocol", "HTTP")),
            alias=listen.get("intercept") == "HostAlias",
            passthrough=tuple(int(port) for port in listen.get("passthroughPorts") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class PoolIndex:
    """The pools of each namespace, kept by whoever watches them. Plain data: no lock, one event loop."""

    def __init__(self) -> None:
        self._pools: dict[str, dict[str, PoolFacts]] = {}

    def replace(self, manifests: Iterable[Mapping[str, Any]], scope: str | None = None) -> None:
        """Everything there is after a list of one namespace, or of all."""
        self._pools = {} if scope is None else {name: pools for name, pools in self._pools.items() if name != scope}
        for manifest in manifests:
            self.put(manifest)

    def put(self, manifest: Mapping[str, Any]) -> None:
        pool = read_pool(manifest)
        if pool is None:
            self.drop(manifest)
        else:
            self._pools.setdefault(manifest["metadata"]["namespace"], {})[pool.name] = pool

    def drop(self, manifest: Mapping[str, Any]) -> None:
        metadata = manifest.get("metadata") or {}
        pools = self._pools.get(metadata.get("namespace", ""), {})
        pools.pop(metadata.get("name", ""), None)
        if not pools:
            self._pools.pop(metadata.get("namespace", ""), None)

    def of(self, namespace: str, workload: str) -> Sequence[PoolFacts]:
        """The pools that name a workload, by name."""
        pools = self._pools.get(namespace, {})
        return [pools[name] for name in sorted(pools) if workload in pools[name].workloads]

    def __len__(self) -> int:
        return sum(len(pools) for pools in self._pools.values())
