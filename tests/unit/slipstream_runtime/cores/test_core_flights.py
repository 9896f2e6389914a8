"""Single-flight: who calls, who waits, who goes alone, and when the call is cancelled."""

from __future__ import annotations

from slipstream_runtime.cores.flight import MARK_SECONDS, MAX_MARKS, Flights
from slipstream_runtime.cores.generations import Generations, path_scope

NOW = 1_000.0
KEY = b"key"


class Pool:
    """Flights with the generations of their pool."""

    def __init__(self) -> None:
        self.generations = Generations()
        self.tags = (self.generations.tag("events"),)
        self.flights: Flights[str] = Flights()

    def join(self, waiter: str, key: bytes = KEY, now: float = NOW):  # type: ignore[no-untyped-def]  # a Flight or None, for brevity
        return self.flights.join(key, self.generations.capture(self.tags, 1, path_scope("/r")), waiter, now)


def test_trap_13_a_thousand_callers_make_one_call_and_all_get_its_answer_in_order() -> None:
    """Cold key."""
    pool = Pool()
    flights = {pool.join(f"w{n}") for n in range(1_000)}
    (flight,) = flights
    assert flight.leader == "w0"
    assert (pool.flights.led, pool.flights.joined) == (1, 999)
    assert pool.flights.land(flight) == [f"w{n}" for n in range(1_000)]
    assert len(pool.flights) == 0


def test_trap_02_other_keys_have_flights_of_their_own() -> None:
    """A key holds its partition, so nobody waits for another caller's call."""
    pool = Pool()
    assert pool.join("a", b"of a").leader == "a"
    assert pool.join("b", b"of b").leader == "b"


def test_trap_13_a_leader_that_leaves_does_not_end_the_call() -> None:
    """The others are still served."""
    pool = Pool()
    flight = pool.join("leader")
    pool.join("follower")
    assert not pool.flights.leave(flight, "leader")
    assert pool.join("late") is flight
    assert pool.flights.land(flight) == ["follower", "late"]


def test_trap_13_the_call_is_cancelled_when_the_last_one_leaves_and_only_then() -> None:
    """And the next caller starts anew."""
    pool = Pool()
    flight = pool.join("leader")
    pool.join("follower")
    assert [pool.flights.leave(flight, waiter) for waiter in ("leader", "leader", "follower", "follower")] == [False, False, True, False]
    assert pool.join("next").leader == "next"


def test_trap_13_a_failure_is_shared_once() -> None:
    """Nobody repeats it; whoever comes after it tries again."""
    pool = Pool()
    flight = pool.join("a")
    pool.join("b")
    assert pool.flights.land(flight) == ["a", "b"]
    assert pool.flights.land(flight) == []
    assert pool.join("c").leader == "c"


def test_trap_13_a_late_joiner_after_an_invalidation_starts_a_new_flight() -> None:
    """The old one goes on for those who had asked before; ending it leaves the new one alone."""
    pool = Pool()
    old = pool.join("early")
    pool.generations.bump_tags(("events",))
    new = pool.join("late")
    assert new is not old
    assert new.leader == "late"
    assert pool.flights.land(old) == ["early"]
    assert pool.join("later") is new
    assert pool.flights.land(new) == ["late", "later"]


def test_while_a_write_is_under_way_everybody_goes_alone() -> None:
    """Of two reads by one caller the second could otherwise miss what the first had seen."""
    pool = Pool()
    write = pool.generations.begin_write(pool.tags, "/w")
    assert pool.join("a") is None
    write.end()
    assert pool.join("b").leader == "b"
    assert pool.flights.solo == 1


def test_trap_14_an_uncacheable_answer_releases_those_who_wait_and_nobody_waits_for_it_again() -> None:
    """A hundred waiters don't queue up behind one another."""
    pool = Pool()
    flight = pool.join("leader")
    for n in range(99):
        pool.join(f"w{n}")
    assert pool.flights.scatter(flight, NOW) == [f"w{n}" for n in range(99)]
    assert [pool.join(f"x{n}") for n in range(3)] == [None, None, None]
    assert pool.join("after", now=NOW + MARK_SECONDS).leader == "after"


def test_a_leader_that_left_leaves_its_answer_to_nobody() -> None:
    """What only it may have can't be given to who waited."""
    pool = Pool()
    flight = pool.join("leader")
    pool.join("follower")
    pool.flights.leave(flight, "leader")
    assert pool.flights.scatter(flight, NOW) == ["follower"]


def test_trap_14_marks_are_bounded_in_number_and_can_be_lifted() -> None:
    """The oldest is forgotten first."""
    pool = Pool()
    for n in range(MAX_MARKS + 1):
        pool.flights.scatter(pool.join("w", b"%d" % n), NOW)
    assert len(pool.flights._marks) == MAX_MARKS
    assert pool.join("again", b"0") is not None
    assert pool.join("again", b"1") is None
    pool.flights.unmark(b"1")
    assert pool.join("again", b"1") is not None
