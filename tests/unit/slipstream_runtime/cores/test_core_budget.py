"""One bound over the connections of all pools: who may dial, who waits for a place, and who makes room."""

from __future__ import annotations

from slipstream_runtime.cores.budget import ConnectionBudget
from tests.fakes.budget_world import World


def busy(world: World, pool: int, number: int, queued: int = 0) -> None:
    """`number` connections in use, and `queued` more requests."""
    member = world.members[pool]
    for n in range(number + queued):
        member.ask(f"{member.name}-{len(member.held)}-{n}")
    world.connect()
    assert len(member.held) >= number


def turn(world: World) -> None:
    """Every connection in use comes back once, and whoever gets one asks again: pools that never run out of requests."""
    for member in world.members:
        for waiter in list(member.held):
            member.put(waiter)
            member.ask(f"{waiter}'")
            world.connect()
            world.check()


def test_without_a_bound_pools_know_nothing_of_each_other() -> None:
    """The control of all below: a budget of its own, for a pool that is alone."""
    world = World(ConnectionBudget().limit, {}, {})
    busy(world, 0, 50)
    busy(world, 1, 50)
    assert (world.sizes, world.budget.waiting) == ([50, 50], 0)


def test_no_pool_dials_beyond_the_total() -> None:
    """Who asks beyond it waits; a connection that ends lets it dial."""
    world = World(3, {}, {})
    first, second = world.members
    busy(world, 0, 2)
    second.ask("a")
    second.ask("b")
    world.connect()
    assert (world.sizes, list(second.held), list(second.waiting)) == ([2, 1], ["a"], ["b"])
    first.put(next(iter(first.held)), reusable=False)
    assert second.dials == 1
    world.connect()
    assert list(second.held) == ["a", "b"]
    world.check()


def test_whoever_waits_for_a_place_fails_at_its_deadline_with_its_own_reason() -> None:
    """Neither is it the upstream's fault, nor is the pool's own bound reached."""
    world = World(1, {}, {})
    busy(world, 0, 1)
    world.members[1].ask("late", deadline=world.now + 1)
    world.sweep(2)
    assert world.members[1].failed == [("late", "TotalFull")]
    world.members[0].ask("own", deadline=world.now + 1)
    world.sweep(2)
    assert world.members[0].failed == [("own", "TotalFull")]
    world.check()


def test_without_a_place_the_queue_is_as_long_as_without_a_free_connection() -> None:
    """maxPending is what may wait; the pool's own maximum, which it can't reach, adds nothing to it."""
    world = World(2, {}, {"max_pending": 3})
    busy(world, 0, 2)
    for n in range(5):
        world.members[1].ask(f"w{n}")
    assert [reason for _, reason in world.members[1].failed] == ["TotalFull"] * 2
    assert len(world.members[1].waiting) == 3


def test_the_longest_idle_connection_makes_room() -> None:
    """Of whichever pool; it closes before the other dials."""
    world = World(3, {}, {}, {})
    for pool in (1, 0):
        busy(world, pool, 1)
        world.now += 1
        world.members[pool].put(next(iter(world.members[pool].held)))
    busy(world, 2, 2)
    assert world.sizes == [1, 0, 2]
    assert [member.core.stats.connections_evicted for member in world.members] == [0, 1, 0]
    world.check()


def test_idle_connections_beyond_a_minimum_go_first_and_then_those_within_it() -> None:
    """A minimum keeps connections warm; it doesn't keep somebody waiting."""
    world = World(3, {"min_connections": 1}, {}, {})
    world.sweep()
    world.connect()
    world.now += 1
    busy(world, 1, 1)
    world.members[1].put(next(iter(world.members[1].held)))
    busy(world, 2, 2)
    assert world.sizes == [1, 0, 2], "the older one is within its pool's minimum"
    busy(world, 2, 3)
    assert world.sizes == [0, 0, 3]
    world.sweep(1)
    assert world.sizes == [0, 0, 3], "and a minimum alone makes nobody close"
    world.check()


def test_a_minimum_is_filled_when_a_place_is_free() -> None:
    """At a sweep, without standing in anybody's way."""
    world = World(2, {"min_connections": 1}, {})
    busy(world, 1, 2)
    world.sweep()
    assert (world.sizes, world.budget.waiting) == ([0, 2], 0)
    world.members[1].put(next(iter(world.members[1].held)), reusable=False)
    world.sweep()
    assert world.sizes == [1, 1]


def test_a_connection_that_comes_back_is_closed_for_who_waits_elsewhere() -> None:
    """It would have stayed idle; the pool that waits has it at once."""
    world = World(2, {}, {})
    busy(world, 0, 2)
    world.members[1].ask("b")
    world.members[0].put(next(iter(world.members[0].held)))
    assert (world.sizes, world.members[1].dials) == ([1, 1], 1)
    world.check()


def test_a_pool_with_a_queue_of_its_own_starves_nobody() -> None:
    """Its next connection that comes back is given up, though it had somebody for it."""
    world = World(4, {}, {})
    busy(world, 0, 4, queued=100)
    world.members[1].ask("b")
    world.members[0].put(next(iter(world.members[0].held)))
    world.connect()
    assert list(world.members[1].held) == ["b"]
    world.check()


def test_pools_that_never_run_out_of_requests_even_out_and_stay_so() -> None:
    """Within one connection; from then on nobody closes one only to dial another."""
    world = World(11, {}, {}, {})
    busy(world, 0, 11, queued=50)
    for pool in (1, 2):
        busy(world, pool, 0, queued=50)
    for _ in range(3):
        turn(world)
    assert sorted(world.sizes) == [3, 4, 4]
    dialled = [member.dialled for member in world.members]
    turn(world)
    assert [member.dialled for member in world.members] == dialled


def test_a_minimum_is_a_pool_s_share_however_busy_the_others_are() -> None:
    """It gets as far, and no further than an even share beyond it."""
    world = World(10, {}, {"min_connections": 7}, {})
    busy(world, 0, 10, queued=50)
    for pool in (1, 2):
        busy(world, pool, 0, queued=50)
    for _ in range(4):
        turn(world)
    assert world.sizes[1] == 7
    assert sorted(world.sizes) == [1, 2, 7]


def test_more_pools_than_places_take_turns() -> None:
    """Who waits longest is next, though everybody who has one has somebody waiting too."""
    world = World(2, {}, {}, {})
    for pool in range(3):
        for n in range(20):
            world.now += 1
            world.members[pool].ask(f"{pool}-{n}")
    world.connect()
    served = [0, 0, 0]
    for _ in range(50):
        for number, member in enumerate(world.members):
            for waiter in list(member.held):
                served[number] += 1
                member.put(waiter)
                world.connect()
                world.check()
    assert served == [20, 20, 20]


def test_a_pool_whose_upstream_refuses_gives_its_turn_away() -> None:
    """A place that it can't use is the next one's; it comes back into the queue when it may dial again."""
    world = World(1, {}, {})
    first, second = world.members
    first.ask("a")
    second.ask("b")
    first.dial_ends("failed")
    assert first.failed == [("a", "Connect")]
    assert second.dials == 1
    world.check()


def test_who_left_takes_no_place() -> None:
    """Its pool's turn goes to the next in the queue."""
    world = World(1, {}, {}, {})
    busy(world, 0, 1)
    world.members[1].ask("b")
    world.members[2].ask("c")
    world.members[1].leave("b")
    world.members[0].put(next(iter(world.members[0].held)))
    assert [member.dials for member in world.members] == [0, 0, 1]
    world.check()


def test_a_pool_that_ends_gives_its_places_back() -> None:
    """Idle ones at once, the others as they come back."""
    world = World(2, {}, {})
    busy(world, 0, 2)
    first, second = world.members
    second.ask("b")
    second.ask("c")
    first.put(next(iter(first.held)))
    first.apply(first.core.close())
    first.put(next(iter(first.held)))
    world.connect()
    assert (world.sizes, first.core.drained) == ([0, 2], True)
    world.check()
