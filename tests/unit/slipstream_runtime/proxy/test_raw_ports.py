"""Raw connections beside pools in one budget: what becomes due at once, and that no order of events loses a place."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from slipstream_api.clock import ManualClock
from slipstream_api.config import Upstream
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.raw_ports import RawPorts
from tests.fakes.budget_world import World

UPSTREAM = Upstream(protocol="PostgreSQL", host="db", port=5432)
EPISODES, STEPS = 300, 80


class Beside(World):
    """Pools, and raw ports in the same budget."""

    def __init__(self, limit: int, *pools: dict[str, Any], random: Random | None = None) -> None:
        super().__init__(limit, *pools, random=random)
        self.context = Context(ManualClock())
        self.context.budget = self.budget
        self.ports = RawPorts(self.context)

    def check(self) -> None:
        """As of pools alone, the places of raw connections taken off."""
        assert self.budget.used == sum(self.sizes) + self.ports.size
        assert not self.budget.holds_back(self.ports), "nobody would tell it"
        used, limit = self.budget.used, self.budget.limit
        self.budget.used, self.budget.limit = used - self.ports.size, limit - self.ports.size
        super().check()
        self.budget.used, self.budget.limit = used, limit


def test_a_place_that_is_given_back_is_a_waiting_pool_s_at_once() -> None:
    """Not with the next sweep."""
    world = Beside(1, {})
    (pool,) = world.members
    assert world.ports.takes(UPSTREAM)
    pool.ask("a")
    assert (pool.dials, list(pool.waiting)) == (0, ["a"])
    world.ports.gives_back()
    assert (pool.dials, world.ports.size) == (1, 0)
    world.check()


def test_the_idle_connection_that_makes_room_is_closed_at_once() -> None:
    """By its own pool, which may have it back for the next."""
    world = Beside(2, {}, {})
    for member in world.members:
        member.ask("a")
        world.connect()
        member.put("a")
    assert world.ports.takes(UPSTREAM)
    assert (sorted(world.sizes), sum(len(member.open) for member in world.members)) == ([0, 1], 1)
    assert world.ports.takes(UPSTREAM)
    assert not world.ports.takes(UPSTREAM)
    assert (world.sizes, world.ports.size, world.ports.refused) == ([0, 0], 2, 1)
    world.check()


def test_while_a_pool_waits_none_is_taken_from_it() -> None:
    """A raw connection doesn't overtake it, though the place isn't dialled yet."""
    world = Beside(1, {}, {})
    first, second = world.members
    first.ask("a")
    world.connect()
    second.ask("b")
    assert not world.ports.takes(UPSTREAM)
    assert world.budget.holds_back(second.core)
    first.put("a")
    assert (second.dials, world.ports.takes(UPSTREAM)) == (1, False)
    world.check()


@pytest.mark.parametrize("pools", [1, 2, 3])
def test_no_place_is_lost_whatever_comes_when(pools: int) -> None:
    """After each event the budget holds what there is; at the end all of it is free."""
    taken = refused = 0
    for episode in range(EPISODES):
        random = Random(f"{pools} {episode}")
        world = Beside(random.randint(1, 4), *[{"max_connections": random.randint(1, 4)} for _ in range(pools)], random=random)
        for number in range(STEPS):
            member = random.choice(world.members)
            what = random.choice(("raw", "raw", "end", "end", "ask", "ask", "put", "put", "dial", "dial", "sweep"))
            if what == "raw":
                taken += world.ports.takes(UPSTREAM)
            elif what == "end" and world.ports.size:
                world.ports.gives_back()
            elif what == "ask":
                member.ask(f"w{number}")
            elif what == "put" and member.held:
                member.put(random.choice(sorted(member.held)), reusable=random.random() < 0.8)
            elif what == "dial" and member.dials:
                member.dial_ends()
            elif what == "sweep":
                world.sweep(0.1)
            world.check()
        refused += world.ports.refused
        while world.ports.size:
            world.ports.gives_back()
        for member in world.members:
            member.apply(member.core.close())
            while member.dials:
                member.dial_ends()
            for waiter in list(member.held):
                member.put(waiter)
        assert (world.budget.used, world.budget.waiting, world.budget._held) == (0, 0, {})
    assert taken > EPISODES
    assert refused > EPISODES
