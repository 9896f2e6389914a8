"""The order in which entries make room: what LRU and SIEVE share, a doubly linked list in the entries themselves. Pure; drops nothing."""

from __future__ import annotations

from slipstream_runtime.cores.entry import Entry


class Eviction:
    """FIFO as it stands: a new entry goes to the newest end, the oldest makes room. Every operation is O(1)."""

    __slots__ = ("newest", "oldest")

    def __init__(self, previous: Eviction | None = None) -> None:
        """Takes the entries of `previous` over, in its order."""
        self.newest: Entry | None = None if previous is None else previous.newest
        self.oldest: Entry | None = None if previous is None else previous.oldest

    def insert(self, entry: Entry) -> None:
        """A new entry."""
        newest = self.newest
        entry.older = newest
        if newest is None:
            self.oldest = entry
        else:
            newest.newer = entry
        self.newest = entry

    def remove(self, entry: Entry) -> None:
        """An entry leaves, for whatever reason."""
        newer, older = entry.newer, entry.older
        if newer is None:
            self.newest = older
        else:
            newer.older = older
            entry.newer = None
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
            entry.older = None

    def hit(self, entry: Entry) -> None:
        """An entry was used."""

    def victim(self) -> Entry | None:
        """The entry that makes room next; the caller removes it. None: there is none."""
        return self.oldest
