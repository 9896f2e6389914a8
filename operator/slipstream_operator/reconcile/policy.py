"""One policy's status: gather what is known, decide, write it where it differs, post Events for what came to be. Judges nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from slipstream_api.resources import Resource
from slipstream_operator.caches import Caches, PolicyKey
from slipstream_operator.delivery.courier import Courier
from slipstream_operator.errors import Conflict, NotFound, OperatorError
from slipstream_operator.events import Events
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import BY_NAME, CONNECTION_POOL
from slipstream_operator.metrics import Metrics
from slipstream_operator.policies import PolicyEntry, policy_entry
from slipstream_operator.queue import Run
from slipstream_operator.reconcile.facts import PodFacts, PolicyFacts, PoolTarget, WorkloadFacts
from slipstream_operator.reconcile.remember import Memory
from slipstream_operator.reconcile.transitions import happenings
from slipstream_operator.reconcile.verdict import decide
from slipstream_operator.reconcile.workload import Record, WorkloadReconciler
from slipstream_operator.reconcile.writing import plan

log = logging.getLogger(__name__)


@dataclass(slots=True)
class PolicyReconciler:
    """`reconcile` is the queue's handler; many workloads fold into one look at a policy, and that into at most one write."""

    kube: Kube
    caches: Caches
    workloads: WorkloadReconciler
    courier: Courier
    events: Events
    metrics: Metrics
    now: Callable[[], float]  # monotonic
    wall: Callable[[], float]
    grace: float = 60.0
    figures_interval: float = 30.0
    memory: Memory[PolicyEntry] = field(default_factory=lambda: Memory(lambda e: e.uid, lambda e: e.resource_version))
    _last_write: dict[str, float] = field(default_factory=dict)  # by uid

    async def reconcile(self, key: PolicyKey, run: Run) -> float | None:
        """Seconds until time alone changes something."""
        entry = self.memory.latest(key, self.caches.policy(key)) if self.caches.policy(key) else None
        if entry is None or entry.deleting:
            self.memory.forget(key)
            return None
        verdict = decide(self.gather(entry), self.wall(), self.grace)
        write = plan(entry.status, verdict.status, self._last_write.get(entry.uid), self.now(), self.figures_interval)
        if write is None:
            return verdict.recheck
        if write.wait > 0:
            return min(write.wait, verdict.recheck) if verdict.recheck is not None else write.wait
        written = await self._write(entry, write.patch)
        if written is None:
            return None
        for happening in happenings(entry.kind, entry.status, written.status):
            await self.events.post(entry, happening)
        return verdict.recheck

    def forget(self, uid: str) -> None:
        self._last_write.pop(uid, None)

    def gather(self, entry: PolicyEntry) -> PolicyFacts:
        pools = tuple(self._pools(entry))
        names = self.caches.workloads_of(entry)
        return PolicyFacts(
            entry=entry,
            pools=tuple(pool.resource() for pool in pools),
            others=tuple(pool.resource() for pool in self._there(entry, entry.fallbacks)),
            targets=tuple(target_of(pool.resource()) for pool in pools),
            workloads=tuple(self._workload(entry, name) for name in sorted(names)),
            observed=entry.status,
        )

    def _pools(self, entry: PolicyEntry) -> Iterator[PolicyEntry]:
        """A pool stands for itself, other policies for those that they name."""
        if entry.kind == CONNECTION_POOL.kind:
            return iter(() if entry.problem or entry.deleting else (entry,))
        return self._there(entry, entry.targets)

    def _there(self, entry: PolicyEntry, names: Iterable[str]) -> Iterator[PolicyEntry]:
        pools = (self.caches.policy((CONNECTION_POOL.kind, entry.namespace, name)) for name in names)
        return (pool for pool in pools if pool is not None and not pool.problem and not pool.deleting)

    def _workload(self, entry: PolicyEntry, name: str) -> WorkloadFacts:
        key = (entry.namespace, name)
        record = self.workloads.records.get(key) or Record()
        return WorkloadFacts(
            name=name,
            compiled=record.generations.get(entry.key) == (entry.uid, entry.generation),
            wanted=record.wanted,
            findings=record.of(entry.key),
            pods=tuple(PodFacts(pod, self.courier.state(pod.uid)) for pod in self.caches.pods_of(*key) if pod.counts),
        )

    async def _write(self, entry: PolicyEntry, patch: dict[str, object]) -> PolicyEntry | None:
        """With the version that was looked at: of an object that has changed meanwhile, or is another by now, nothing is claimed."""
        kind = BY_NAME[entry.kind]
        body = {"metadata": {"resourceVersion": entry.resource_version}, "status": patch}
        try:
            answer = await self.kube.patch_status(kind, entry.namespace, entry.name, body)
        except NotFound:
            return None
        except OperatorError as error:
            self.metrics.status_writes.labels("conflict" if isinstance(error, Conflict) else "error").inc()
            raise
        self.metrics.status_writes.labels("ok").inc()
        written = policy_entry(kind, answer)
        self._last_write[entry.uid] = self.now()
        self.memory.wrote(entry.key, written)
        return written


def target_of(pool: Resource) -> PoolTarget:
    spec = pool.spec
    upstream, listen, workloads = spec.upstream, spec.listen, spec.workloads  # type: ignore[attr-defined]  # a pool's spec
    return PoolTarget(pool.name, upstream.host.lower(), upstream.port, listen.intercept == "HostAlias", tuple(workloads))
