"""The connection pool over time: what it closes and keeps, how it changes size, how it ends."""

from __future__ import annotations

import pytest

from slipstream_api.config import Limits
from slipstream_runtime.cores import backoff
from tests.fakes.pool_owner import NEVER, Owner


def test_an_idle_connection_that_the_upstream_closed_is_gone() -> None:
    """One in use is its request's business."""
    owner = Owner().warm(2)
    owner.acquire("a")
    used = owner.held["a"]
    assert not owner.core.lost(used)
    owner.put("a")
    assert owner.core.lost(used)
    assert not owner.core.lost(used)
    owner.acquire("b")
    assert owner.held["b"] is not used
    assert owner.core.stats.connections_lost == 1


def test_trap_30_the_reaper_closes_what_idled_too_long_but_never_under_the_minimum() -> None:
    """The longest idle first; never one that was just handed out."""
    owner = Owner(min_connections=1, idle_timeout_ms=60_000).warm(3)  # idle since 1001, 1002, 1003
    owner.acquire("a")  # the third
    owner.sweep(57.9)
    assert owner.closed == []
    owner.sweep(0.1)
    assert owner.closed == [1]
    owner.sweep(1_000)
    assert owner.closed == [1, 2]
    assert owner.held["a"].conn == 3
    owner.put("a")
    owner.sweep(10_000)
    assert owner.core.size == 1


def test_trap_30_an_over_age_connection_is_not_handed_out_nor_kept() -> None:
    """At hand-out, at return, and by the sweep; the last brings the pool back to its minimum."""
    limits = {"max_lifetime_ms": 100_000, "idle_timeout_ms": 0}
    owner = Owner(**limits).warm(2)
    owner.now = 1_100.0  # to the instant: at its end it is over
    owner.acquire("a")
    assert "a" not in owner.held
    assert sorted(owner.closed) == [1, 2]
    owner.dialled()
    owner.now += 100
    owner.put("a")
    assert sorted(owner.closed) == [1, 2, 3]
    swept = Owner(min_connections=2, **limits).warm(2)
    swept.sweep(100)
    assert (sorted(swept.closed), swept.core.connecting) == ([1, 2], 2)


def test_lifetimes_are_jittered_and_0_means_for_ever() -> None:
    """Connections made together don't end together; jitter only shortens."""
    owner = Owner(max_lifetime_ms=100_000)
    for value, lifetime in ((0.0, 100.0), (1.0, 90.0)):
        owner.dice.value = value
        owner.acquire(f"w{value}")
        owner.dialled()
        assert owner.held[f"w{value}"].expires_at - owner.now == pytest.approx(lifetime)
    forever = Owner(max_lifetime_ms=0)
    forever.acquire("a")
    forever.dialled()
    assert forever.held["a"].expires_at == NEVER


def test_the_sweep_keeps_the_minimum_but_does_not_storm_an_upstream_that_is_down() -> None:
    """One dial per back-off."""
    owner = Owner(min_connections=3)
    owner.sweep()
    assert owner.core.connecting == 3
    for _ in range(3):
        owner.refused()
    owner.sweep()
    assert owner.core.connecting == 0
    owner.sweep(backoff.FIRST)
    assert owner.core.connecting == 1
    owner.dialled()
    owner.sweep()
    assert owner.core.connecting == 2


def test_trap_30_a_smaller_maximum_closes_idle_ones_now_and_the_others_when_they_come_back() -> None:
    """Also those whose dial it overtook."""
    owner = Owner(max_connections=4, max_pending=9).warm(3)
    for waiter in ("a", "b", "c", "d"):
        owner.acquire(waiter)
    owner.put("c")
    owner.apply(owner.core.resize(Limits(max_connections=1), owner.now))
    assert len(owner.closed) == 0  # `d` had taken what `c` put back
    assert owner.dialled() in owner.closed
    owner.put("a")
    owner.put("b")
    assert owner.core.size == 1
    owner.put("d")
    assert (owner.core.idle, owner.core.size) == (1, 1)


def test_a_larger_maximum_serves_those_who_wait() -> None:
    """At once."""
    owner = Owner(max_connections=1)
    owner.acquire("a")
    owner.dialled()
    owner.acquire("b")
    assert owner.core.connecting == 0
    owner.apply(owner.core.resize(Limits(max_connections=2), owner.now))
    assert owner.core.connecting == 1


def test_draining_serves_those_who_wait_takes_nobody_new_and_keeps_nothing() -> None:
    """Until it is drained."""
    owner = Owner(max_connections=1)
    owner.acquire("a")
    owner.dialled()
    owner.acquire("b")
    owner.apply(owner.core.drain())
    owner.acquire("new")
    assert owner.failed == [("new", "Closed")]
    owner.put("a")
    assert set(owner.held) == {"b"}
    assert not owner.core.drained
    owner.put("b")
    assert owner.closed == [1]
    assert owner.core.drained


def test_trap_30_closing_fails_those_who_wait_and_closes_the_rest_as_it_comes_back() -> None:
    """Connections in use finish; a dial under way is closed when it ends."""
    owner = Owner(max_connections=3, max_pending=9).warm(2)
    for waiter in ("a", "b", "c", "d"):
        owner.acquire(waiter)
    owner.put("b", reusable=True)
    owner.apply(owner.core.close())
    assert owner.failed == [("d", "Closed")]
    owner.dialled()
    for waiter in list(owner.held):
        owner.put(waiter)
    owner.sweep(10)
    assert sorted(owner.closed) == [1, 2, 3]
    assert owner.core.drained
