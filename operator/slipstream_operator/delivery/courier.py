"""Brings each pod what its workload is to have, asks how it is: one visit at a time per pod, from one queue. Compiles and signs nothing.

    visit ──▶ ask /status when it's time, or when the pod isn't known yet ──▶ push what it lacks ──▶ come back in `poll_interval`

What is known of the pods is kept in memory only: after a restart the first visit asks, and what /status says is the truth.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from slipstream_api.sidecar import Refusal
from slipstream_operator.caches import Caches, PodKey, WorkloadKey
from slipstream_operator.delivery.client import SidecarClient, Unreachable
from slipstream_operator.delivery.standing import PodState, Standing, Wanted
from slipstream_operator.entries import PodEntry
from slipstream_operator.errors import Temporary
from slipstream_operator.metrics import Metrics
from slipstream_operator.queue import Limits, Run, WorkQueue

log = logging.getLogger(__name__)

POLLS_PER_SECOND: Final = 50  # with more pods than that in an interval, each is asked less often
REFUSED_DELAY: Final = 5.0  # a key that the pod doesn't know yet arrives with its volume within about 90 s
STATES: Final[tuple[Standing, ...]] = ("Acknowledged", "Rejected", "Unreachable", "Unsupported", "Pending")
PUSH_LIMITS: Final = Limits(debounce=0.0, max_wait=0.0, backoff=1.0, backoff_cap=30.0, workers=32)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a workload's pods are to have, signed. `since`: when the change that it brings was seen, 0 for one from before a restart."""

    wanted: Wanted
    envelope: bytes


class Courier:
    """`want` says what, `state` and `standing` tell how far it is. `changed` and `ahead` are called with a workload's key."""

    def __init__(
        self,
        caches: Caches,
        client: SidecarClient,
        metrics: Metrics,
        now: Callable[[], float],
        *,
        poll_interval: float = 5.0,
        limits: Limits = PUSH_LIMITS,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.queue: WorkQueue[PodKey] = WorkQueue("pods", limits, observer=metrics.of_queue("pods"))
        self.changed: Callable[[WorkloadKey], None] = lambda _: None
        self.ahead: Callable[[WorkloadKey], None] = lambda _: None
        self._caches, self._client, self._metrics, self._now = caches, client, metrics, now
        self._interval, self._uniform = poll_interval, uniform
        self._parcels: dict[WorkloadKey, Parcel] = {}
        self._states: dict[str, PodState] = {}
        self._next_poll: dict[str, float] = {}
        for standing in STATES:
            metrics.pods.labels(standing.lower()).set_function(lambda standing=standing: self._count(standing))  # type: ignore[misc]  # a default

    # -- what the others ask and say --

    def parcel(self, key: WorkloadKey) -> Parcel | None:
        return self._parcels.get(key)

    def want(self, key: WorkloadKey, parcel: Parcel | None) -> None:
        """From now on a workload's pods are to have this; None: whatever they have is right."""
        if parcel is None:
            self._parcels.pop(key, None)
            return
        if self._parcels.get(key) != parcel:
            self._parcels[key] = parcel
            for pod in self._caches.pods_of(*key):
                self.queue.add((pod.namespace, pod.uid))

    def state(self, uid: str) -> PodState:
        return self._states.get(uid) or PodState()

    def sequences(self, key: WorkloadKey) -> Iterator[int]:
        """The highest sequence that each pod of a workload has accepted."""
        return (self.state(pod.uid).sequence for pod in self._caches.pods_of(*key))

    async def visit(self, key: PodKey, run: Run) -> float | None:
        """One look at one pod; seconds until the next."""
        pod = self._caches.pod(key)
        if pod is None or pod.over or not pod.sidecar:
            self._forget(key)
            return None
        if not pod.ip or not pod.started:
            return None  # the pod's own event brings it back
        if self._now() >= self._next_poll.get(pod.uid, 0.0):
            await self._ask(pod)
        parcel = self._parcels.get((pod.namespace, pod.workload))
        if parcel is not None and self._lacks(self.state(pod.uid), parcel):
            await self._push(pod, parcel)
        return max(0.1, self._next_poll.get(pod.uid, 0.0) - self._now())

    # -- inside --

    def _forget(self, key: PodKey) -> None:
        self._states.pop(key[1], None)
        self._next_poll.pop(key[1], None)
        self.queue.forget(key)

    def _lacks(self, state: PodState, parcel: Parcel) -> bool:
        return state.standing(parcel.wanted) in ("Pending", "Unreachable")

    async def _ask(self, pod: PodEntry) -> None:
        started = self._now()
        try:
            status = await self._client.status(pod.ip)
        except Unreachable as error:
            self._set(pod, self.state(pod.uid).unreachable(str(error), self._now()))
            raise
        self._metrics.poll_seconds.observe(self._now() - started)
        interval = max(self._interval, len(self._states) / POLLS_PER_SECOND)
        self._next_poll[pod.uid] = self._now() + interval * (0.8 + 0.4 * self._uniform())
        self._set(pod, self.state(pod.uid).reported(status))

    async def _push(self, pod: PodEntry, parcel: Parcel) -> None:
        try:
            answer = await self._client.put_config(pod.ip, parcel.envelope)
        except Unreachable as error:
            self._set(pod, self.state(pod.uid).unreachable(str(error), self._now()))
            raise
        if not isinstance(answer, Refusal):
            self._set(pod, self.state(pod.uid).acknowledged(answer.revision, parcel.wanted.sequence))
            return
        self._metrics.config_nack.labels(answer.reason).inc()
        log.warning("%s/%s refuses %s: %s: %s", pod.namespace, pod.name, parcel.wanted.revision[:8], answer.reason, answer.message)
        state = self.state(pod.uid).refused(parcel.wanted, answer)
        self._set(pod, state)
        if not state.rejected:
            if answer.reason == "Replayed":
                await self._ask(pod)  # how far ahead it is, so that the next envelope is above that
            # Ask again on the next visit: the volume may have brought what the push couldn't.
            self._next_poll.pop(pod.uid, None)
            raise Temporary(f"{pod.name}: {answer.reason}: {answer.message}", delay=REFUSED_DELAY)

    def _set(self, pod: PodEntry, state: PodState) -> None:
        key = (pod.namespace, pod.workload)
        before = self._states.get(pod.uid)
        self._states[pod.uid] = state
        if before == state:
            return
        parcel = self._parcels.get(key)
        if parcel is not None:
            self._measure(before or PodState(), state, parcel.wanted)
        if parcel is not None and state.sequence > parcel.wanted.sequence and state.revision != parcel.wanted.revision:
            self.ahead(key)
        self.changed(key)

    def _measure(self, before: PodState, state: PodState, wanted: Wanted) -> None:
        """From the change to the acknowledgement, once per pod and change; a pod that came later waited for itself."""
        if wanted.since and before.seen and state.standing(wanted) == "Acknowledged" != before.standing(wanted):
            self._metrics.config_push_seconds.labels((state.via or "none").lower()).observe(self._now() - wanted.since)

    def _count(self, standing: Standing) -> int:
        """Pods of a standing, for the metric; called when it's scraped."""
        found = 0
        for key, parcel in self._parcels.items():
            found += sum(
                self.state(p.uid).standing(parcel.wanted) == standing for p in self._caches.pods_of(*key) if p.counts and p.sidecar
            )
        return found
