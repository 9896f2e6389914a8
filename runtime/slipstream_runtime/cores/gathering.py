"""Which reads wait for each other to become one batch, and when it goes. Pure; calls nobody, holds waiters as opaque objects.

Reads of one group may be answered by one call: whoever is alike in everything but the item. The first goes at once, by itself; who comes
while a call of its group is under way waits until that call ends, until there are `max_size` items, or for `max_wait`."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Final, Generic, TypeVar

W = TypeVar("W", bound=Hashable)

SUSPENDED_SECONDS: Final = 10.0  # how long a rule whose batch couldn't be used isn't batched; short, since all that it costs is calls
LEADS: Final = 0
WAITS: Final = 1
TAKEN: Final = 2


class Group(Generic[W]):
    """Reads that may share a call. Lives while one is under way or waits."""

    __slots__ = ("bytes", "gathered", "key", "tickets", "under_way")

    def __init__(self, key: tuple[object, ...]) -> None:
        self.key = key
        self.under_way: int = 0  # calls
        self.gathered: int = 0  # which gathering this is, so that a deadline of an older one means nothing
        self.tickets: dict[str, list[Ticket[W]]] = {}  # of those who wait, by item, in order of arrival
        self.bytes: int = 0  # of the items

    @property
    def first(self) -> W | None:
        """Who has waited longest, of those who still do."""
        for tickets in self.tickets.values():
            return tickets[0].waiter
        return None


class Ticket(Generic[W]):
    """One read's place in its group: it LEADS (makes its call by itself), WAITS, or was TAKEN into a batch."""

    __slots__ = ("group", "item", "state", "waiter")

    def __init__(self, group: Group[W], item: str, waiter: W, state: int) -> None:
        self.group = group
        self.item = item
        self.waiter = waiter
        self.state = state


class Gathering(Generic[W]):
    """The groups of one pool. For each Ticket that LEADS and each batch that was taken, `ended` is due exactly once."""

    __slots__ = ("_due", "_groups", "_serial", "_suspended")

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], Group[W]] = {}
        self._due: list[tuple[float, int, int, Group[W]]] = []
        self._serial: int = 0
        self._suspended: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._groups)

    def arrive(self, key: tuple[object, ...], rule: str, item: str, waiter: W, max_wait: float, now: float) -> Ticket[W] | None:
        """The place of a read in the group `key`; None where `rule` is suspended: it goes alone, and nobody waits for it."""
        if self._suspended and now < self._suspended.get(rule, now):
            return None
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        if not group.under_way:
            group.under_way = 1
            return Ticket(group, item, waiter, LEADS)
        if not group.tickets:
            group.gathered += 1
            self._serial += 1
            heappush(self._due, (now + max_wait, self._serial, group.gathered, group))
        ticket = Ticket(group, item, waiter, WAITS)
        others = group.tickets.get(item)
        if others is None:
            group.tickets[item] = [ticket]
            group.bytes += len(item)
        else:
            others.append(ticket)
        return ticket

    def leave(self, ticket: Ticket[W]) -> None:
        """It no longer waits; nothing where it was taken already."""
        if ticket.state != WAITS:
            return
        group = ticket.group
        others = group.tickets[ticket.item]
        others.remove(ticket)
        ticket.state = TAKEN
        if not others:
            del group.tickets[ticket.item]
            group.bytes -= len(ticket.item)

    def take(self, group: Group[W]) -> list[Ticket[W]]:
        """Everybody who waits, those of one item together: a call for them begins now. One alone LEADS; none: no call begins."""
        taken = [ticket for tickets in group.tickets.values() for ticket in tickets]
        group.tickets = {}
        group.bytes = 0
        if taken:
            group.under_way += 1
        for ticket in taken:
            ticket.state = LEADS if len(taken) == 1 else TAKEN
        return taken

    def ended(self, group: Group[W]) -> bool:
        """A call of the group is over; True where those who wait are to be taken now."""
        group.under_way -= 1
        if group.under_way:
            return False
        if group.tickets:
            return True
        if self._groups.get(group.key) is group:
            del self._groups[group.key]
        return False

    def due(self, now: float) -> list[Group[W]]:
        """The groups in which somebody has waited long enough."""
        due = self._due
        found: list[Group[W]] = []
        while due and due[0][0] <= now:
            _, _, gathered, group = heappop(due)
            if group.tickets and group.gathered == gathered:
                found.append(group)
        return found

    def suspend(self, rule: str, now: float) -> None:
        """A batch of this rule couldn't be used: for a while its reads go alone."""
        self._suspended = {name: until for name, until in self._suspended.items() if until > now}
        self._suspended[rule] = now + SUSPENDED_SECONDS
