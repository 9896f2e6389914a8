"""One stored answer and whose it is: compact objects that the garbage collector never visits. Pure; holds no order and no bounds.

Structs without garbage collection, so that a million of them lengthen no collection: nothing here may refer to what refers back to it
but the links, and those are cut when an entry leaves its store (`Store.__del__` for the last ones). Left out of the compiled modules:
mypyc knows no class without garbage collection, and these have next to no code."""

from __future__ import annotations

from math import ceil
from typing import Final

import msgspec

from slipstream_runtime.cores.codec import Codec
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import Snapshot
from slipstream_runtime.cores.grace import Grace
from slipstream_runtime.cores.plan import CachePlan

# Bytes that one entry costs beside the octets of head and body: the entry, its key, numbers, byte strings and its place in the table.
# Measured by bench/store.py, rounded up; an entry under a quota costs its three links more.
ENTRY_OVERHEAD: Final = 450
_AGES: Final = [sixteenth / 16 for sixteenth in range(257)]  # shared by all entries, since most come with an age of milliseconds


class Entry(msgspec.Struct, gc=False, eq=False):
    """One stored answer. Head and data never change once it is stored; the data path may keep its head rendered for one Age second."""

    key: bytes
    plan: CachePlan
    marks: int  # of Generations: what it was read against
    status: int
    head: bytes
    data: bytes  # the body as it is kept
    codec: Codec | None  # what made `data` of the body; None: it is the body
    received: float
    age: float  # at `received`
    expires: float
    grace: Grace  # what it may be used for after `expires`
    asker: int  # in Shadow: a hash of who asked
    rendered_head: bytes = b""
    rendered_age: int = -1
    visited: bool = False  # of SIEVE
    newer: Entry | None = None
    older: Entry | None = None

    def __repr__(self) -> str:
        """Says nothing of what is stored, and doesn't follow the links."""
        return f"<{type(self).__name__} {self.key.hex()}, {len(self.head)} + {len(self.data)} bytes>"

    @property
    def body(self) -> bytes:
        """As it came; raises ValueError where `data` was damaged, which `Store.get` has seen to."""
        codec = self.codec
        return self.data if codec is None else codec.decode(self.data)

    @property
    def retained(self) -> float:
        """Until then it is of some use."""
        return self.expires + self.grace.retention

    @property
    def size(self) -> int:
        """What it counts against the bounds."""
        return entry_size(len(self.head), len(self.data))

    def current(self) -> bool:
        """Nothing that it depends on was invalidated since it was read."""
        plan = self.plan
        return plan.cache.generations.holds(self.marks, plan.tags)

    def age_at(self, now: float) -> float:
        """Its Age: how old it was when it came, and how long it has been here."""
        return self.age + now - self.received

    def satisfies(self, max_age: int, min_fresh: int, now: float) -> bool:
        """It is young and fresh enough for a request's own limits (`max_age` -1: none)."""
        return (max_age < 0 or self.age_at(now) <= max_age) and self.expires - now > min_fresh


class Account(msgspec.Struct, gc=False, eq=False):
    """What one partition has in a store, in order of arrival; goes with its last entry."""

    id: int
    bytes: int = 0
    newest: OwnedEntry | None = None
    oldest: OwnedEntry | None = None


class OwnedEntry(Entry, gc=False, eq=False):
    """An entry that counts against its partition's quota."""

    account: Account | None = None
    account_newer: OwnedEntry | None = None
    account_older: OwnedEntry | None = None


def entry_size(head: int, body: int) -> int:
    """What an entry counts: its head twice, since it may be kept rendered too."""
    return ENTRY_OVERHEAD + 2 * head + body


def coarse(age: float) -> float:
    """Up to the next sixteenth of a second, which nobody sees in a whole number of seconds; spares most entries a number of their own."""
    return _AGES[ceil(age * 16)] if 0.0 <= age <= 16.0 else age


def make_entry(
    owned: bool,
    key: bytes,
    plan: CachePlan,
    snapshot: Snapshot,
    storing: Storing,
    status: int,
    head: bytes,
    data: bytes,
    codec: Codec | None,
) -> Entry:
    """An entry from what was judged; `owned` where a quota is to be kept."""
    kind = OwnedEntry if owned else Entry
    received = storing.received
    expires, grace = received + storing.ttl, storing.grace
    return kind(key, plan, snapshot.marks(), status, head, data, codec, received, coarse(storing.age), expires, grace, storing.asker)
