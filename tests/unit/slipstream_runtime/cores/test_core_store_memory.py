"""What the store's memory depends on: nothing for the collector to visit, dead entries that go by themselves, quotas."""

from __future__ import annotations

import gc
import sys

from slipstream_api import config
from slipstream_runtime.cores.entry import OwnedEntry
from slipstream_runtime.cores.store import TABLES, Store, entry_size
from tests.fakes.cores import Cached, a_cache_rule

NOW = 1_000.0
HEAD = len(b"HTTP/1.1 200 OK")


def a_store(**bounds: int) -> config.StoreConfig:
    return config.StoreConfig(name="policy", **bounds)


def tracked_by(store: Store) -> int:
    """Objects of a store's entries that the collector visits."""
    return sum(gc.is_tracked(entry) for table in store._tables for entry in table.values())


def fill(cached: Cached, count: int, session: str = "s1", **more: float) -> list[bytes]:
    keys = [cached.key(session, f"/recall?q={n}") for n in range(count)]
    for key in keys:
        assert cached.put(NOW, key, b"x" * 100, snapshot=cached.capture(session), **more) == ""
    return keys


def sweep_all(cached: Cached, now: float) -> None:
    for _ in range(TABLES):
        cached.store.sweep(now)


def test_the_collector_visits_no_entry_with_or_without_a_quota() -> None:
    """A collection takes as long with a million answers as without; an ordinary object would be visited (control)."""
    for percent in (100, 50):
        cached = Cached(store=a_store(max_partition_percent=percent))
        fill(cached, 300)
        assert tracked_by(cached.store) == 0
        assert type(next(iter(next(filter(None, cached.store._tables)).values()))).__name__ == ("Entry" if percent == 100 else "OwnedEntry")
    assert gc.is_tracked(Cached())


def test_a_store_that_nobody_holds_any_more_frees_its_entries() -> None:
    """Although they hold each other and no collector sees them."""
    body = b"x" * 100
    cached = Cached(store=a_store(max_partition_percent=50))
    before = sys.getrefcount(body)
    for n in range(10):
        cached.put(NOW, cached.key(target=f"/recall?q={n}"), body)
    assert sys.getrefcount(body) == before + 10
    del cached.store
    assert sys.getrefcount(body) == before


def test_the_sweep_frees_what_a_write_made_wrong_without_anybody_asking_for_it() -> None:
    """The write itself is one number; the memory comes back a table at a time."""
    cached = Cached()
    keys = fill(cached, 500)
    sweep_all(cached, NOW)
    assert len(cached.store) == 500  # control: nothing that lives
    cached.cache.generations.bump_tags(("events",))
    assert len(cached.store) == 500
    kept = cached.key("s2")
    cached.put(NOW, kept, snapshot=cached.capture("s2"))
    cached.store.sweep(NOW)
    assert 480 < len(cached.store) < 501  # one step, one table
    sweep_all(cached, NOW)
    assert (len(cached.store), cached.store.invalidations) == (1, 500)
    assert cached.store.get(kept, cached.plan, NOW) is not None
    assert cached.store.get(keys[0], cached.plan, NOW) is None
    assert cached.store.bytes == cached.plan.counters.bytes == entry_size(HEAD, 4)


def test_the_sweep_frees_what_has_expired_but_not_what_may_stand_in_for_an_error() -> None:
    """Expired and stale are two moments."""
    cached = Cached()
    fill(cached, 20, ttl=10.0, stale=5.0)
    sweep_all(cached, NOW + 14.9)
    assert len(cached.store) == 20
    sweep_all(cached, NOW + 15.0)
    assert (len(cached.store), cached.store.expirations) == (0, 20)


def test_a_hit_after_an_unrelated_write_lives_through_the_next_related_one_no_longer() -> None:
    """What was found current is marked so, and a later write still ends it."""
    cached = Cached()
    generations = cached.cache.generations
    key = fill(cached, 1)[0]
    for _ in range(3):
        generations.bump((generations.tag("unrelated"),))
        assert cached.store.get(key, cached.plan, NOW) is not None
    generations.bump_tags(("events",))
    assert cached.store.get(key, cached.plan, NOW) is None


def test_an_entry_is_ended_by_its_path_and_by_its_partition_and_by_no_other() -> None:
    """Both are in its marks: another path's or caller's write leaves it, in the stripes that these have."""
    for scope, ends in (("/recall", True), ("/other", False)):
        cached = Cached(a_cache_rule(tags=()))
        key = fill(cached, 1)[0]
        cached.cache.generations.begin_write((), scope).end()
        assert (cached.store.get(key, cached.plan, NOW) is None) == ends
    cached = Cached()
    key, snapshot = fill(cached, 1)[0], cached.capture("s1")
    cached.cache.generations.bump_partition(snapshot.partition + 1)
    assert cached.store.get(key, cached.plan, NOW) is not None
    cached.cache.generations.bump_partition(snapshot.partition)
    assert cached.store.get(key, cached.plan, NOW) is None


def test_an_entry_holds_until_what_it_was_read_against_is_invalidated() -> None:
    """Its marks are all that it keeps of that."""
    cached = Cached()
    entry = cached.store.peek(fill(cached, 1)[0])
    assert entry is not None
    assert entry.current()
    cached.cache.generations.bump_tags(("events",))
    assert not entry.current()


def test_a_caller_over_its_quota_gives_up_its_own_oldest_answers() -> None:
    """The others keep theirs, however much it asks for."""
    size = entry_size(HEAD, 100)
    cached = Cached(store=a_store(max_bytes=10 * size, max_partition_percent=40))
    other = fill(cached, 3, "s2")
    mine = fill(cached, 50, "s1")
    there = [cached.store.peek(key) is not None for key in mine]
    assert there == [False] * 46 + [True] * 4
    assert all(cached.store.peek(key) is not None for key in other)
    free = Cached(store=a_store(max_bytes=10 * size))
    other = fill(free, 3, "s2")
    fill(free, 50, "s1")
    assert not any(free.store.peek(key) is not None for key in other)  # control: without a quota it takes all


def test_an_answer_larger_than_its_callers_quota_is_refused_and_nothing_goes_for_it() -> None:
    """It could never be kept."""
    size = entry_size(HEAD, 100)
    cached = Cached(store=a_store(max_bytes=10 * size, max_partition_percent=20))
    keys = fill(cached, 2)
    assert cached.put(NOW, cached.key(target="/recall?q=big"), b"x" * 2 * size) == "too-large"
    assert all(cached.store.peek(key) is not None for key in keys)


def test_shared_answers_are_nobodys_and_have_no_quota() -> None:
    """Else everybody's answers would have to share one caller's part."""
    rule = a_cache_rule(partition=config.Partition(type="Shared"))
    size = entry_size(HEAD, 100)
    cached = Cached(rule, store=a_store(max_bytes=10 * size, max_partition_percent=20))
    keys = fill(cached, 10)
    assert all(cached.store.peek(key) is not None for key in keys)
    assert not isinstance(cached.store.peek(keys[0]), OwnedEntry)


def test_accounts_go_with_their_last_entry() -> None:
    """A million callers that came once leave nothing."""
    cached = Cached(store=a_store(max_entries=10, max_partition_percent=50))
    for n in range(200):
        fill(cached, 1, f"caller-{n}")
        assert len(cached.store._quotas) == len(cached.store) <= 10
    cached.store.clear()
    assert len(cached.store._quotas) == 0
