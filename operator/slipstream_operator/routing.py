"""Which keys an event is about. Remembers, per object, what it was about before: a policy that lets go of a target concerns that one too.

Pure bookkeeping: entries in, keys out. Not filtered by labels that may change, since an object that loses one would go unheard.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from slipstream_operator.caches import Caches, PodKey, PolicyKey, WorkloadKey
from slipstream_operator.entries import ConfigMapEntry, PodEntry
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.policies import PolicyEntry


@dataclass(frozen=True, slots=True)
class Keys:
    """What to look at."""

    workloads: frozenset[WorkloadKey] = frozenset()
    policies: frozenset[PolicyKey] = frozenset()
    pods: frozenset[PodKey] = frozenset()


@dataclass(slots=True)
class Router:
    """One per process; nothing in it has to survive a restart, since then everything is looked at."""

    caches: Caches
    _seen: dict[str, PolicyEntry] = field(default_factory=dict)
    _pods: dict[str, PodEntry] = field(default_factory=dict)

    def policy(self, key: PolicyKey, uid: str, entry: PolicyEntry | None) -> Keys:
        """`entry` is None for one that is gone. Its own status concerns nobody but itself."""
        before = self._seen.pop(uid, None)
        if entry is not None:
            self._seen[uid] = entry
        if before is not None and entry is not None and before.generation == entry.generation and before.deleting == entry.deleting:
            return Keys(policies=frozenset({key}))
        entries = [e for e in (before, entry) if e is not None]
        namespace, policies = key[1], {key}
        workloads = {(namespace, w) for e in entries for w in self.caches.workloads_of(e)}
        if key[0] == CONNECTION_POOL.kind:
            # Who names the pool has to learn that it came, changed or went: also that it was the last one they had.
            policies |= {p.key for p in self.caches.policies_of(namespace, key[2])}
            policies |= {p.key for p in self._seen.values() if p.namespace == namespace and key[2] in p.fallbacks}
        return Keys(frozenset(workloads), frozenset(policies))

    def pod(self, uid: str, entry: PodEntry | None) -> Keys:
        """A pod reports its status often; what isn't kept of it concerns nobody."""
        before = self._pods.pop(uid, None)
        if entry is not None:
            self._pods[uid] = entry
        if before == entry:
            return Keys()
        entries = [e for e in (before, entry) if e is not None]
        workloads = frozenset((e.namespace, e.workload) for e in entries)
        # A pod without a sidecar never says anything, yet its policies have to show it: they are looked at for the pod's own sake.
        policies = frozenset(key for workload in workloads for key in self._policies_of(*workload))
        return Keys(workloads, policies, frozenset((e.namespace, e.uid) for e in entries))

    def _policies_of(self, namespace: str, workload: str) -> set[PolicyKey]:
        pools = self.caches.pools_of(namespace, workload)
        return {e.key for pool in pools for e in (pool, *self.caches.policies_of(namespace, pool.name))}

    def config_map(self, entry: ConfigMapEntry) -> Keys:
        return Keys(frozenset({(entry.namespace, entry.workload)}))
