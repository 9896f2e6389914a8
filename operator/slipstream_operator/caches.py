"""What the operator knows of the cluster: typed, read-only views over kopf's indexes, without the objects that are dead. Fetches nothing.

A relist never tells of what vanished while a watch was broken: such an entry stays in kopf's index for good. `Ghosts` (ghosts.py) compares
with the API server and buries their uids here; a uid never comes back, so that the list only has to be remembered, not kept right.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from slipstream_operator.entries import ConfigMapEntry, Other, PodEntry, config_map_entry, pod_entry
from slipstream_operator.kube.kinds import CACHE_POLICY, CIRCUIT_BREAKER, CONNECTION_POOL, Kind
from slipstream_operator.policies import PolicyEntry, policy_entry

Key = tuple[str, ...]
PolicyKey = tuple[str, str, str]  # kind, namespace, name
WorkloadKey = tuple[str, str]  # namespace, workload
PodKey = tuple[str, str]  # namespace, uid


class Entry(Protocol):
    @property
    def uid(self) -> str: ...


E = TypeVar("E", bound=Entry)


class Index(Protocol):
    """What is used of a kopf.Index: key → the values of all objects that have it."""

    def __iter__(self) -> Iterator[Any]: ...
    def __contains__(self, key: Hashable, /) -> bool: ...
    def __getitem__(self, key: Any, /) -> Iterable[Any]: ...


# -- what the index functions return: {} takes an object out, None would keep what was there before --


def index_policy(kind: Kind, body: Mapping[str, Any]) -> dict[Key, Entry]:
    """By name, and by each target: a pool's workloads, another policy's pools."""
    entry = policy_entry(kind, body)
    keys: list[Key] = [("name", entry.namespace, entry.name), *(("target", entry.namespace, target) for target in entry.targets)]
    return dict.fromkeys([*keys, ("uid", entry.namespace, entry.uid)], entry)


def index_pod(body: Mapping[str, Any]) -> dict[Key, Entry]:
    entry = pod_entry(body)
    return (
        dict.fromkeys([("workload", entry.namespace, entry.workload), ("uid", entry.namespace, entry.uid)], entry)
        if entry
        else _other(body)
    )


def index_config_map(body: Mapping[str, Any]) -> dict[Key, Entry]:
    entry = config_map_entry(body)
    return (
        dict.fromkeys([("workload", entry.namespace, entry.workload), ("uid", entry.namespace, entry.uid)], entry)
        if entry
        else _other(body)
    )


def _other(body: Mapping[str, Any]) -> dict[Key, Entry]:
    meta = body["metadata"]
    return {("other", meta["namespace"], meta["uid"]): Other(meta["uid"])}


@dataclass(slots=True)
class View(Generic[E]):
    """One index without its dead."""

    index: Index
    dead: set[str] = field(default_factory=set)

    def get(self, *key: str) -> tuple[E, ...]:
        return tuple(e for e in self.index[key] if e.uid not in self.dead) if key in self.index else ()

    def one(self, *key: str) -> E | None:
        """The entry of a key that one object can have; of two generations of a name the one that is alive."""
        found = self.get(*key)
        return found[-1] if found else None

    def keys(self, tag: str) -> list[Key]:
        return [key for key in self.index if key[0] == tag]

    def uids(self) -> set[str]:
        """Of all objects in the index that aren't known to be dead."""
        return {key[2] for key in self.index if key[0] in ("uid", "other")} - self.dead

    def bury(self, uids: Iterable[str]) -> list[E]:
        """What is dead from now on, as far as it was of any concern."""
        gone = set(uids)
        found = [entry for key in self.keys("uid") if key[2] in gone for entry in self.get(*key)]
        self.dead |= gone
        return found


class Caches:
    """Everything that reconcilers read. `bind` comes once, when kopf has made its indexes."""

    def __init__(self) -> None:
        self.policies: dict[str, View[PolicyEntry]] = {}
        self.pods: View[PodEntry] = View({})
        self.config_maps: View[ConfigMapEntry] = View({})
        self.synced = False

    def bind(self, policies: Mapping[str, Index], pods: Index, config_maps: Index) -> None:
        self.policies = {kind: View(index) for kind, index in policies.items()}
        self.pods, self.config_maps = View(pods), View(config_maps)

    def check(self) -> str:
        """For /readyz; whoever compares the indexes with the API server says when they are full."""
        return "" if self.synced else "the caches aren't filled yet"

    # -- policies --

    def policy(self, key: PolicyKey) -> PolicyEntry | None:
        kind, namespace, name = key
        view = self.policies.get(kind)
        return view.one("name", namespace, name) if view else None

    def pools_of(self, namespace: str, workload: str) -> tuple[PolicyEntry, ...]:
        return self.policies[CONNECTION_POOL.kind].get("target", namespace, workload)

    def policies_of(self, namespace: str, pool: str) -> tuple[PolicyEntry, ...]:
        """What stands before a pool: caches and breakers."""
        kinds = (CACHE_POLICY.kind, CIRCUIT_BREAKER.kind)
        return tuple(entry for kind in kinds for entry in self.policies[kind].get("target", namespace, pool))

    def workloads_of(self, entry: PolicyEntry) -> tuple[str, ...]:
        """The workloads whose sidecars have a policy: a pool's own, another's through its pools."""
        if entry.kind == CONNECTION_POOL.kind:
            return entry.targets
        pools = (self.policy((CONNECTION_POOL.kind, entry.namespace, pool)) for pool in entry.targets)
        return tuple(dict.fromkeys(w for pool in pools if pool is not None for w in pool.targets))

    def policy_keys(self) -> list[PolicyKey]:
        """Of every policy and load test."""
        return [(kind, key[1], key[2]) for kind, view in self.policies.items() for key in view.keys("name")]

    # -- workloads --

    def pods_of(self, namespace: str, workload: str) -> tuple[PodEntry, ...]:
        return self.pods.get("workload", namespace, workload)

    def pod(self, key: PodKey) -> PodEntry | None:
        return self.pods.one("uid", *key)

    def config_map_of(self, namespace: str, workload: str) -> ConfigMapEntry | None:
        return self.config_maps.one("workload", namespace, workload)

    def workload_keys(self) -> list[WorkloadKey]:
        """Every workload that a pool names, a pod carries or a ConfigMap is for."""
        pools = self.policies[CONNECTION_POOL.kind].keys("target") if self.policies else []
        keys = [*pools, *self.pods.keys("workload"), *self.config_maps.keys("workload")]
        return list(dict.fromkeys((key[1], key[2]) for key in keys))
