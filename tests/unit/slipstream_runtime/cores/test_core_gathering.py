"""Who waits for whom to become a batch, and for how long."""

from __future__ import annotations

from slipstream_runtime.cores.gathering import LEADS, SUSPENDED_SECONDS, TAKEN, WAITS, Gathering, Ticket

KEY = ("plan", "session-1")


def came(gathering: Gathering[str], item: str, waiter: str = "", now: float = 0.0, key: tuple[object, ...] = KEY) -> Ticket[str]:
    ticket = gathering.arrive(key, "rule", item, waiter or item, 0.05, now)
    assert ticket is not None
    return ticket


def items(tickets: list[Ticket[str]]) -> list[str]:
    return [ticket.waiter for ticket in tickets]


def test_trap_43_a_lone_read_waits_for_nobody() -> None:
    """It leads at once; and again, when nothing is under way any more."""
    gathering: Gathering[str] = Gathering()
    for _ in range(3):
        ticket = came(gathering, "1")
        assert ticket.state == LEADS
        assert not gathering.ended(ticket.group)
        assert len(gathering) == 0


def test_who_comes_while_a_call_is_under_way_goes_when_it_ends() -> None:
    """In order of arrival, long before the longest wait."""
    gathering: Gathering[str] = Gathering()
    first = came(gathering, "1")
    later = [came(gathering, item) for item in ("3", "2", "4")]
    assert [ticket.state for ticket in later] == [WAITS] * 3
    assert gathering.ended(first.group)
    assert items(gathering.take(first.group)) == ["3", "2", "4"]
    assert [ticket.state for ticket in later] == [TAKEN] * 3
    assert not gathering.ended(first.group)
    assert len(gathering) == 0


def test_the_longest_wait_ends_a_gathering_while_the_call_goes_on() -> None:
    """At its instant, not before; and the deadline of one gathering doesn't end the next one."""
    gathering: Gathering[str] = Gathering()
    group = came(gathering, "1").group
    came(gathering, "2", now=1.0)
    came(gathering, "3", now=1.04)
    assert gathering.due(1.049) == []
    assert gathering.due(1.05) == [group]
    assert items(gathering.take(group)) == ["2", "3"]
    came(gathering, "4", now=1.06)
    assert gathering.take(group)[0].state == LEADS  # alone, so by itself
    came(gathering, "5", now=1.10)
    assert gathering.due(1.12) == []
    assert gathering.due(1.16) == [group]


def test_trap_43_groups_never_mix() -> None:
    """A partition's reads wait for their own only."""
    gathering: Gathering[str] = Gathering()
    one, other = came(gathering, "1", "a"), came(gathering, "1", "b", key=("plan", "session-2"))
    assert (one.state, other.state) == (LEADS, LEADS)
    came(gathering, "2", "a2")
    came(gathering, "2", "b2", key=("plan", "session-2"))
    assert items(gathering.take(one.group)) == ["a2"]
    assert items(gathering.take(other.group)) == ["b2"]


def test_trap_43_those_of_one_item_stay_together_in_order() -> None:
    """Duplicates are asked for once, by whoever waits for them."""
    gathering: Gathering[str] = Gathering()
    group = came(gathering, "1").group
    for item, waiter in (("2", "a"), ("3", "b"), ("2", "c")):
        came(gathering, item, waiter)
    assert len(group.tickets) == 2
    assert group.bytes == 2
    assert [(ticket.item, ticket.waiter) for ticket in gathering.take(group)] == [("2", "a"), ("2", "c"), ("3", "b")]


def test_who_leaves_is_not_taken_and_the_group_ends_with_the_last() -> None:
    """Leaving twice, or after being taken, does nothing."""
    gathering: Gathering[str] = Gathering()
    first, second, third = came(gathering, "1"), came(gathering, "2"), came(gathering, "3")
    gathering.leave(second)
    gathering.leave(second)
    assert first.group.bytes == 1
    assert items(gathering.take(first.group)) == ["3"]
    gathering.leave(third)
    assert not gathering.ended(first.group)
    assert not gathering.ended(first.group)
    assert len(gathering) == 0


def test_a_deadline_of_those_who_left_finds_nobody() -> None:
    """And nothing is kept of them."""
    gathering: Gathering[str] = Gathering()
    first = came(gathering, "1")
    gathering.leave(came(gathering, "2", now=1.0))
    assert gathering.due(9.0) == []
    assert gathering.take(first.group) == []
    assert not gathering.ended(first.group)
    assert len(gathering) == 0


def test_a_rule_whose_batch_was_no_use_is_left_alone_for_a_while() -> None:
    """At the instant of its end it is batched again; other rules all the time."""
    gathering: Gathering[str] = Gathering()
    gathering.suspend("rule", 1.0)
    assert gathering.arrive(KEY, "rule", "1", "a", 0.05, 1.0 + SUSPENDED_SECONDS - 0.001) is None
    assert gathering.arrive(("other",), "other", "1", "a", 0.05, 2.0) is not None
    assert gathering.arrive(KEY, "rule", "1", "a", 0.05, 1.0 + SUSPENDED_SECONDS) is not None
