"""Several pools that share one budget of connections, each with its owner, and nothing else: dials end when the test says so."""

from __future__ import annotations

from random import Random
from typing import Any

from slipstream_api.config import Limits
from slipstream_runtime.cores.budget import ConnectionBudget
from slipstream_runtime.cores.pool import CLOSED, PoolCore, Slot, Work

NEVER = float("inf")


class Member:
    """One pool and what its owner knows of it."""

    def __init__(self, world: World, name: str, limits: Limits) -> None:
        self.world, self.name = world, name
        self.core: PoolCore[int, str] = PoolCore(limits, world.uniform, world.now, world.budget)
        self.core.driver = self
        self.waiting: dict[str, float] = {}  # deadline, first come first
        self.held: dict[str, Slot[int]] = {}
        self.open: dict[int, Slot[int]] = {}
        self.failed: list[tuple[str, str]] = []
        self.dials = 0
        self.dialled = 0  # ever

    def carry_out(self, work: Work[int, str]) -> None:
        for conn in work.close:
            assert self.open.pop(conn).state == CLOSED
        for waiter, slot in work.grant:
            assert self.waiting.pop(waiter) > self.world.now, "granted after its deadline"
            assert slot.conn in self.open or slot is work.made
            self.held[waiter] = slot
        for waiter, reason in work.fail:
            del self.waiting[waiter]
            self.failed.append((waiter, reason))
        self.dials += work.dial
        self.dialled += work.dial

    def apply(self, work: Work[int, str] | None) -> None:
        if work is not None:
            self.carry_out(work)
        self.world.settle()

    def ask(self, waiter: str, deadline: float = NEVER, fresh: bool = False) -> None:
        slot = None if fresh else self.core.take(self.world.now)
        if slot is not None:
            self.held[waiter] = slot
            return
        self.waiting[waiter] = deadline
        self.apply(self.core.enqueue(waiter, deadline, self.world.now))

    def leave(self, waiter: str) -> None:
        assert self.core.cancel(waiter)
        del self.waiting[waiter]

    def put(self, waiter: str, reusable: bool = True) -> None:
        self.apply(self.core.put(self.held.pop(waiter), self.world.now, reusable))

    def dial_ends(self, end: str = "connected") -> None:
        self.dials -= 1
        if end == "connected":
            self.world.made += 1
            work = self.core.connected(self.world.made, 0.01, self.world.now)
            assert work.made is not None
            self.open[self.world.made] = work.made
            self.apply(work)
        else:
            self.apply((self.core.connect_failed if end == "failed" else self._given_up)(0.01, self.world.now))

    def _given_up(self, seconds: float, now: float) -> Work[int, str] | None:
        return self.core.dial_cancelled(now)

    def lose(self, slot: Slot[int]) -> None:
        assert self.core.lost(slot)
        del self.open[slot.conn]
        self.world.settle()


class World:
    """`World(10, {"max_connections": 8}, {})`: a budget of ten, and two pools."""

    def __init__(self, limit: int, *pools: dict[str, Any], random: Random | None = None) -> None:
        self.now = self.swept = 1_000.0
        self.made = 0
        self.random = random or Random(1)
        self.budget = ConnectionBudget(limit)
        usual = {"max_connections": 100, "max_pending": 1_000, "acquire_timeout_ms": 10**9, "max_lifetime_ms": 0, "idle_timeout_ms": 0}
        self.members = [Member(self, f"p{n}", Limits(**{**usual, **pool})) for n, pool in enumerate(pools)]

    def uniform(self) -> float:
        return 0.5

    def settle(self) -> None:
        if self.budget.waiting:
            for core in self.budget.settle(self.now):
                core.driver.carry_out(core.collect())

    def sweep(self, seconds: float = 0.0) -> None:
        self.now = self.swept = self.now + seconds
        for member in self.members:
            member.apply(member.core.maintain(self.now))

    def connect(self) -> None:
        """Every dial succeeds, and those that follow from it."""
        while dialling := [member for member in self.members if member.dials]:
            dialling[0].dial_ends()

    @property
    def sizes(self) -> list[int]:
        return [member.core.size for member in self.members]

    def due(self, core: PoolCore[int, str]) -> bool:
        """Whether it would dial. The end of a back-off is noticed by the next sweep."""
        return core.wanted(self.now) > 0 and core.dials_at <= self.swept

    def check(self) -> None:
        """What must hold whenever nobody is in the middle of something."""
        budget, cores = self.budget, [member.core for member in self.members]
        assert budget.used <= budget.limit, "more than there may be"
        assert budget.used == sum(core.size for core in cores), "a place was lost, or given back twice"
        for member in self.members:
            core = member.core
            assert core.in_use == len(member.held)
            assert core.connecting == member.dials
            assert core.waiting == len(member.waiting)
            assert core.size == len(member.open) - len(core._doomed) + member.dials
            assert not self.due(core) or budget.holds_back(core), "waits for a place, and nobody knows"
            assert core.keeps or not core.size or budget.waiting or core._draining, "still on its guard though nobody waits"
        if any(self.due(core) for core in cores):
            assert budget.used == budget.limit, "waits beside a free place"
            assert not any(core.idle for core in cores), "waits beside an idle connection"
