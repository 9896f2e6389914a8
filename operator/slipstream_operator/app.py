"""The operator's parts, put together: queues, reconcilers, courier, keys, health. Knows how they hear of each other; decides nothing.

event ──▶ Router ──▶ workloads ──▶ ConfigMap, Courier ──▶ pods
                └──▶ policies ◀── records ◀──┘ ◀── acknowledgements, figures
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from slipstream_operator.caches import Caches, Entry, Index, PolicyKey, WorkloadKey
from slipstream_operator.delivery.client import SidecarClient
from slipstream_operator.delivery.courier import PUSH_LIMITS, Courier
from slipstream_operator.delivery.keys import Lifetimes
from slipstream_operator.delivery.keystore import KeyStore
from slipstream_operator.entries import ConfigMapEntry, PodEntry, config_map_entry
from slipstream_operator.events import Events
from slipstream_operator.ghosts import Ghosts
from slipstream_operator.health import Check, HealthServer, Heartbeat
from slipstream_operator.kube.client import Kube
from slipstream_operator.kube.kinds import CONFIG_MAP, LOAD_TEST, POD, POLICY_KINDS, Kind
from slipstream_operator.metrics import Metrics
from slipstream_operator.periodic import Periodic
from slipstream_operator.policies import PolicyEntry
from slipstream_operator.queue import Limits, WorkQueue
from slipstream_operator.reconcile.policy import PolicyReconciler
from slipstream_operator.reconcile.workload import WorkloadReconciler
from slipstream_operator.routing import Keys, Router
from slipstream_operator.settings import Settings

log = logging.getLogger(__name__)

WATCHED = (*POLICY_KINDS, LOAD_TEST, POD, CONFIG_MAP)
POLICY_DEBOUNCE = 0.2  # longer than a workload's, so that an edit and its acknowledgements are one write
KEYS_INTERVAL = 60.0
SYNC_INTERVAL = 1.0  # until the caches are full


class App:
    """One per process. `start` once the indexes exist, `stop` at the end; `crashed` is the error of a task that must not end."""

    def __init__(
        self,
        settings: Settings,
        kube: Kube,
        cluster: str,
        *,
        wall: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.kube, self.cluster = settings, kube, cluster
        self.metrics = Metrics()
        self.caches = Caches()
        self.router = Router(self.caches)
        self.client = SidecarClient(port=settings.admin_port, timeout=settings.push_timeout)
        self.keys = KeyStore(
            kube, settings.system_namespace, cluster, wall, Lifetimes(settings.key_max_age, settings.key_activation, settings.key_retention)
        )
        self.events = Events(kube, wall)
        push = Limits(0.0, 0.0, PUSH_LIMITS.backoff, PUSH_LIMITS.backoff_cap, PUSH_LIMITS.jitter, settings.push_workers)
        self.courier = Courier(self.caches, self.client, self.metrics, now, poll_interval=settings.poll_interval, limits=push)
        limits = Limits(settings.debounce, settings.max_wait, workers=settings.workers)
        self.workload_queue: WorkQueue[WorkloadKey] = WorkQueue("workloads", limits, observer=self.metrics.of_queue("workloads"))
        slower = Limits(POLICY_DEBOUNCE, settings.max_wait, workers=settings.workers)
        self.policy_queue: WorkQueue[PolicyKey] = WorkQueue("policies", slower, observer=self.metrics.of_queue("policies"))
        self.workloads = WorkloadReconciler(
            kube, self.caches, self.keys, self.courier, self.events, cluster, settings.system_namespace, wall, self._policy_changed
        )
        self.policies = PolicyReconciler(
            kube, self.caches, self.workloads, self.courier, self.events, self.metrics, now, wall, settings.grace, settings.figures_interval
        )
        self.courier.changed, self.courier.ahead = self._workload_changed, self.workload_queue.add
        self.heartbeat = Heartbeat()
        self._keys = Periodic("signing keys", KEYS_INTERVAL, self._refresh_keys)
        ghosts = Ghosts(kube, self.caches, WATCHED, settings.namespaces, self.metrics, wall, self._buried)
        self._ghosts = Periodic("comparison with the API server", settings.resync, ghosts.check, first=SYNC_INTERVAL)
        self._sync = Periodic("filling the caches", SYNC_INTERVAL, self._fill)
        self._resync = Periodic("resync", settings.resync, self._look_at_everything, first=settings.resync)
        self.live: dict[str, Check] = {"loop": self.heartbeat.check, "tasks": lambda: repr(self.crashed) if self.crashed else ""}
        self.ready: dict[str, Check] = {
            "caches": self.caches.check,
            "keys": lambda: "" if self.keys.ready else "the signing keys haven't been read",
        }
        self.health = HealthServer(self.metrics.registry, self.live, self.ready)
        self.extra: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []  # further tasks: certificates, load tests
        self.load_test_changed: Callable[[str, str], None] = lambda namespace, name: None
        self.crashed: BaseException | None = None
        self.stop_flag = asyncio.Event()  # set: kopf is to end
        self.stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life --

    def start(self, policies: Mapping[str, Index], pods: Index, config_maps: Index) -> None:
        """Everything that runs as long as the process does; if one of them ends, so does the process."""
        self.caches.bind(policies, pods, config_maps)
        runs: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = [
            ("workloads", lambda: self.workload_queue.run(self.workloads.reconcile)),
            ("policies", lambda: self.policy_queue.run(self.policies.reconcile)),
            ("pods", lambda: self.courier.queue.run(self.courier.visit)),
            ("heartbeat", self.heartbeat.run),
            *((p.name, p.run) for p in (self._keys, self._ghosts, self._sync, self._resync)),
            *self.extra,
        ]
        for name, run in runs:
            task = asyncio.create_task(run(), name=name)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Cancels what `start` started and waits for it: a reconcile in the middle is as good as one that was never begun."""
        for task in self._tasks:
            task.remove_done_callback(self._ended)
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self._tasks.clear()
        await self.client.close()
        self.stopped.set()
        self.stop_flag.set()  # after a signal kopf would wait 5 s for its own watch over the flag

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.crashed = error or RuntimeError(f"the task {task.get_name()} ended")
        log.critical("%s died, and without it nothing is reconciled: %r", task.get_name(), self.crashed, exc_info=error)
        self.stop_flag.set()

    # -- what is heard --

    def policy_event(self, key: PolicyKey, uid: str, gone: bool) -> None:
        self._look_at(self.router.policy(key, uid, None if gone else self.caches.policy(key)))
        if gone:
            self.policies.forget(uid)

    def pod_event(self, namespace: str, uid: str, gone: bool) -> None:
        self._look_at(self.router.pod(uid, None if gone else self.caches.pod((namespace, uid))))

    def config_map_event(self, body: Mapping[str, Any], gone: bool) -> None:
        entry = config_map_entry(body)
        if entry is not None:
            self._config_map(entry, gone)

    def relisted(self) -> None:
        """A watch was broken: what was deleted meanwhile isn't told."""
        if self.caches.synced:
            self._ghosts.soon()

    # -- how the parts hear of each other --

    def _config_map(self, entry: ConfigMapEntry, gone: bool) -> None:
        if gone:
            self.workloads.config_map_gone((entry.namespace, entry.workload), entry.uid)
        self._look_at(self.router.config_map(entry))

    def _buried(self, kind: Kind, entry: Entry) -> None:
        match entry:
            case PolicyEntry():
                self.policy_event(entry.key, entry.uid, gone=True)
            case PodEntry():
                self.pod_event(entry.namespace, entry.uid, gone=True)
            case ConfigMapEntry():
                self._config_map(entry, gone=True)

    def _look_at(self, keys: Keys) -> None:
        for workload in keys.workloads:
            self.workload_queue.add(workload)
        for policy in keys.policies:
            self._policy_changed(policy)
        for pod in keys.pods:
            self.courier.queue.add(pod)

    def _policy_changed(self, key: PolicyKey) -> None:
        if key[0] == LOAD_TEST.kind:
            self.load_test_changed(key[1], key[2])
        else:
            self.policy_queue.add(key)

    def _workload_changed(self, key: WorkloadKey) -> None:
        """Its pods said something: every policy that it is made of shows it."""
        record = self.workloads.records.get(key)
        for policy in record.generations if record else ():
            self._policy_changed(policy)

    # -- now and then --

    async def _refresh_keys(self) -> None:
        if await self.keys.refresh():
            await self._look_at_everything()

    async def _fill(self) -> None:
        if not self.caches.synced:
            self._ghosts.soon()

    async def _look_at_everything(self) -> None:
        self.workloads.memory.clear()
        self.policies.memory.clear()
        for workload in self.caches.workload_keys():
            self.workload_queue.add(workload)
        for policy in self.caches.policy_keys():
            self._policy_changed(policy)
