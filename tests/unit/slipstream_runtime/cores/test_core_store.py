"""The store: bounds, lives, invalidation on sight, reloads."""

from __future__ import annotations

import pytest

from slipstream_api import config
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.store import ENTRY_OVERHEAD, entry_size
from tests.fakes.cores import SECRET, Cached, Dice, a_cache_rule, an_invalidation

NOW = 1_000.0


def a_store(**bounds: int) -> config.StoreConfig:
    return config.StoreConfig(name="policy", **bounds)


def test_what_is_stored_is_served_until_the_instant_it_expires() -> None:
    """Fresh means before `expires`: at that instant it is not (trap 19)."""
    cached = Cached()
    assert cached.put(NOW, ttl=60) == ""
    for now, served in ((NOW, True), (NOW + 59.999, True), (NOW + 60, False)):
        assert (cached.store.get(cached.key(), cached.plan, now) is not None) == served
    assert cached.store.expirations == 1
    assert len(cached.store) == cached.store.bytes == 0


def test_trap_02_another_session_never_gets_it() -> None:
    """Not fresh, not stale."""
    cached = Cached()
    cached.put(NOW, stale=60)
    assert cached.store.get(cached.key("s2"), cached.plan, NOW) is None
    assert cached.store.get_stale(cached.key("s2"), cached.plan, NOW + 70) is None
    assert cached.store.get_stale(cached.key("s1"), cached.plan, NOW + 70) is not None


def test_trap_18_an_empty_body_is_a_hit() -> None:
    """Nothing and an empty answer are different."""
    cached = Cached()
    cached.put(NOW, body=b"")
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.body == b""


def test_trap_17_changing_what_was_put_changes_nothing_stored() -> None:
    """A buffer that is reused by its owner."""
    cached = Cached()
    body = bytearray(b"right")
    try:
        cached.put(NOW, body=body)  # type: ignore[arg-type]  # a careless caller
    except TypeError:  # the compiled store takes nothing but bytes, which nobody can change
        assert cached.store.get(cached.key(), cached.plan, NOW) is None
        return
    body[:] = b"wrong"
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.body == b"right"
    assert type(entry.body) is bytes


def test_an_invalidated_entry_is_never_served_not_even_stale_and_goes_on_sight() -> None:
    """A write made it wrong: an error is better."""
    cached = Cached()
    cached.put(NOW, stale=600)
    cached.cache.generations.bump_tags(("events",))
    assert cached.store.get_stale(cached.key(), cached.plan, NOW) is None
    assert (len(cached.store), cached.store.bytes, cached.store.invalidations) == (0, 0, 1)


def test_trap_09_read_in_flight_across_write_is_not_stored() -> None:
    """Begun before the write, finished after it."""
    cached = Cached()
    snapshot = cached.capture()
    write = cached.cache.generations.begin_write(cached.router.route(b"POST", "/remember").invalidates, "/remember")
    assert cached.put(NOW, snapshot=cached.capture()) == "write-in-flight"
    write.end()
    assert cached.put(NOW, snapshot=snapshot) == "invalidated"
    assert len(cached.store) == 0
    assert cached.put(NOW, snapshot=cached.capture()) == ""


def test_trap_12_a_late_refresh_never_replaces_what_is_newer_after_an_invalidation() -> None:
    """The refresh began before the write; what is stored was read after it."""
    cached = Cached()
    early = cached.capture()
    cached.cache.generations.bump_tags(("events",))
    cached.put(NOW, body=b"new", snapshot=cached.capture())
    assert cached.put(NOW, body=b"old", snapshot=early) == "invalidated"
    entry = cached.store.get(cached.key(), cached.plan, NOW)
    assert entry is not None
    assert entry.body == b"new"


def test_a_stale_entry_stays_for_errors_as_long_as_its_rule_says() -> None:
    """And isn't served otherwise."""
    cached = Cached()
    cached.put(NOW, ttl=60, stale=30)
    assert cached.store.get(cached.key(), cached.plan, NOW + 60) is None
    assert cached.store.get_stale(cached.key(), cached.plan, NOW + 89.9) is not None
    assert cached.store.get_stale(cached.key(), cached.plan, NOW + 90) is None
    assert len(cached.store) == 0


def test_the_least_recently_used_goes_first() -> None:
    """A look-up is a use."""
    cached = Cached(store=a_store(max_entries=2))
    keys = [cached.key(target=f"/recall?q={n}") for n in range(3)]
    for key in keys[:2]:
        cached.put(NOW, key)
    cached.store.get(keys[0], cached.plan, NOW)
    cached.put(NOW, keys[2])
    assert [cached.store.get(key, cached.plan, NOW) is not None for key in keys] == [True, False, True]
    assert (cached.store.evictions, cached.plan.counters.evictions) == (1, 1)


def test_trap_16_bytes_are_bounded_overheads_included() -> None:
    """Many empty answers cost memory too."""
    cached = Cached(store=a_store(max_bytes=10 * ENTRY_OVERHEAD))
    for n in range(100):
        cached.put(NOW, b"%016d" % n, body=b"")
        assert cached.store.bytes <= 10 * ENTRY_OVERHEAD
    assert 0 < len(cached.store) <= 10


def test_trap_16_one_large_answer_cannot_flush_the_store() -> None:
    """Over the cap of one entry, or over the whole store: refused, nothing else goes."""
    cached = Cached(store=a_store(max_bytes=50_000, max_entry_bytes=10_000))
    cached.put(NOW)
    assert cached.put(NOW, cached.key(target="/recall?q=big"), body=b"x" * 10_001) == "too-large"
    assert cached.put(NOW, cached.key(target="/recall?q=fits"), body=b"x" * 10_000) == ""
    assert cached.store.get(cached.key(), cached.plan, NOW) is not None
    assert cached.store.refusals == 1
    exact = Cached(store=a_store(max_bytes=entry_size(10, 100), max_entry_bytes=100)).store
    assert [exact.admits(10, 100), exact.admits(11, 100), exact.admits(10, 101)] == [True, False, False]


def test_storing_again_replaces_and_counts_once() -> None:
    """Bytes are those of the new one."""
    cached = Cached()
    cached.put(NOW, body=b"x" * 500)
    cached.put(NOW, body=b"y")
    assert (len(cached.store), cached.plan.counters.entries, cached.plan.counters.stored) == (1, 1, 2)
    assert cached.store.bytes == cached.plan.counters.bytes == entry_size(len(b"HTTP/1.1 200 OK"), 1)


@pytest.mark.parametrize(
    ("max_age", "min_fresh", "satisfied"), [(-1, 0, True), (25, 0, True), (24, 0, False), (-1, 39, True), (-1, 40, False)]
)
def test_an_entry_knows_whether_it_satisfies_a_callers_limits(max_age: int, min_fresh: int, satisfied: bool) -> None:
    """Age counts what it had when it came: 5 s, and 20 s here."""
    cached = Cached()
    cached.put(NOW, ttl=60, age=5.0)
    entry = cached.store.get(cached.key(), cached.plan, NOW + 20)
    assert entry is not None
    assert entry.age_at(NOW + 20) == 25.0
    assert entry.satisfies(max_age, min_fresh, NOW + 20) == satisfied


def test_an_answer_that_took_longer_to_come_than_it_lives_is_not_stored() -> None:
    """`ttl` counts from its head."""
    from slipstream_runtime.cores.freshness import Storing

    cached = Cached()
    storing = Storing("", NOW, 1.0)
    assert cached.store.put(cached.key(), cached.plan, cached.capture(), storing, 200, b"", b"", NOW + 1.0) == "expired"
    assert cached.store.put(cached.key(), cached.plan, cached.capture(), Storing("vary", NOW), 200, b"", b"", NOW) == "vary"


def test_trap_36_a_reload_keeps_entries_but_not_longer_than_the_new_rule_allows() -> None:
    """A longer TTL doesn't revive, a shorter one cuts."""
    cached = Cached(a_cache_rule(ttl_ms=60_000))
    cached.put(NOW, ttl=60, stale=60)
    cached.reload(a_cache_rule(ttl_ms=600_000))
    assert cached.store.get(cached.key(), cached.plan, NOW + 59) is not None
    cached.reload(a_cache_rule(ttl_ms=30_000, stale_if_error_ms=0, stale_while_revalidate_ms=0))
    assert cached.store.get(cached.key(), cached.plan, NOW + 29.9) is not None
    assert cached.store.get(cached.key(), cached.plan, NOW + 30) is None
    assert len(cached.store) == 0  # the new rule has no stale-if-error


def test_a_reload_that_changes_what_invalidates_a_tag_drops_what_carries_it() -> None:
    """Under the old rules a write may have gone unseen."""
    cached = Cached()
    cached.put(NOW)
    cached.reload(a_cache_rule(), (an_invalidation("renamed only"),))
    assert cached.store.get(cached.key(), cached.plan, NOW) is not None
    cached.reload(a_cache_rule(), ())
    cached.reload(a_cache_rule())
    assert cached.store.get(cached.key(), cached.plan, NOW) is None


def test_a_read_in_flight_across_a_reload_may_be_stored() -> None:
    """By the old plan, found by the new one."""
    cached = Cached()
    key, snapshot, old = cached.key(), cached.capture(), cached.plan
    cached.reload(a_cache_rule(ttl_ms=5_000))
    new, cached.plan = cached.plan, old
    assert cached.put(NOW, key, snapshot=snapshot) == ""
    assert cached.store.get(key, new, NOW + 4.9) is not None
    assert cached.store.get(key, new, NOW + 5) is None


def test_a_pool_that_was_gone_comes_back_without_its_answers() -> None:
    """Nobody watched the writes meanwhile: another PoolCache, or rules that had all gone."""
    cached = Cached()
    cached.put(NOW)
    again = Cached(cache=PoolCache(SECRET, Dice()))
    assert cached.store.get(cached.key(), again.plan, NOW) is None
    assert (cached.plan.counters.entries, cached.store.invalidations) == (0, 1)
    untagged = Cached(a_cache_rule(tags=()))  # no tag whose invalidations could have changed
    untagged.put(NOW)
    untagged.cache.commit(config.Pool(name="memory", upstream=untagged.pool.upstream))
    untagged.cache.commit(untagged.pool)
    assert untagged.store.get(untagged.key(), untagged.plan, NOW) is None
    cached.put(NOW)
    cached.cache.commit(config.Pool(name="memory", upstream=cached.pool.upstream))
    cached.cache.commit(cached.pool)
    assert cached.store.get(cached.key(), cached.plan, NOW) is None


def test_new_bounds_keep_what_still_fits() -> None:
    """The most recently used, and none that is too large by itself."""
    cached = Cached()
    keys = [cached.key(target=f"/recall?q={n}") for n in range(4)]
    for n, key in enumerate(keys):
        cached.put(NOW, key, body=b"x" * (5_000 if n == 3 else 10))
    cached.store.reconfigure(a_store(max_entry_bytes=10, max_entries=2))
    assert [cached.store.get(key, cached.plan, NOW) is not None for key in keys] == [False, True, True, False]
    cached.store.clear()
    assert (len(cached.store), cached.store.bytes, cached.plan.counters.bytes) == (0, 0, 0)


def test_figures_of_a_policy_survive_reloads_and_go_with_it() -> None:
    """They belong to the pool, not to one configuration."""
    cached = Cached()
    cached.plan.counters.hits = 5
    cached.reload(a_cache_rule(ttl_ms=1))
    assert cached.plan.counters.hits == 5
    cached.reload(a_cache_rule(policy="another"))
    cached.reload(a_cache_rule())
    assert cached.plan.counters.hits == 0
