"""LRU: what wasn't used for the longest time makes room. Pure; the list is eviction.py's."""

from __future__ import annotations

from slipstream_runtime.cores.entry import Entry
from slipstream_runtime.cores.eviction import Eviction


class Lru(Eviction):
    """A use moves an entry to the newest end."""

    __slots__ = ()

    def hit(self, entry: Entry) -> None:
        newer = entry.newer
        if newer is None:
            return  # it is the newest
        older = entry.older
        newer.older = older
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
        newest = self.newest
        assert newest is not None
        newest.newer = entry
        entry.older = newest
        entry.newer = None
        self.newest = entry
