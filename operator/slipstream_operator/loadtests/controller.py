"""One look at a LoadTest: gather → decide → apply, and when to look again. Knows how the three fit together and nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from slipstream_api.conditions import Type, find
from slipstream_api.sidecar import ADMIN_PORT
from slipstream_operator.caches import Caches
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONNECTION_POOL
from slipstream_operator.loadtests.applying.apply import Applier, Unplannable
from slipstream_operator.loadtests.asking.triggers import PolicySeen
from slipstream_operator.loadtests.client import RunnerClient
from slipstream_operator.loadtests.deciding import actions as d
from slipstream_operator.loadtests.deciding.decide import decide
from slipstream_operator.loadtests.gathering.counters import CounterClient
from slipstream_operator.loadtests.gathering.gather import Gathered, Gatherer, Memory
from slipstream_operator.loadtests.gathering.policies import records
from slipstream_operator.policies import PolicyEntry
from slipstream_operator.queue import Limits, Observer, Run, WorkQueue

log = logging.getLogger(__name__)
TestKey = tuple[str, str]  # namespace, name
LIVE_INTERVAL: Final = 5.0  # seconds between live figures in a status


class LoadTests:
    """The load tests of a cluster: a queue of their own, since a look during a run takes longer than one at a policy."""

    def __init__(
        self,
        kube: Kube,
        caches: Caches,
        keys: KeyStore,
        cluster: str,
        image: str,
        *,
        cluster_domain: str = "",
        client: RunnerClient | None = None,
        observer: Observer | None = None,
        wall: Callable[[], float] = time.time,
        timings: d.Timings = d.DEFAULT_TIMINGS,
        admin_port: int = ADMIN_PORT,
        live_interval: float = LIVE_INTERVAL,
    ) -> None:
        self._caches, self._wall, self._timings = caches, wall, timings
        self.client = client or RunnerClient()
        self._counters = CounterClient(port=admin_port)
        self._gatherer = Gatherer(kube, self.client, cluster_domain, self.policies_seen, wall)
        self._applier = Applier(kube, self.client, keys, cluster, image, wall, self.policies_in_force, self._counters, live_interval)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by namespace
        self._memories: dict[TestKey, Memory] = {}
        self.queue: WorkQueue[TestKey] = WorkQueue("loadtests", Limits(debounce=0.1, max_wait=1.0, workers=4), observer=observer)

    def add(self, namespace: str, name: str) -> None:
        """Something about a test may have changed."""
        self.queue.add((namespace, name))

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self.queue.run(self.look)
        finally:
            await self.client.close()
            await self._counters.close()

    async def look(self, key: TestKey, run: Run) -> float | None:
        """One look; seconds until the next one, None when only a change can bring one."""
        memory = self.memory(key)
        seen = await self._gatherer.gather(*key, memory)
        if seen is None:
            self._memories.pop(key, None)
            self.queue.forget(key)
            return None
        decision = self._decide(seen, memory)
        if any(isinstance(action, d.BeginRun) for action in decision.actions) or decision.stage == "Queued":
            return await self._in_turn(key, memory)
        await self._apply(seen, decision, memory)
        if any(isinstance(action, d.Collect) for action in decision.actions):
            # With the last part in hand, conclude in the same look: a restart in between would have to fetch them all again.
            after = self._decide(seen, memory)
            if after.stage == "Concluding":
                await self._apply(seen, after, memory)
                return after.again if after.again is not None else self._timings.poll
        return decision.again if decision.stage != "Concluding" else self._timings.poll

    def memory(self, key: TestKey) -> Memory:
        """What this process knows of a test's run."""
        return self._memories.setdefault(key, Memory())

    async def _in_turn(self, key: TestKey, memory: Memory) -> float | None:
        """Asked for a run: one test of a namespace at a time looks who is before it, so that no two begin together."""
        async with self._turns[key[0]]:
            seen = await self._gatherer.gather(*key, memory)
            if seen is None:
                return 0.0  # to be forgotten at the next look
            around = replace(seen.facts.around, others=await self._gatherer.others(seen.facts.test))
            seen = replace(seen, facts=replace(seen.facts, around=around))
            decision = self._decide(seen, memory)
            await self._apply(seen, decision, memory)
            return decision.again

    def _decide(self, seen: Gathered, memory: Memory) -> d.Decision:
        known = replace(
            seen.facts,
            parts=frozenset(memory.parts),
            lost=frozenset(memory.lost),
            abort_asked_at=memory.abort_asked_at,
            abort_because=memory.abort_because,
        )
        decision = decide(known, self._wall(), self._timings)
        if decision.abort and not memory.abort_because:  # from here on its time runs, whether runners hear of it or not
            memory.abort_asked_at, memory.abort_because = self._wall(), decision.abort
        return decision

    async def _apply(self, seen: Gathered, decision: d.Decision, memory: Memory) -> None:
        try:
            await self._applier.apply(seen, decision, memory)
        except Unplannable as error:
            log.warning("%s/%s can't be planned: %s", seen.facts.test.namespace, seen.facts.test.name, error)
            await self._applier.apply(seen, d.Decision((d.Conclude("NotStarted", str(error)),), "Concluding"), memory)

    def policies_in_force(self, namespace: str, pool: str) -> list[dict[str, Any]] | None:
        """The pool and what stands before it, and what each does there: what a result is a result of. None while not all are known."""
        if not self._caches.synced:
            return None
        own = self._caches.policy((CONNECTION_POOL.kind, namespace, pool))
        return records([*([own] if own is not None else []), *self._caches.policies_of(namespace, pool)])

    def policies_seen(self, namespace: str, pool: str) -> list[PolicySeen]:
        """The same for the trigger: empty while the pool isn't known, since then nothing is."""
        own = self._caches.policy((CONNECTION_POOL.kind, namespace, pool))
        return [_seen(entry) for entry in (own, *self._caches.policies_of(namespace, pool))] if own is not None else []


def _seen(entry: PolicyEntry) -> PolicySeen:
    said = find(entry.status.get("conditions") or (), Type.PROGRAMMED)
    current = said is not None and said["status"] == "True" and said.get("observedGeneration") == entry.generation
    return PolicySeen(entry.kind, entry.name, entry.generation, current)
