"""Generations: what an invalidation kills, what it leaves, and that it costs the same for one entry and for a million."""

from __future__ import annotations

from slipstream_runtime.cores.generations import EVERYTHING, MAX_LINGERING, MAX_TAGS, STRIPES, Generations, Snapshot, path_scope


def other_stripe(value: int) -> int:
    """A partition of another stripe, so that the test doesn't depend on the seed of hash()."""
    return value + 1


def other_path(path: str) -> str:
    """A path of another stripe."""
    return next(f"/other{n}" for n in range(1_000) if hash(f"/other{n}") % STRIPES != hash(path) % STRIPES)


def a_capture(generations: Generations, *tags: str, partition: int = 7, path: str = "/r") -> Snapshot:
    return generations.capture(tuple(generations.tag(tag) for tag in tags), partition, path_scope(path))


def test_a_tag_kills_what_carries_it_and_nothing_else() -> None:
    """Also what was captured later than an earlier bump lives."""
    generations = Generations()
    events, facts, none = a_capture(generations, "events"), a_capture(generations, "facts"), a_capture(generations)
    assert generations.bump_tags(("events", "unknown")) == 1
    assert (events.current(), facts.current(), none.current()) == (False, True, True)
    assert a_capture(generations, "events").current()


def test_one_of_several_tags_is_enough() -> None:
    """An entry carries all tags of its rule."""
    generations = Generations()
    snapshot = a_capture(generations, "a", "b", "c")
    generations.bump_tags(("b",))
    assert not snapshot.current()


def test_a_partition_can_be_invalidated_alone() -> None:
    """One caller's entries die, another's don't."""
    generations = Generations()
    mine, theirs = a_capture(generations, partition=7), a_capture(generations, partition=other_stripe(7))
    generations.bump_partition(7)
    assert (mine.current(), theirs.current()) == (False, True)


def test_everything_means_everything() -> None:
    """Whatever its tags."""
    generations = Generations()
    snapshots = [a_capture(generations), a_capture(generations, "a")]
    generations.bump_everything()
    assert not any(snapshot.current() for snapshot in snapshots)


def test_a_write_kills_its_own_path_without_any_tag() -> None:
    """RFC 9111 §4.4."""
    generations = Generations()
    same, other = a_capture(generations, path="/r"), a_capture(generations, path=other_path("/r"))
    generations.begin_write((), "/r").end()
    assert (same.current(), other.current()) == (False, True)


def test_trap_09_a_read_in_flight_across_a_write_is_not_stored() -> None:
    """Captured before, so dead after, however the two interleave."""
    generations = Generations()
    tags = (generations.tag("events"),)
    before = a_capture(generations, "events")
    write = generations.begin_write(tags, "/w")
    during = a_capture(generations, "events")
    assert (before.storable(), during.current(), during.storable()) == (False, True, False)
    write.end()
    assert (before.storable(), during.storable()) == (False, False)
    assert a_capture(generations, "events").storable()


def test_trap_09_nothing_tagged_is_stored_while_any_of_several_writes_is_in_flight() -> None:
    """The last one to end lets reads be stored again."""
    generations = Generations()
    tags = (generations.tag("events"),)
    first, second = generations.begin_write(tags, "/w"), generations.begin_write(tags, "/w")
    first.end()
    assert a_capture(generations, "events").writing()
    second.end()
    assert not a_capture(generations, "events").writing()


def test_trap_10_a_write_of_unknown_outcome_invalidates_and_its_end_counts_once() -> None:
    """`end` doesn't ask how it went; called twice (a finally after a callback) it must not count another write as ended."""
    generations = Generations()
    tags = (generations.tag("events"),)
    failed, other = generations.begin_write(tags, "/w"), generations.begin_write(tags, "/w")
    failed.end()
    epoch = generations.epoch
    failed.end()
    assert generations.epoch == epoch
    assert a_capture(generations, "events").writing()
    other.end()
    assert generations.writes == 0
    assert not any(generations.writing)


def test_a_write_to_everything_keeps_everything_from_being_stored() -> None:
    """As a write whose path isn't in normal form is: wherever it goes, and whatever a read's own path is."""
    generations = Generations()
    write = generations.begin_write((EVERYTHING,), "/w//x")
    elsewhere = a_capture(generations, path=other_path("/w//x"))
    assert (elsewhere.current(), elsewhere.storable()) == (True, False)
    write.end()
    assert not elsewhere.current()


def test_a_write_does_not_hold_up_reads_of_something_else() -> None:
    """Negative control of the above."""
    generations = Generations()
    generations.begin_write((generations.tag("events"),), "/w")
    assert a_capture(generations, "facts", path=other_path("/w")).storable()


def test_trap_11_invalidation_costs_the_same_however_much_is_stored() -> None:
    """It touches the scopes of the write, never an entry: work is counted, not timed."""
    generations = Generations()
    snapshots = [a_capture(generations, "events", partition=n) for n in range(10_000)]
    scopes = len(generations.last)
    generations.bump_tags(("events",))
    assert generations.epoch == 1
    assert len(generations.last) == scopes
    assert sum(generations.last) == 1  # exactly one scope was written
    assert not any(snapshot.current() for snapshot in snapshots)


def test_trap_11_a_generation_never_wraps() -> None:
    """Numbers beyond any machine word stay ordered."""
    generations = Generations()
    generations.epoch = 2**64 - 1
    snapshot = a_capture(generations, "a")
    generations.bump_tags(("a",))
    assert not snapshot.current()
    assert a_capture(generations, "a").current()


def test_trap_11_tags_are_bounded_and_the_overflow_invalidates_too_much_rather_than_too_little() -> None:
    """A tag without a scope of its own shares that of the whole pool."""
    generations = Generations()
    for n in range(MAX_TAGS):
        generations.tag(str(n))
    size = len(generations.last)
    untagged, beyond = a_capture(generations), a_capture(generations, "one too many")
    assert len(generations.last) == size
    generations.bump((generations.tag("one too many"),))
    assert (untagged.current(), beyond.current()) == (False, False)


def test_trap_10_a_write_that_nobody_waits_for_may_still_be_carried_out() -> None:
    """Given up, it invalidates, and keeps reads from being stored until its time is over; then it invalidates again."""
    generations = Generations()
    write = generations.begin_write((generations.tag("events"),), "/w")
    before = a_capture(generations, "events")
    write.linger(until=30.0)
    write.end()  # a second call does nothing
    during = a_capture(generations, "events")
    generations.settle(29.9)
    assert (before.current(), during.storable()) == (False, False)
    generations.settle(30.0)
    assert (during.current(), generations.writes) == (False, 0)
    assert a_capture(generations, "events").storable()


def test_lingering_writes_are_bounded() -> None:
    """The oldest ends early."""
    generations = Generations()
    for _ in range(MAX_LINGERING + 1):
        generations.begin_write((), "/w").linger(until=30.0)
    assert generations.writes == MAX_LINGERING
    generations.settle(30.0)
    assert generations.writes == 0
    assert not any(generations.writing)
