"""Pools that share a budget, under every sequence of events: never above the total, no place lost, nobody waits beside a free one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from slipstream_api.config import Limits
from slipstream_runtime.cores.budget import ConnectionBudget, Holder
from slipstream_runtime.cores.pool import PoolCore, Work
from tests.fakes.budget_world import World

EPISODES, STEPS = 1_500, 80


def some_limits(random: Random) -> dict[str, Any]:
    return {
        "max_connections": random.randint(1, 6),
        "min_connections": random.choice((0, 0, 1, 2)),
        "max_pending": random.choice((0, 2, 20)),
        "idle_timeout_ms": random.choice((0, 3_000)),
        "max_lifetime_ms": random.choice((0, 6_000)),
        "reuse": random.choice(("LIFO", "FIFO")),
    }


def step(world: World, names: list[int]) -> None:
    """One event, whichever can happen."""
    random = world.random
    member = random.choice(world.members)
    what = random.choice(("ask", "ask", "ask", "put", "put", "put", "dial", "dial", "leave", "lose", "sweep", "time", "resize", "end"))
    if what == "ask":
        names.append(len(names))
        member.ask(f"w{names[-1]}", world.now + random.choice((0.0, 0.5, 20.0)), fresh=random.random() < 0.2)
    elif what == "put" and member.held:
        member.put(random.choice(sorted(member.held)), reusable=random.random() < 0.8)
    elif what == "dial" and member.dials:
        member.dial_ends(random.choice(("connected", "connected", "connected", "failed", "cancelled")))
    elif what == "leave" and member.waiting:
        member.leave(random.choice(sorted(member.waiting)))
    elif what == "lose" and member.core.idle:
        member.lose(random.choice(sorted(member.core._idle, key=lambda slot: slot.conn)))
    elif what == "sweep":
        world.sweep(random.choice((0.0, 0.1, 4.0)))
    elif what == "time":
        world.now += random.choice((0.01, 0.3))
    elif what == "resize":
        limits = Limits(acquire_timeout_ms=10**9, **some_limits(random))
        member.apply(member.core.resize(limits, world.now))
    elif what == "end" and random.random() < 0.1:
        member.apply((member.core.close if random.random() < 0.5 else member.core.drain)())


def quiet(world: World) -> None:
    """Every dial succeeds and every connection comes back, again and again: whoever still waits is served, and nothing is left over."""
    for _ in range(400):
        if not any(member.waiting or member.held or member.dials for member in world.members):
            break
        world.sweep(0.0 if any(member.dials or member.held for member in world.members) else 0.5)
        world.connect()
        for member in world.members:
            for waiter in list(member.held):
                member.put(waiter)
                world.check()
    assert not any(member.waiting for member in world.members), "stuck"
    for member in world.members:
        member.apply(member.core.close())
        while member.dials:
            member.dial_ends()
        assert member.core.drained
        assert not member.open
    assert (world.budget.used, world.budget.waiting, world.budget._held) == (0, 0, {})


def run(episodes: int, seed: int = 0) -> tuple[set[str], int]:
    """Reasons of failures, and connections that made room."""
    reasons: set[str] = set()
    evicted = 0
    for episode in range(episodes):
        random = Random(seed * 1_000_003 + episode)
        pools = [some_limits(random) for _ in range(random.randint(1, 4))]
        world, names = World(random.randint(1, 8), *pools, random=random), []
        for _ in range(STEPS):
            step(world, names)
            world.check()
        quiet(world)
        reasons |= {reason for member in world.members for _, reason in member.failed}
        evicted += sum(member.core.stats.connections_evicted for member in world.members)
    return reasons, evicted


def test_trap_28_no_place_is_lost_and_nobody_is_stuck() -> None:
    """More than a hundred thousand events; every way to get none is among them, and idle connections that made room."""
    reasons, evicted = run(EPISODES)
    assert reasons >= {"TotalFull", "AcquireTimeout", "PendingFull", "Connect", "Closed"}
    assert evicted > 100


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConnectionBudget, "settle", lambda self, now: [])


def generous(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(self: ConnectionBudget, holder: Holder, number: int, waits: bool) -> int:
        self._take(holder, number)
        return number

    monkeypatch.setattr(ConnectionBudget, "ask", ask)


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    def cancelled(self: PoolCore[int, str], now: float) -> Any:
        self.connecting -= 1
        return self._grow(Work(), now)

    monkeypatch.setattr(PoolCore, "dial_cancelled", cancelled)


def stingy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConnectionBudget, "_donor", lambda self: None)


def jumpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ConnectionBudget, "_tell", lambda self, nobody_waits: None)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (deaf, "beside a free place|beside an idle connection"),
        (generous, "more than there may be"),
        (forgetful, "a place was lost"),
        (stingy, "beside an idle connection"),
        (jumpy, "still on its guard|beside an idle connection"),
    ],
)
def test_such_a_budget_is_found_out(fault: Callable[[pytest.MonkeyPatch], None], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: one that wakes nobody, that allows all, that loses a place, that makes no room, that tells nobody."""
    fault(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        run(200)


def test_a_pool_that_hogs_everything_doesn_t_keep_another_from_its_turn() -> None:
    """Whatever the bounds: once as many connections came back as there are, somebody who waits elsewhere has had one."""
    for seed in range(300):
        random = Random(seed)
        total = random.randint(1, 6)
        world = World(total, {}, {"min_connections": random.choice((0, 2))}, random=random)
        hog, other = world.members
        for n in range(total + 40):
            hog.ask(f"h{n}")
        world.connect()
        world.now += 1
        other.ask("me")
        for _ in range(total if total > 1 else 41):  # with one place in all, those that came before are before
            hog.put(next(iter(hog.held)))
            world.connect()
            world.check()
            if other.held:
                break
        assert list(other.held) == ["me"], (seed, total)
