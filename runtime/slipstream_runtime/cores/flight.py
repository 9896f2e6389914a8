"""Single-flight: identical reads share one upstream call while it is under way. Pure; calls nobody, holds waiters as opaque objects.

A flight belongs to its key, so to one partition. It isn't tied to its leader: whoever leaves, it goes on while one waiter is left."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from slipstream_runtime.cores.generations import Snapshot

W = TypeVar("W", bound=Hashable)

MARK_SECONDS: Final = 10.0  # how long a key that proved uncacheable isn't coalesced; short, since all it costs is a wait
MAX_MARKS: Final = 4_096  # of such keys; the oldest is forgotten first


class Flight(Generic[W]):
    """One upstream call and those who wait for it, in order of arrival. `leader` is who was told to make it."""

    __slots__ = ("done", "key", "leader", "snapshot", "waiters")

    def __init__(self, key: bytes, snapshot: Snapshot, leader: W) -> None:
        self.key = key
        self.snapshot = snapshot  # captured before the call: joins and stores are checked against it
        self.leader = leader
        self.waiters: dict[W, None] = {leader: None}
        self.done: bool = False


class Flights(Generic[W]):
    """The flights of one pool. Counters: `led`, `joined`, `solo` (not coalesced: uncacheable, or a write was under way)."""

    __slots__ = ("_by_key", "_marks", "joined", "led", "solo")

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight[W]] = {}
        self._marks: OrderedDict[bytes, float] = OrderedDict()
        self.led: int = 0
        self.joined: int = 0
        self.solo: int = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def under_way(self, key: bytes) -> bool:
        """Somebody makes the call for `key`, and it would be joined."""
        flight = self._by_key.get(key)
        return flight is not None and flight.snapshot.current()

    def passes(self, key: bytes, now: float) -> bool:
        """Whether nobody is to wait for `key` now, since it proved uncacheable. `join` asks this too; who asks before needs no snapshot."""
        marked = self._marks.get(key)
        if marked is None:
            return False
        if now < marked:
            self.solo += 1
            return True
        del self._marks[key]
        return False

    def join(self, key: bytes, snapshot: Snapshot, waiter: W, now: float) -> Flight[W] | None:
        """The flight that `waiter` now belongs to; it makes the call itself where `flight.leader is waiter`. None: go on alone."""
        if self.passes(key, now):
            return None
        if snapshot.generations.writes and snapshot.writing():
            self.solo += 1  # two of its readers could otherwise see the write and then not see it
            return None
        flight = self._by_key.get(key)
        if flight is not None and flight.snapshot.current():
            flight.waiters[waiter] = None
            self.joined += 1
            return flight
        flight = self._by_key[key] = Flight(key, snapshot, waiter)  # one that a write overtook goes on for its own waiters
        self.led += 1
        return flight

    def leave(self, flight: Flight[W], waiter: W) -> bool:
        """`waiter` no longer waits; True where it was the last one, so that the upstream call is to be cancelled."""
        if flight.done or waiter not in flight.waiters:
            return False
        del flight.waiters[waiter]
        if flight.waiters:
            return False
        self._end(flight)
        return True

    def land(self, flight: Flight[W]) -> list[W]:
        """The call ended with what all may share: everybody who still waits, in order. That is a stored answer, the call's failure, or an
        answer that a write overtook and that isn't stored: those who wait had asked before the write was done."""
        return self._end(flight)

    def scatter(self, flight: Flight[W], now: float) -> list[W]:
        """The call brought what only its leader may have: the others, each to go on alone; for a while nobody waits for this key."""
        waiters = self._end(flight)
        self._marks.pop(flight.key, None)
        self._marks[flight.key] = now + MARK_SECONDS
        if len(self._marks) > MAX_MARKS:
            self._marks.popitem(last=False)
        return [waiter for waiter in waiters if waiter is not flight.leader]

    def alone_for(self, key: bytes, now: float) -> float:
        """Seconds for which nobody waits for this key yet, since it proved uncacheable; 0: it isn't so."""
        return max(0.0, self._marks.get(key, now) - now)

    def unmark(self, key: bytes) -> None:
        """The key proved cacheable after all."""
        self._marks.pop(key, None)

    def _end(self, flight: Flight[W]) -> list[W]:
        if flight.done:
            return []
        flight.done = True
        if self._by_key.get(flight.key) is flight:  # a later flight may have taken its place
            del self._by_key[flight.key]
        waiters = list(flight.waiters)
        flight.waiters.clear()
        return waiters
