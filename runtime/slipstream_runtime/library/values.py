"""Returned objects, bounded by bytes, least recently used out first; O(1) a call. Pure; cores.store keeps octets, this keeps objects."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from slipstream_runtime.cores.generations import Snapshot

ENTRY_OVERHEAD: Final = 600  # bytes an entry costs beside its value: key, objects, links; see test_memo_values


class Held:
    """One value, and until when it is good."""

    __slots__ = ("expires", "size", "snapshot", "stale_until", "value")

    def __init__(self, value: object, size: int, snapshot: Snapshot, expires: float, stale_until: float) -> None:
        self.value = value
        self.size = size
        self.snapshot = snapshot
        self.expires = expires
        self.stale_until = stale_until


class Values:
    """Counters: `evictions` for room, `expirations`, `invalidations` seen dead."""

    __slots__ = ("_held", "bytes", "evictions", "expirations", "invalidations", "max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._held: OrderedDict[bytes, Held] = OrderedDict()  # the least recently used first
        self.bytes: int = 0
        self.evictions: int = 0
        self.expirations: int = 0
        self.invalidations: int = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: bytes, now: float) -> Held | None:
        """The fresh value under `key`; at the instant `expires` it no longer is."""
        held = self._living(key, now)
        if held is None or now >= held.expires:
            return None
        self._held.move_to_end(key)
        return held

    def get_stale(self, key: bytes, now: float) -> Held | None:
        """The value that may stand in for an error: fresh, or not longer expired than allowed. Never an invalidated one."""
        return self._living(key, now)

    def put(self, key: bytes, held: Held, now: float) -> bool:
        """Keeps a value; False where it is dead already, or too large."""
        held.size += ENTRY_OVERHEAD
        if not held.snapshot.storable() or now >= held.expires or held.size > self.max_bytes:
            return False
        if key in self._held:
            self._drop(key)
        self._held[key] = held
        self.bytes += held.size
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._held)))
            self.evictions += 1
        return True

    def clear(self) -> None:
        self._held.clear()
        self.bytes = 0

    def _living(self, key: bytes, now: float) -> Held | None:
        held = self._held.get(key)
        if held is None:
            return None
        if not held.snapshot.current():
            self.invalidations += 1
        elif now >= held.stale_until:
            self.expirations += 1
        else:
            return held
        self._drop(key)
        return None

    def _drop(self, key: bytes) -> None:
        self.bytes -= self._held.pop(key).size
