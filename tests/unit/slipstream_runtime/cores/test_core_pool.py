"""The connection pool: who gets which connection, when it dials, and that nobody waits in vain."""

from __future__ import annotations

import pytest

from slipstream_runtime.cores import backoff
from slipstream_runtime.cores.pool_steps import MAX_DIALS
from tests.fakes.cores import Dice
from tests.fakes.pool_owner import NEVER, Owner


def test_an_idle_connection_is_reused_and_its_use_counted() -> None:
    """No dial, no wait."""
    owner = Owner().warm(1)
    owner.acquire("a")
    assert owner.held["a"].conn == 1
    assert owner.held["a"].requests == 2
    assert owner.core.stats.connections_num == 1


@pytest.mark.parametrize(("reuse", "conn"), [("LIFO", 3), ("FIFO", 1)])
def test_the_order_of_reuse_is_the_rules(reuse: str, conn: int) -> None:
    """LIFO lets surplus connections idle away; FIFO keeps all warm."""
    owner = Owner(reuse=reuse).warm(3)
    owner.acquire("a")
    assert owner.held["a"].conn == conn


def test_a_cold_burst_dials_for_everybody_at_once_within_bounds() -> None:
    """Not one after the other; not more than the maximum, nor than MAX_DIALS at a time."""
    owner = Owner(max_connections=3, max_pending=10)
    for n in range(5):
        owner.acquire(f"w{n}")
    assert (owner.core.connecting, owner.core.waiting) == (3, 5)
    storm = Owner(max_connections=100, max_pending=100)
    for n in range(100):
        storm.acquire(f"w{n}")
    assert storm.core.connecting == MAX_DIALS
    for _ in range(100):
        storm.dialled()
    assert (storm.core.in_use, storm.core.waiting, storm.core.connecting) == (100, 0, 0)


def test_a_waiter_takes_whichever_comes_first() -> None:
    """A connection that comes back beats the dial; what the dial brings is kept."""
    owner = Owner().warm(1)
    owner.acquire("a")
    owner.acquire("b")
    assert owner.core.connecting == 1
    owner.put("a")
    assert owner.held["b"].conn == 1
    owner.dialled()
    assert owner.core.idle == 1


def test_trap_30_waiters_are_served_first_come_first_served_past_those_that_left() -> None:
    """And nobody who comes later overtakes them."""
    owner = Owner(max_connections=1, max_pending=5)
    owner.warm(1).acquire("holder")
    for waiter in ("a", "b", "c"):
        owner.acquire(waiter)
    assert owner.core.cancel("a")
    owner.put("holder")
    assert set(owner.held) == {"b"}
    owner.acquire("late")
    owner.put("b")
    assert set(owner.held) == {"c"}


def test_pending_is_bounded_but_not_for_those_for_whom_there_is_room_to_dial() -> None:
    """Three connections and two pending: five are accepted, the sixth fails at once."""
    owner = Owner()
    for n in range(6):
        owner.acquire(f"w{n}")
    assert owner.failed == [("w5", "PendingFull")]
    for _ in range(3):
        owner.dialled()
    owner.acquire("w6")
    assert owner.failed[1:] == [("w6", "PendingFull")]
    assert owner.core.stats.requests_errors == 2


def test_trap_29_a_waiter_past_its_deadline_fails_and_cannot_be_given_a_connection() -> None:
    """Whichever comes first, the sweep or the connection; the deadline is the caller's or acquire_timeout."""
    owner = Owner(max_connections=1, acquire_timeout_ms=10_000, max_pending=9)
    owner.warm(1).acquire("holder")
    owner.acquire("short", deadline=owner.now + 1)
    owner.acquire("default")
    owner.acquire("over", deadline=owner.now)
    assert owner.failed == [("over", "AcquireTimeout")]
    owner.sweep(0.9)
    assert len(owner.failed) == 1
    owner.now += 0.1
    owner.put("holder")
    assert owner.failed[1:] == [("short", "AcquireTimeout")]
    assert set(owner.held) == {"default"}
    owner.acquire("late", deadline=owner.now + 60)
    owner.sweep(9.9)
    assert len(owner.failed) == 2
    owner.sweep(0.1)
    assert owner.failed[2:] == [("late", "AcquireTimeout")]
    assert not owner.core.cancel("late")


def test_trap_28_a_connection_with_an_unread_answer_is_closed_and_a_waiter_gets_a_new_one() -> None:
    """Never handed on: the next request would read another's answer."""
    owner = Owner(max_connections=1)
    owner.warm(1).acquire("a")
    owner.acquire("b")
    owner.put("a", reusable=False)
    assert owner.closed == [1]
    assert (owner.core.connecting, owner.core.stats.returns_bad) == (1, 1)
    owner.dialled()
    assert owner.held["b"].conn == 2


def test_trap_28_a_connection_is_put_back_once() -> None:
    """Twice would give it to two requests."""
    owner = Owner().warm(1)
    owner.acquire("a")
    slot = owner.held["a"]
    owner.put("a")
    with pytest.raises(ValueError, match="once"):
        owner.core.put(slot, owner.now)
    assert owner.core.idle == 1


def test_trap_28_a_waiter_that_leaves_while_its_dial_is_under_way_loses_no_slot() -> None:
    """What the dial brings is kept for the next."""
    owner = Owner(max_connections=1)
    owner.acquire("a")
    assert owner.core.cancel("a")
    owner.dialled()
    assert (owner.core.idle, owner.core.size) == (1, 1)


def test_trap_32_when_the_upstream_is_down_waiters_fail_at_once_and_so_do_newcomers_for_a_while() -> None:
    """Nobody waits for a deadline; one dial, not a storm, finds out whether it is back."""
    owner = Owner(max_connections=3, max_pending=10)
    for n in range(3):
        owner.acquire(f"w{n}")
    owner.refused()
    owner.refused()
    assert owner.failed == []  # the third dial may still succeed
    owner.refused()
    assert owner.failed == [("w0", "Connect"), ("w1", "Connect"), ("w2", "Connect")]
    assert owner.core.stats.connections_errors == 3
    owner.acquire("new")
    assert owner.failed[3:] == [("new", "Connect")]
    owner.now += backoff.FIRST
    owner.acquire("after")
    owner.acquire("another")
    assert owner.core.connecting == 1
    owner.dialled()
    assert owner.core.connecting == 1  # it is back: the other gets a dial of its own
    assert set(owner.held) == {"after"}


def test_trap_32_backoff_grows_by_rounds_is_capped_jittered_and_ends_with_success() -> None:
    """0.05 s doubling to 2 s; a round is what failed together."""
    dice = Dice()
    held = backoff.Backoff(dice)
    pauses = []
    now = 0.0
    for _ in range(9):
        held.failed(now)
        held.failed(now)
        pauses.append(round(held.until - now, 3))
        now = held.until
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    dice.value = 1.0
    held.failed(now)
    assert held.until - now == pytest.approx(1.0)
    held.succeeded()
    assert not held.holds(now)


def test_a_failed_dial_leaves_waiters_alone_while_a_connection_may_come_back() -> None:
    """And dials again for them when the back-off is over."""
    owner = Owner(max_connections=2)
    owner.warm(1).acquire("holder")
    owner.acquire("b")
    owner.refused()
    assert owner.failed == []
    owner.sweep(backoff.FIRST / 2)
    assert owner.core.connecting == 0
    owner.sweep(backoff.FIRST)
    assert owner.core.connecting == 1
    owner.refused()
    owner.put("holder", reusable=False)  # now nothing will come back
    assert owner.failed == [("b", "Connect")]


def test_a_dial_that_was_given_up_says_nothing_about_the_upstream() -> None:
    """The waiter gets another one."""
    owner = Owner()
    owner.acquire("a")
    owner.apply(owner.core.dial_cancelled(owner.now))
    assert (owner.core.connecting, owner.core.stats.connections_errors) == (1, 0)


def test_who_cannot_use_what_idled_gets_a_new_connection_even_when_the_pool_is_full() -> None:
    """After a reused connection turned out dead: an idle one makes room."""
    owner = Owner(max_connections=2).warm(2)
    owner.apply(owner.core.enqueue("fresh", NEVER, owner.now))
    assert owner.closed == [1]
    assert (owner.core.connecting, owner.core.idle, owner.core.waiting) == (1, 1, 1)
    owner.refused()
    assert owner.failed == [("fresh", "Connect")]  # at once, although one idles


def test_figures_are_named_as_psycopg_pools() -> None:
    """Milliseconds where the name says so."""
    owner = Owner(max_connections=1)
    owner.acquire("a")
    owner.now += 0.5
    owner.dialled()
    owner.acquire("b")
    owner.now += 2
    owner.put("a")
    stats = owner.core.stats
    assert (stats.requests_num, stats.requests_queued, stats.connections_num) == (2, 2, 1)
    assert (stats.requests_wait_ms, stats.usage_ms, stats.connections_ms) == (2_500.0, 2_000.0, 1.0)


def saturated(usage: float, uses: int = 16) -> Owner:
    """Two connections, in use, of which each use took `usage` seconds."""
    owner = Owner(max_connections=2, max_pending=100, acquire_timeout_ms=100_000).warm(2)
    owner.core._pace.uses, owner.core._pace.mean = uses, usage
    owner.acquire("a")
    owner.acquire("b")
    return owner


def test_a_wait_that_cant_end_in_time_isnt_begun() -> None:
    """As fast as connections came back lately: the fourth to wait has its turn after two uses."""
    owner = saturated(usage=4.0)
    for n in range(3):
        owner.acquire(f"w{n}", owner.now + 7.0)
    owner.acquire("patient", owner.now + 8.5)
    owner.acquire("late", owner.now + 7.0)
    assert owner.failed == [("late", "Hopeless")]
    assert owner.core.waiting == 4


def test_little_is_known_of_a_pool_that_was_hardly_used() -> None:
    """Control: nobody is refused on a guess, nor where a connection may be dialled."""
    owner = saturated(usage=400.0, uses=15)
    owner.acquire("w", owner.now + 1.0)
    roomy = saturated(usage=400.0)
    roomy.put("a", reusable=False)
    roomy.acquire("w", roomy.now + 1.0)
    assert owner.failed == roomy.failed == []


def test_the_mean_use_follows_what_happens() -> None:
    """A pool that was slow for a while and is fast again refuses nobody."""
    owner = Owner(max_connections=1, max_lifetime_ms=0).warm(1)
    for seconds, most in ((10.0, 10.0), (0.0, 0.5)):
        for _ in range(60):
            owner.acquire("a")
            owner.now += seconds
            owner.put("a")
        assert owner.core._pace.mean <= most
        assert owner.core._pace.mean >= seconds * 0.9
