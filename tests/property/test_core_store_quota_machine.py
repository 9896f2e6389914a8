"""A store with either algorithm, with and without a quota, across reloads: against a list that recounts everything."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slipstream_api.config import StoreConfig
from slipstream_runtime.cores.store import ENTRY_OVERHEAD, entry_size
from tests.fakes.cores import Cached

HEAD = len(b"HTTP/1.1 200 OK")
NOW = 1_000.0
stores = st.builds(
    lambda size, entries, eviction, percent: StoreConfig(
        name="policy", max_bytes=size * ENTRY_OVERHEAD, max_entries=entries, eviction=eviction, max_partition_percent=percent
    ),
    st.integers(3, 12),
    st.integers(1, 9),
    st.sampled_from(("LRU", "SIEVE")),
    st.sampled_from((25, 50, 100)),
)
callers = st.sampled_from(("s1", "s2", "s3"))
numbers = st.integers(0, 5)


@dataclass
class Kept:
    """One entry of the model."""

    key: bytes
    size: int
    owner: str
    arrived: int
    visited: bool = False


class QuotaMachine(RuleBasedStateMachine):
    """The model: entries oldest (least recently used) first, a hand, and who owns what."""

    @initialize(config=stores)
    def begin(self, config: StoreConfig) -> None:
        self.cached = Cached(store=config)
        self.kept: list[Kept] = []
        self.hand: Kept | None = None
        self.arrivals = 0

    @property
    def config(self) -> StoreConfig:
        return self.cached.store.config

    def key(self, caller: str, number: int) -> bytes:
        return self.cached.key(caller, f"/recall?q={number}")

    def remove(self, kept: Kept) -> None:
        at = self.kept.index(kept)
        if kept is self.hand:
            self.hand = self.kept[at + 1] if at + 1 < len(self.kept) else None
        del self.kept[at]

    def victim(self) -> Kept:
        at = self.kept.index(self.hand) if self.hand is not None else 0
        if self.config.eviction == "SIEVE":
            while self.kept[at].visited:
                self.kept[at].visited = False
                at = (at + 1) % len(self.kept)
            self.hand = self.kept[at]
        return self.kept[at]

    def make_room(self, size: int, count: int) -> None:
        while sum(k.size for k in self.kept) + size > self.config.max_bytes or len(self.kept) + count > self.config.max_entries:
            self.remove(self.victim())

    @rule(caller=callers, number=numbers, length=st.integers(0, 1_500))
    def put(self, caller: str, number: int, length: int) -> None:
        key, size = self.key(caller, number), entry_size(HEAD, length)
        percent = self.config.max_partition_percent
        quota = self.config.max_bytes * percent // 100
        fits = size <= min(quota, self.config.max_bytes)
        assert self.cached.put(NOW, key, b"x" * length, snapshot=self.cached.capture(caller)) == ("" if fits else "too-large")
        if not fits:
            return
        for kept in [kept for kept in self.kept if kept.key == key]:
            self.remove(kept)
        if percent < 100:
            while sum(k.size for k in self.kept if k.owner == caller) + size > quota:
                self.remove(min((k for k in self.kept if k.owner == caller), key=lambda k: k.arrived))
        self.make_room(size, 1)
        self.arrivals += 1
        self.kept.append(Kept(key, size, caller if percent < 100 else "", self.arrivals))

    @rule(caller=callers, number=numbers)
    def get(self, caller: str, number: int) -> None:
        key = self.key(caller, number)
        known = next((kept for kept in self.kept if kept.key == key), None)
        assert (self.cached.store.get(key, self.cached.plan, NOW) is not None) == (known is not None)
        if known is not None and self.config.eviction == "SIEVE":
            known.visited = True
        elif known is not None:
            self.kept.remove(known)
            self.kept.append(known)

    @rule(config=stores)
    def reload(self, config: StoreConfig) -> None:
        """Another algorithm begins where the other ended: what is there stays, as far as it fits."""
        if config.eviction != self.config.eviction:
            self.hand = None
        self.cached.store.reconfigure(config)
        self.make_room(0, 0)

    @invariant()
    def the_same_entries_are_there_and_no_caller_has_more_than_its_quota(self) -> None:
        store = self.cached.store
        assert {kept.key for kept in self.kept} == {key for table in store._tables for key in table}
        assert store.bytes == sum(kept.size for kept in self.kept) <= self.config.max_bytes
        assert len(store) == len(self.kept) <= self.config.max_entries
        owners = {kept.owner for kept in self.kept if kept.owner}
        assert len(store._quotas) == len(owners) <= len(self.kept)


QuotaMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestStoreWithAlgorithmsAndQuotas = QuotaMachine.TestCase
