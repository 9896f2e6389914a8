"""One workload: gather its policies, compile, sign, write its ConfigMap where that differs, tell the courier. Decides nothing by itself.

A restart between any two steps is harmless: the ConfigMap is written before anything is pushed, and what is there is taken up again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from slipstream_api.compile import Compiled, Finding
from slipstream_api.compile import compile as compile_config
from slipstream_api.envelope import workload_audience
from slipstream_operator.caches import Caches, PolicyKey, WorkloadKey
from slipstream_operator.delivery import signed as envelopes
from slipstream_operator.delivery.courier import Courier, Parcel
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.delivery.signed import Signed
from slipstream_operator.delivery.standing import Wanted
from slipstream_operator.entries import ConfigMapEntry, config_map_entry
from slipstream_operator.errors import NotFound, Permanent
from slipstream_operator.events import Events
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, CONNECTION_POOL
from slipstream_operator.names import PUBLIC_KEYS_CONFIG_MAP, workload_config_map
from slipstream_operator.policies import PolicyEntry
from slipstream_operator.queue import Run
from slipstream_operator.reconcile.remember import Memory
from slipstream_operator.reconcile.transitions import Happening

log = logging.getLogger(__name__)
Generation = tuple[str, int]  # uid, generation


@dataclass(frozen=True, slots=True)
class Record:
    """What the last look at a workload came to: of which policies it is made, and what is said about each."""

    generations: Mapping[PolicyKey, Generation] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    wanted: Wanted | None = None

    def of(self, key: PolicyKey) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if (f.kind, f.namespace, f.name) == key)


@dataclass(slots=True)
class WorkloadReconciler:
    """`reconcile` is the queue's handler. `records` is what policies' statuses are made of; `changed` is told whose."""

    kube: Kube
    caches: Caches
    keys: KeyStore
    courier: Courier
    events: Events
    cluster: str
    system_namespace: str
    wall: Callable[[], float]
    changed: Callable[[PolicyKey], None] = lambda _: None
    records: dict[WorkloadKey, Record] = field(default_factory=dict)
    memory: Memory[ConfigMapEntry] = field(default_factory=lambda: Memory(lambda e: e.uid, lambda e: e.resource_version))
    _signed: dict[WorkloadKey, Signed] = field(default_factory=dict)
    _compiled: dict[WorkloadKey, tuple[Mapping[PolicyKey, Generation], Compiled]] = field(default_factory=dict)
    _settled: dict[WorkloadKey, str] = field(default_factory=dict)  # the envelope that was last seen in place

    async def reconcile(self, key: WorkloadKey, run: Run) -> None:
        namespace, workload = key
        entries = self._gather(key)
        pools = [e for e in entries if e.kind == CONNECTION_POOL.kind and workload in e.targets]
        cached = self.memory.latest(key, self.caches.config_map_of(*key))
        if not pools and cached is None and not any(pod.sidecar for pod in self.caches.pods_of(*key)):
            self._forget(key)
            return
        compiled = self._compile(key, entries)
        audience = workload_audience(self.cluster, namespace, workload)
        known = [envelopes.read(cached.envelope, self.keys.public(), audience) if cached else None, self._signed.get(key)]
        signer = self.keys.signer()
        chosen = envelopes.choose(known, compiled.revision, signer.id, self.courier.sequences(key), int(self.wall() * 1000))
        fresh = isinstance(chosen, int)
        signed = envelopes.sign_config(signer, compiled.config, compiled.revision, audience, chosen) if isinstance(chosen, int) else chosen
        self._signed[key] = signed
        if pools:
            await self._store(key, signed, pools, cached)
        elif cached is not None:
            await self._remove(key, cached)
        self._deliver(key, signed, run.since if fresh else 0.0)
        self._record(key, entries, compiled, signed)

    def config_map_gone(self, key: WorkloadKey, uid: str) -> None:
        """A deletion was heard of: what was written isn't there any more."""
        self.memory.gone(key, uid)

    # -- gather --

    def _gather(self, key: WorkloadKey) -> list[PolicyEntry]:
        """The pools of a workload, what stands before them, and the other pools that those name; only what can be read."""
        namespace, workload = key
        pools = self.caches.pools_of(namespace, workload)
        policies = {p.key: p for pool in pools for p in self.caches.policies_of(namespace, pool.name)}
        named = {(CONNECTION_POOL.kind, namespace, name) for p in policies.values() for name in p.targets} - {p.key for p in pools}
        others = [pool for pool in map(self.caches.policy, sorted(named)) if pool is not None]
        return [e for e in (*pools, *policies.values(), *others) if not e.problem and not e.deleting]

    def _compile(self, key: WorkloadKey, entries: list[PolicyEntry]) -> Compiled:
        """Once per set of generations: pods change far more often than policies."""
        generations = _generations(entries)
        known = self._compiled.get(key)
        if known is not None and known[0] == generations:
            return known[1]
        compiled = compile_config(key[0], key[1], [e.resource() for e in entries], "Sidecar")
        self._compiled[key] = (generations, compiled)
        return compiled

    # -- apply --

    async def _store(self, key: WorkloadKey, signed: Signed, pools: list[PolicyEntry], cached: ConfigMapEntry | None) -> None:
        namespace, workload = key
        if namespace == self.system_namespace and workload_config_map(workload) == PUBLIC_KEYS_CONFIG_MAP:
            raise Permanent(f"a workload in {namespace} can't be called {workload}: that ConfigMap is the operator's own; rename it")
        manifest = envelopes.config_map(namespace, workload, signed, self.keys.public_json(), pools)
        in_place = signed.text + self.keys.public_json()
        if envelopes.matches(cached, manifest):
            self._settled[key] = in_place
            return
        written = config_map_entry(await self.kube.apply(CONFIG_MAP, manifest))
        if written is not None:
            self.memory.wrote(key, written)
        if self._settled.get(key) == in_place and (cached is None or cached.envelope + cached.keys != in_place):
            # It was as it should be, and nothing of ours has changed: somebody else did.
            what = "changed" if cached else "deleted"
            log.warning("ConfigMap %s/%s was %s by somebody else; restored", namespace, workload_config_map(workload), what)
            happening = Happening("Warning", "DriftCorrected", f"ConfigMap {workload_config_map(workload)} was {what}; restored")
            for pool in pools:
                await self.events.post(pool, happening)
        self._settled[key] = in_place

    async def _remove(self, key: WorkloadKey, cached: ConfigMapEntry) -> None:
        """No pool names the workload any more; what its owners' deletion doesn't collect has to go by hand."""
        try:
            await self.kube.delete(CONFIG_MAP, key[0], cached.name, uid=cached.uid)
        except NotFound:
            log.debug("ConfigMap %s/%s was collected already", key[0], cached.name)
        self.memory.forget(key)
        self._settled.pop(key, None)

    def _deliver(self, key: WorkloadKey, signed: Signed, since: float) -> None:
        """Without a pool the configuration is empty, which makes a sidecar pass everything through."""
        current = self.courier.parcel(key)
        envelope = signed.text.encode()
        if current is None or current.envelope != envelope:
            self.courier.want(key, Parcel(Wanted(signed.revision, signed.sequence, since), envelope))

    def _record(self, key: WorkloadKey, entries: list[PolicyEntry], compiled: Compiled, signed: Signed) -> None:
        before = self.records.get(key) or Record()
        record = Record(_generations(entries), compiled.findings, Wanted(signed.revision, signed.sequence))
        self.records[key] = record
        if record != before:
            for policy in {**before.generations, **record.generations}:
                self.changed(policy)

    def _forget(self, key: WorkloadKey) -> None:
        """Nobody names it, carries it or has a ConfigMap for it."""
        record = self.records.pop(key, None)
        self.courier.want(key, None)
        for memory in (self._signed, self._compiled, self._settled):
            memory.pop(key, None)
        for policy in record.generations if record else ():
            self.changed(policy)


def _generations(entries: list[PolicyEntry]) -> dict[PolicyKey, Generation]:
    return {e.key: (e.uid, e.generation) for e in entries}
