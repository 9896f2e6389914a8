"""A work queue that remembers what to look at, not what happened: de-duplicating, debounced, with back-off. Knows no Kubernetes.

    add ──debounce──▶ due ──free worker──▶ running ──▶ done │ again after `recheck` seconds │ again after a back-off
                       ▲                     │
                       └── added meanwhile ──┘    a key never runs twice at once; however often it's added during a run: one more run

Events come in bursts (an apply touches ten objects, a relist thousands), so that a key waits `debounce` seconds for the burst to end, but
never longer than `max_wait`. Times are those of the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from slipstream_operator.errors import OperatorError, Permanent, Temporary

log = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)
TICK: Final = 0.001  # seconds; a timer that fires this much early counts as due, since waiting for less than a tick would spin


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and how many keys run at once."""

    debounce: float = 0.1
    max_wait: float = 2.0
    backoff: float = 0.5  # after the first failure; doubles with each
    backoff_cap: float = 60.0
    jitter: float = 0.2  # a share of the back-off, so that failures don't come back together
    workers: int = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One look at a key. `since`: loop time of the oldest change that no successful run has seen yet. `attempt` counts from 0."""

    since: float
    attempt: int


class Observer(Protocol):
    """What the queue tells its metrics."""

    def queued(self, depth: int) -> None: ...
    def started(self, waited: float) -> None: ...
    def finished(self, took: float, result: str) -> None: ...


@dataclass(slots=True)
class _Pending:
    """Why a key will run: an event (debounced) and/or a timer (back-off, recheck)."""

    first: float | None = None  # when the first event of the burst came
    event: float | None = None
    timer: float | None = None

    @property
    def due(self) -> float:
        return min(t for t in (self.event, self.timer) if t is not None)


class WorkQueue(Generic[K]):
    """See the module. `add` and `add_after` may be called at any time from the loop; `run` until it's cancelled."""

    def __init__(
        self, name: str, limits: Limits | None = None, *, observer: Observer | None = None, uniform: Callable[[], float] = random.random
    ) -> None:
        self.name = name
        self.limits = limits or Limits()
        self.running: set[K] = set()
        self._observer = observer
        self._uniform = uniform
        self._pending: dict[K, _Pending] = {}
        self._heap: list[tuple[float, int, K]] = []  # entries of keys that have moved on are skipped
        self._since: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._numbers = itertools.count()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, key: object) -> bool:
        return key in self._pending or key in self.running

    def add(self, key: K) -> None:
        """Something about `key` may have changed. A key in back-off runs early, but stays as failed as it is."""
        now = self._now()
        pending = self._pending.setdefault(key, _Pending())
        if pending.first is None:
            pending.first = now
        pending.event = min(now + self.limits.debounce, pending.first + self.limits.max_wait)
        self._since.setdefault(key, now)
        self._schedule(key, pending)

    def add_after(self, key: K, delay: float) -> None:
        """Look at `key` again in `delay` seconds, or earlier if there's a reason."""
        due = self._now() + delay
        pending = self._pending.setdefault(key, _Pending())
        pending.timer = due if pending.timer is None else min(due, pending.timer)
        self._schedule(key, pending)

    def forget(self, key: K) -> None:
        """There is nothing to look at any more: no timer, no memory of failures."""
        self._pending.pop(key, None)
        self._failures.pop(key, None)
        self._since.pop(key, None)
        self._tell_depth()

    async def run(self, handle: Callable[[K, Run], Awaitable[float | None]]) -> None:
        """Calls `handle(key, run)` for keys as they come due; what it returns is when to look again without an event."""
        slots = asyncio.Semaphore(self.limits.workers)
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                key = await self._take()
                run = Run(self._since.pop(key, self._now()), self._failures.get(key, 0))
                task = group.create_task(self._one(key, run, handle), name=f"{self.name} {key}")
                # Also when the task is cancelled before its first step.
                task.add_done_callback(partial(self._done, key, slots))

    # -- inside --

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _schedule(self, key: K, pending: _Pending) -> None:
        heapq.heappush(self._heap, (pending.due, next(self._numbers), key))
        self._wake.set()
        self._tell_depth()

    async def _take(self) -> K:
        """The next key that is due and not running; it counts as running from here on."""
        while True:
            self._wake.clear()
            now = self._now()
            while self._heap and self._heap[0][0] <= now + TICK:
                due, _, key = heapq.heappop(self._heap)
                pending = self._pending.get(key)
                if pending is None or pending.due != due or key in self.running:
                    continue  # moved on, or `_done` will put it back
                if self._observer and pending.first is not None:
                    self._observer.started(now - pending.first)
                del self._pending[key]
                self.running.add(key)
                self._tell_depth()
                return key
            wait = self._heap[0][0] - now if self._heap else None
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _one(self, key: K, run: Run, handle: Callable[[K, Run], Awaitable[float | None]]) -> None:
        started, result = self._now(), "ok"
        try:
            recheck = await handle(key, run)
            self._failures.pop(key, None)
            if recheck is not None:
                self.add_after(key, recheck)
        except Permanent as error:
            result = "permanent"
            self._failures.pop(key, None)
            log.error("%s %s: %s", self.name, key, error)
        except Exception as error:  # noqa: BLE001 - whatever a reconciler raises, the others go on
            result = "failed"
            self._retry(key, run, error)
        if self._observer:
            self._observer.finished(self._now() - started, result)

    def _retry(self, key: K, run: Run, error: Exception) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        backoff = min(self.limits.backoff * 2 ** min(failures - 1, 30), self.limits.backoff_cap)
        delay = max(backoff * (1 + self.limits.jitter * self._uniform()), getattr(error, "delay", None) or 0.0)
        level = logging.INFO if isinstance(error, Temporary) and failures <= 2 else logging.WARNING
        trace = None if isinstance(error, OperatorError) else error
        log.log(level, "%s %s failed %d times, again in %.1f s: %s", self.name, key, failures, delay, error, exc_info=trace)
        self._since[key] = min(run.since, self._since.get(key, run.since))
        self.add_after(key, delay)

    def _done(self, key: K, slots: asyncio.Semaphore, _: asyncio.Task[None]) -> None:
        self.running.discard(key)
        slots.release()
        pending = self._pending.get(key)
        if pending is not None:
            self._schedule(key, pending)  # its entry may have come due, and been skipped, during the run

    def _tell_depth(self) -> None:
        if self._observer:
            self._observer.queued(len(self._pending))
