"""The store under every sequence of events, against a plain list that recounts everything."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slipstream_api.config import StoreConfig
from slipstream_runtime.cores.store import ENTRY_OVERHEAD, entry_size
from tests.fakes.cores import Cached

HEAD = len(b"HTTP/1.1 200 OK")
keys = st.sampled_from([b"%016d" % n for n in range(6)])
stores = st.builds(
    lambda size, entries, each: StoreConfig(name="policy", max_bytes=size * ENTRY_OVERHEAD, max_entries=entries, max_entry_bytes=each),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 3_000),
)


class StoreMachine(RuleBasedStateMachine):
    """The model: what was put, least recently used first, with the life it was given."""

    @initialize(config=stores)
    def begin(self, config: StoreConfig) -> None:
        self.now = 1_000.0
        self.cached = Cached(store=config)
        self.model: dict[bytes, tuple[bytes, float, float]] = {}  # body, expires, gone

    @property
    def bytes(self) -> int:
        return sum(entry_size(HEAD, len(body)) for body, _, _ in self.model.values())

    def evict(self) -> None:
        config = self.cached.store.config
        while self.bytes > config.max_bytes or len(self.model) > config.max_entries:
            del self.model[next(iter(self.model))]

    @rule(key=keys, length=st.integers(0, 4_000), ttl=st.sampled_from((1.0, 10.0)), stale=st.sampled_from((0.0, 5.0)))
    def put(self, key: bytes, length: int, ttl: float, stale: float) -> None:
        body = b"%d" % length + b"x" * length
        config = self.cached.store.config
        fits = len(body) <= config.max_entry_bytes and entry_size(HEAD, len(body)) <= config.max_bytes
        assert self.cached.put(self.now, key, body=body, ttl=ttl, stale=stale) == ("" if fits else "too-large")
        if fits:
            self.model.pop(key, None)
            self.model[key] = (body, self.now + ttl, self.now + ttl + stale)
            self.evict()

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        entry = self.cached.store.get(key, self.cached.plan, self.now)
        known = self.model.get(key)
        assert (entry is not None) == (known is not None and self.now < known[1])
        if known is not None and self.now >= known[2]:
            del self.model[key]
        if entry is not None and known is not None:
            assert entry.body == known[0]
            self.model[key] = self.model.pop(key)

    @rule(key=keys)
    def get_stale(self, key: bytes) -> None:
        entry = self.cached.store.get_stale(key, self.cached.plan, self.now)
        known = self.model.get(key)
        assert (entry is not None) == (known is not None and self.now < known[2])
        if known is not None and self.now >= known[2]:
            del self.model[key]
        elif known is not None and self.now < known[1]:
            self.model[key] = self.model.pop(key)

    @rule(key=keys)
    def drop(self, key: bytes) -> None:
        self.cached.store.drop(key)
        self.model.pop(key, None)

    @rule()
    def invalidate(self) -> None:
        """What is dead stays counted until it is seen."""
        self.cached.cache.generations.bump_tags(("events",))
        for key in list(self.model):
            assert self.cached.store.get_stale(key, self.cached.plan, self.now) is None
        self.model.clear()

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(config=stores)
    def reconfigure(self, config: StoreConfig) -> None:
        self.cached.store.reconfigure(config)
        self.model = {key: known for key, known in self.model.items() if len(known[0]) <= config.max_entry_bytes}
        self.evict()

    @invariant()
    def its_bounds_hold_and_its_figures_are_true(self) -> None:
        store = self.cached.store
        assert store.bytes == self.bytes <= store.config.max_bytes
        assert len(store) == len(self.model) <= store.config.max_entries
        counters = self.cached.plan.counters
        assert (counters.entries, counters.bytes) == (len(store), store.bytes)


StoreMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestTrap16StoreUnderEverySequence = StoreMachine.TestCase
