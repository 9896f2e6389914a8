"""LRU and SIEVE against models of a few lines over plain lists, under every sequence of operations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipstream_runtime.cores.entry import Entry, make_entry
from slipstream_runtime.cores.eviction import Eviction
from slipstream_runtime.cores.eviction_lru import Lru
from slipstream_runtime.cores.eviction_sieve import STEPS, Sieve
from slipstream_runtime.cores.freshness import Storing
from tests.fakes.cores import Cached

CACHED = Cached()
operations = st.lists(
    st.tuples(st.sampled_from(("insert", "insert", "hit", "hit", "hit", "remove", "evict", "switch")), st.integers(0, 30))
)


def an_entry(number: int = 0) -> Entry:
    return make_entry(False, b"%d" % number, CACHED.plan, CACHED.capture(), Storing("", 0.0), 200, b"", b"", None)


class Model:
    """Oldest first. SIEVE as in the paper's Algorithm 1, with a position for the hand."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.visited: dict[bytes, bool] = {}
        self.hand: bytes | None = None
        self.sieve = False

    def insert(self, key: bytes) -> None:
        self.order.append(key)
        self.visited[key] = False

    def hit(self, key: bytes) -> None:
        if self.sieve:
            self.visited[key] = True
        else:
            self.order.remove(key)
            self.order.append(key)

    def remove(self, key: bytes) -> None:
        if key == self.hand:
            at = self.order.index(key) + 1
            self.hand = self.order[at] if at < len(self.order) else None
        self.order.remove(key)

    def evict(self) -> bytes:
        if not self.sieve:
            return self.order.pop(0)
        at = 0 if self.hand is None else self.order.index(self.hand)
        while self.visited[self.order[at]]:
            self.visited[self.order[at]] = False
            at = (at + 1) % len(self.order)
        key = self.order[at]
        self.hand = self.order[at + 1] if at + 1 < len(self.order) else None
        del self.order[at]
        return key


def agree(steps: list[tuple[str, int]], kinds: tuple[type[Eviction], type[Eviction]]) -> None:
    """Both do the same; `kinds` are what stands for LRU and for SIEVE."""
    eviction, model, entries, number = kinds[0](), Model(), dict[bytes, Entry](), 0
    for what, choice in steps:
        if what == "switch":
            model.sieve, model.hand = not model.sieve, None
            eviction = kinds[model.sieve](eviction)
        elif what == "insert":
            entry, number = an_entry(number), number + 1
            entries[entry.key] = entry
            eviction.insert(entry)
            model.insert(entry.key)
        elif model.order and what == "evict":
            victim = eviction.victim()
            assert victim is not None
            eviction.remove(victim)
            assert victim.key == model.evict()
        elif model.order:
            key = model.order[choice % len(model.order)]
            getattr(eviction, what)(entries[key])
            getattr(model, what)(key)
        assert listed(eviction) == model.order
    assert (eviction.victim() is None) == (not model.order)


def listed(eviction: Eviction) -> list[bytes]:
    """Oldest first, read from both ends."""
    up, down, at = [], [], eviction.oldest
    while at is not None:
        up.append(at.key)
        at = at.newer
    at = eviction.newest
    while at is not None:
        down.append(at.key)
        at = at.older
    assert up == down[::-1]
    return up


@given(operations)
def test_lru_and_sieve_do_what_their_models_do_also_when_they_take_turns(steps: list[tuple[str, int]]) -> None:
    """A switch keeps every entry, in its order."""
    agree(steps, (Lru, Sieve))


STEPS_THAT_TELL: list[tuple[str, int]] = [("insert", 0)] * 3 + [("hit", 0)] + [("evict", 0)] * 2
SWITCHED: list[tuple[str, int]] = [("switch", 0), *STEPS_THAT_TELL]


@pytest.mark.parametrize(("kinds", "steps"), [((Eviction, Sieve), STEPS_THAT_TELL), ((Lru, Eviction), SWITCHED), ((Lru, Lru), SWITCHED)])
def test_the_models_find_a_wrong_algorithm(kinds: Any, steps: list[tuple[str, int]]) -> None:
    """Negative control: FIFO for either, LRU for SIEVE."""
    agree(steps, (Lru, Sieve))
    with pytest.raises(AssertionError):
        agree(steps, kinds)


def test_one_eviction_by_sieve_looks_at_a_bounded_number_of_entries() -> None:
    """Where everything was used: after STEPS of them the next goes, used or not."""
    sieve = Sieve()
    entries = [an_entry(n) for n in range(STEPS + 10)]
    for entry in entries:
        sieve.insert(entry)
        sieve.hit(entry)
    assert sieve.victim() is entries[STEPS]
    assert [entry.visited for entry in entries].count(False) == STEPS
