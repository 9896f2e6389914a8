"""Stored answers: one bounded LRU by bytes and entries, O(1) a request. Pure; what may be stored is judged elsewhere (freshness)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from slipstream_api.config import StoreConfig
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import Snapshot
from slipstream_runtime.cores.plan import CachePlan

# Bytes beside key, head and body that one entry costs (objects, their numbers, the dictionary's link); measured by bench/cores.py.
ENTRY_OVERHEAD: Final = 700


class Entry:
    """One stored answer, immutable; the data path may keep its head rendered for the Age second `rendered_age`."""

    __slots__ = (
        "age",
        "asker",
        "body",
        "expires",
        "grace",
        "head",
        "key",
        "plan",
        "received",
        "rendered_age",
        "rendered_head",
        "size",
        "snapshot",
        "status",
    )

    def __init__(self, key: bytes, plan: CachePlan, snapshot: Snapshot, storing: Storing, status: int, head: bytes, body: bytes) -> None:
        self.key = key
        self.plan = plan
        self.snapshot = snapshot
        self.status = status
        self.head = head
        self.body = body
        self.received: float = storing.received
        self.age: float = storing.age  # at `received`
        self.expires: float = storing.received + storing.ttl
        self.grace = storing.grace  # what it may be used for after `expires`
        self.asker = storing.asker
        self.size: int = entry_size(len(head), len(body))
        self.rendered_head: bytes = b""
        self.rendered_age: int = -1

    def age_at(self, now: float) -> float:
        """Its Age: how old it was when it came, and how long it has been here."""
        return self.age + now - self.received

    def satisfies(self, max_age: int, min_fresh: int, now: float) -> bool:
        """It is young and fresh enough for a request's own limits (`max_age` -1: none)."""
        return (max_age < 0 or self.age_at(now) <= max_age) and self.expires - now > min_fresh


def entry_size(head: int, body: int) -> int:
    """What an entry counts: its head twice, since it may be kept rendered too."""
    return ENTRY_OVERHEAD + 2 * head + body


class Store:
    """The answers of one CachePolicy. Counters: `evictions` for room, `expirations`, `invalidations` seen dead, `refusals` too large."""

    __slots__ = ("_entries", "bytes", "config", "evictions", "expirations", "invalidations", "refusals")

    def __init__(self, config: StoreConfig) -> None:
        self.config = config
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()  # the least recently used first
        self.bytes: int = 0
        self.evictions: int = 0
        self.expirations: int = 0
        self.invalidations: int = 0
        self.refusals: int = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, plan: CachePlan, now: float) -> Entry | None:
        """The fresh answer under `key`, None without one. Fresh means `now` < `expires`: at that instant it no longer is."""
        entry = self.get_stale(key, plan, now)
        return entry if entry is not None and now < entry.expires else None

    def get_stale(self, key: bytes, plan: CachePlan, now: float) -> Entry | None:
        """The answer under `key` that is fresh, or not longer expired than its grace retains it. Never one that a write made wrong."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.plan is not plan and not self._adopt(entry, plan):
            return None
        if not entry.snapshot.current():
            self.invalidations += 1
            self._drop(entry)
            return None
        if now >= entry.expires and now >= entry.expires + entry.grace.retention:
            self.expirations += 1
            self._drop(entry)
            return None
        self._entries.move_to_end(key)
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """What is there under `key`, fresh or not, dead or not; for explaining, changes nothing."""
        return self._entries.get(key)

    def admits(self, head: int, body: int) -> bool:
        """An answer of these lengths would be taken; to stop collecting a body early."""
        size = entry_size(head, body)
        return body <= self.config.max_entry_bytes and size <= self.config.max_bytes and self.config.max_entries > 0

    def put(
        self, key: bytes, plan: CachePlan, snapshot: Snapshot, storing: Storing, status: int, head: bytes, body: bytes, now: float
    ) -> str:
        """Stores a complete answer; empty when it was, else why not (a token for Cache-Status). Makes room from the least recently used."""
        if storing.detail:
            return storing.detail
        if not snapshot.current():
            return "invalidated"
        if snapshot.writing():
            return "write-in-flight"
        if now >= storing.received + storing.ttl:
            return "expired"
        if not self.admits(len(head), len(body)):
            self.refusals += 1
            return "too-large"
        old = self._entries.get(key)
        if old is not None:
            self._drop(old)
        entry = Entry(key, plan, snapshot, storing, status, bytes(head), bytes(body))
        self._entries[key] = entry
        self.bytes += entry.size
        counters = plan.counters
        counters.stored += 1
        counters.entries += 1
        counters.bytes += entry.size
        self._evict()
        return ""

    def drop(self, key: bytes) -> None:
        """Forgets the answer under `key`, if any."""
        entry = self._entries.get(key)
        if entry is not None:
            self._drop(entry)

    def clear(self) -> None:
        """Forgets everything; O(n), for commands."""
        for entry in list(self._entries.values()):
            self._drop(entry)

    def reconfigure(self, config: StoreConfig) -> None:
        """New bounds: what no longer fits goes, least recently used first; O(evicted), for reloads."""
        self.config = config
        if any(len(entry.body) > config.max_entry_bytes for entry in self._entries.values()):
            for entry in [entry for entry in self._entries.values() if len(entry.body) > config.max_entry_bytes]:
                self._drop(entry)
        self._evict()

    def _evict(self) -> None:
        config = self.config
        while self._entries and (self.bytes > config.max_bytes or len(self._entries) > config.max_entries):
            entry = next(iter(self._entries.values()))
            entry.plan.counters.evictions += 1
            self.evictions += 1
            self._drop(entry)

    def _adopt(self, entry: Entry, plan: CachePlan) -> bool:
        """After a reload: the entry lives on under the new plan, not longer than that allows; of another life of the pool it is dead."""
        if entry.plan.cache is not plan.cache:
            self.invalidations += 1
            self._drop(entry)
            return False
        entry.expires = min(entry.expires, entry.received + plan.ttl)
        entry.grace = entry.grace.shortened(plan.grace.bounds)
        entry.plan = plan  # the same policy, so the same counters: both are part of the key
        return True

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self.bytes -= entry.size
        counters = entry.plan.counters
        counters.entries -= 1
        counters.bytes -= entry.size
