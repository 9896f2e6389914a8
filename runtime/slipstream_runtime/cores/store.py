"""Stored answers of one policy, bounded by bytes and entries, O(1) a request. Pure; what may be stored is judged elsewhere (freshness).

No operation but a reload takes time with the number of entries: the table is cut in TABLES small ones, since a single dictionary of a
million stops the process while it grows, and the collector sees none of it (entry.py)."""

from __future__ import annotations

from typing import Final

from slipstream_api.config import StoreConfig
from slipstream_runtime.cores.codec import Codec
from slipstream_runtime.cores.entry import ENTRY_OVERHEAD, Entry, OwnedEntry, entry_size, make_entry
from slipstream_runtime.cores.eviction import Eviction
from slipstream_runtime.cores.eviction_lru import Lru
from slipstream_runtime.cores.eviction_sieve import Sieve
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import EPOCH_SHIFT, Snapshot
from slipstream_runtime.cores.plan import CachePlan
from slipstream_runtime.cores.quota import Quotas

__all__ = ["ENTRY_OVERHEAD", "TABLES", "Entry", "Store", "entry_size"]

TABLES: Final = 256  # by the last octet of the key, which is a hash


def eviction_of(config: StoreConfig, previous: Eviction | None) -> Eviction:
    """The algorithm that `config` names, over the entries of `previous`."""
    return Sieve(previous) if config.eviction == "SIEVE" else Lru(previous)


class Store:
    """The answers of one CachePolicy. Counters: `evictions` for room, `expirations`, `invalidations` seen dead, `refusals` too large,
    `damaged` bodies that couldn't be decoded."""

    __slots__ = (
        "_codec",
        "_count",
        "_eviction",
        "_quota",
        "_quotas",
        "_swept",
        "_tables",
        "bytes",
        "config",
        "damaged",
        "evictions",
        "expirations",
        "invalidations",
        "refusals",
    )

    def __init__(self, config: StoreConfig, codec: Codec | None = None) -> None:
        self.config = config
        self._codec = codec
        self._tables: list[dict[bytes, Entry]] = [{} for _ in range(TABLES)]
        self._count: int = 0
        self._eviction: Eviction = eviction_of(config, None)
        self._quota: int = quota_of(config)
        self._quotas = Quotas()
        self._swept: int = 0  # the table that the sweep looks at next
        self.bytes: int = 0
        self.evictions: int = 0
        self.expirations: int = 0
        self.invalidations: int = 0
        self.refusals: int = 0
        self.damaged: int = 0

    def __len__(self) -> int:
        return self._count

    def __del__(self) -> None:
        """Cuts the links between the last entries: no collector sees them, so nothing else would ever free them."""
        for table in self._tables:
            for entry in table.values():
                entry.newer = entry.older = None
                if isinstance(entry, OwnedEntry):
                    entry.account = entry.account_newer = entry.account_older = None

    def get(self, key: bytes, plan: CachePlan, now: float) -> Entry | None:
        """The fresh answer under `key`, None without one. Fresh means `now` < `expires`: at that instant it no longer is."""
        entry = self.get_stale(key, plan, now)
        return entry if entry is not None and now < entry.expires else None

    def get_stale(self, key: bytes, plan: CachePlan, now: float) -> Entry | None:
        """The answer under `key` that is fresh, or not longer expired than its grace retains it. Never one that a write made wrong."""
        entry = self._tables[key[-1] if key else 0].get(key)
        if entry is None:
            return None
        if entry.plan is not plan and not self._adopt(entry, plan):
            return None
        generations = plan.cache.generations
        if generations.epoch != entry.marks >> EPOCH_SHIFT:
            if not generations.holds(entry.marks, plan.tags):
                self.invalidations += 1
                self._drop(entry)
                return None
            entry.marks = generations.renewed(entry.marks)  # so that the next hit needs one comparison only
        if now >= entry.expires and now >= entry.retained:
            self.expirations += 1
            self._drop(entry)
            return None
        if entry.codec is not None and not self._intact(entry):
            return None
        self._eviction.hit(entry)
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """What is there under `key`, fresh or not, dead or not; for explaining, changes nothing."""
        return self._tables[key[-1] if key else 0].get(key)

    def admits(self, head: int, body: int) -> bool:
        """An answer of these lengths would be taken; to stop collecting a body early."""
        size = entry_size(head, body)
        return body <= self.config.max_entry_bytes and size <= self.config.max_bytes and self.config.max_entries > 0

    def put(
        self, key: bytes, plan: CachePlan, snapshot: Snapshot, storing: Storing, status: int, head: bytes, body: bytes, now: float
    ) -> str:
        """Stores a complete answer; empty when it was, else why not (a token for Cache-Status). Room is made by the partition itself
        where it would be over its quota, and then as the policy's algorithm says."""
        if storing.detail:
            return storing.detail
        if not snapshot.current():
            return "invalidated"
        if snapshot.writing():
            return "write-in-flight"
        if now >= storing.received + storing.ttl and not storing.confirm:
            return "expired"
        if not self.admits(len(head), len(body)):
            self.refusals += 1
            return "too-large"
        data, codec = bytes(body), self._codec
        encoded = None if codec is None else codec.encode(head, data)
        if encoded is None:
            codec = None
        else:
            data = encoded
        size = entry_size(len(head), len(data))
        owned = self._quota > 0 and not plan.interest.shared
        if owned and size > self._quota:
            self.refusals += 1
            return "too-large"
        old = self.peek(key)
        if old is not None:
            self._drop(old)
        if owned:
            self._make_own_room(snapshot.partition, size)
        self._make_room(size, 1)
        entry = make_entry(owned, key, plan, snapshot, storing, status, bytes(head), data, codec)
        self._insert(entry, size)
        if isinstance(entry, OwnedEntry):
            self._quotas.insert(snapshot.partition, entry, size)
        plan.counters.stored += 1
        return ""

    def drop(self, key: bytes) -> None:
        """Forgets the answer under `key`, if any."""
        entry = self.peek(key)
        if entry is not None:
            self._drop(entry)

    def clear(self) -> None:
        """Forgets everything; O(n), for commands."""
        for table in self._tables:
            for entry in list(table.values()):
                self._drop(entry)

    def sweep(self, now: float) -> None:
        """One step of the sweep: forgets what is dead or expired in the next table, so that it holds no memory until somebody asks for it
        again. All tables have had their turn after TABLES steps."""
        table = self._tables[self._swept]
        self._swept = (self._swept + 1) % TABLES
        dead = [entry for entry in table.values() if now >= entry.retained or not entry.current()]
        for entry in dead:
            if now >= entry.retained:
                self.expirations += 1
            else:
                self.invalidations += 1
            self._drop(entry)

    def reconfigure(self, config: StoreConfig, codec: Codec | None = None) -> None:
        """New bounds, algorithm and compression, for reloads: what no longer fits goes, as the new algorithm says; O(evicted). What was
        stored before a quota was set counts against nobody."""
        smaller = config.max_entry_bytes < self.config.max_entry_bytes
        if config.eviction != self.config.eviction:
            self._eviction = eviction_of(config, self._eviction)
        self.config, self._codec, self._quota = config, codec, quota_of(config)
        if smaller:
            for table in self._tables:
                for entry in [entry for entry in table.values() if len(entry.data) > config.max_entry_bytes]:
                    self._drop(entry)
        self._make_room(0, 0)

    def _make_own_room(self, partition: int, size: int) -> None:
        """The partition's oldest entries go until `size` more are within its quota."""
        account = self._quotas.find(partition)
        while account is not None and account.bytes + size > self._quota:
            oldest = account.oldest
            if oldest is None:
                return
            self._evict(oldest)

    def _make_room(self, size: int, count: int) -> None:
        config = self.config
        while self.bytes + size > config.max_bytes or self._count + count > config.max_entries:
            entry = self._eviction.victim()
            if entry is None:
                return
            self._evict(entry)

    def _evict(self, entry: Entry) -> None:
        entry.plan.counters.evictions += 1
        self.evictions += 1
        self._drop(entry)

    def _intact(self, entry: Entry) -> bool:
        """The entry's body can be had; one that was damaged is no longer there."""
        codec = entry.codec
        if codec is None or codec.intact(entry.data):
            return True
        self.damaged += 1
        self._drop(entry)
        return False

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

    def _insert(self, entry: Entry, size: int) -> None:
        key = entry.key
        self._tables[key[-1] if key else 0][key] = entry
        self._eviction.insert(entry)
        self._count += 1
        self.bytes += size
        counters = entry.plan.counters
        counters.entries += 1
        counters.bytes += size

    def _drop(self, entry: Entry) -> None:
        key = entry.key
        del self._tables[key[-1] if key else 0][key]
        size = entry.size
        self._eviction.remove(entry)
        if isinstance(entry, OwnedEntry):
            self._quotas.remove(entry, size)
        self._count -= 1
        self.bytes -= size
        counters = entry.plan.counters
        counters.entries -= 1
        counters.bytes -= size


def quota_of(config: StoreConfig) -> int:
    """Bytes that one partition may have; 0: as many as there are."""
    return 0 if config.max_partition_percent >= 100 else max(1, config.max_bytes * config.max_partition_percent // 100)
