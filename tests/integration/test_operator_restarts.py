"""The operator is killed, restarted, disturbed or left alone: it ends where an undisturbed one does, and writes only with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from slipstream_operator.kube.kinds import SECRET, Kind
from slipstream_operator.names import ANNOTATION_ROTATE, SIGNING_KEYS_SECRET, SYSTEM_NAMESPACE
from tests.fakes import policies as make
from tests.fakes.operator_world import NS, World, eventually, new_world, settle


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with new_world() as made:
        yield made


@pytest.fixture
async def settled(world: World) -> World:
    await settle(world)
    return world


async def test_nothing_is_written_while_nothing_changes(settled: World) -> None:
    """Polls, comparisons and full looks go on; the API server sees reads only, and pods no pushes."""
    assert settled.app is not None
    puts = [s.puts for s in settled.sidecars.values()]
    changes, calls = settled.cluster.kube.changes, len(settled.cluster.kube.writes())
    for _ in range(5):
        await settled.app._look_at_everything()  # what the resync does
        polls = settled.sidecars["agent-1"].polls
        await eventually(lambda polls=polls: settled.sidecars["agent-1"].polls >= polls + 2)  # type: ignore[misc]  # a default
    assert settled.cluster.kube.changes == changes
    assert len(settled.cluster.kube.writes()) == calls
    assert [s.puts for s in settled.sidecars.values()] == puts


async def test_a_restart_takes_everything_up_again_and_changes_nothing(settled: World) -> None:
    """Same envelope, same sequence; who has it isn't told twice; nothing is announced again."""
    changes, events = settled.cluster.kube.changes, settled.events()
    puts = [s.puts for s in settled.sidecars.values()]
    await settled.kill()
    app = await settled.operator()
    await eventually(lambda: all(app.courier.state(f"uid-of-{name}").revision for name in settled.sidecars))
    await eventually(lambda: len(app.workload_queue) == len(app.policy_queue) == 0 and not app.policy_queue.running)
    assert settled.cluster.kube.changes == changes
    assert [s.puts for s in settled.sidecars.values()] == puts
    assert settled.events() == events


async def test_a_change_while_the_operator_was_down_lands_at_its_start(settled: World) -> None:
    """Level, not edge."""
    await settled.kill()
    settled.cluster.put(make.cache(ttl="9m"))
    await settled.operator()
    await eventually(settled.programmed)
    assert all(s.config and s.config.pools[0].cache_rules[0].ttl_ms == 540_000 for s in settled.sidecars.values())


def _drift(how: str, world: World) -> None:
    if how == "deleted":
        world.cluster.remove(world.cluster.get("ConfigMap", NS, "slipstream-agent"))
    else:
        world.cluster.put(
            {**world.cluster.get("ConfigMap", NS, "slipstream-agent"), "data": {"envelope.json": "forged", "keys.json": "{}"}}
        )


@pytest.mark.parametrize("how", ["deleted", "changed"])
async def test_a_config_map_that_somebody_touched_is_restored_and_told(settled: World, how: str) -> None:
    """The same envelope again: no pod notices."""
    good = settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]
    puts = [s.puts for s in settled.sidecars.values()]
    _drift(how, settled)
    await eventually(
        lambda: (
            settled.cluster.has("ConfigMap", NS, "slipstream-agent")
            and settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"] == good
        )
    )
    await eventually(lambda: "DriftCorrected" in settled.events())
    assert [s.puts for s in settled.sidecars.values()] == puts


async def test_a_pool_whose_deletion_nobody_heard_of_is_found_by_the_comparison(settled: World) -> None:
    """A watch was broken; the index still has it."""
    settled.cluster.remove(make.pool(), quietly=True)
    assert settled.app is not None
    assert settled.app.caches.pools_of(NS, "agent")
    await eventually(lambda: settled.app is not None and settled.app.caches.synced)
    settled.app.relisted()
    await eventually(lambda: all(s.config is not None and s.config.pools == () for s in settled.sidecars.values()))
    assert settled.app.caches.pools_of(NS, "agent") == ()
    assert settled.count("slipstream_operator_ghosts_total") == 1


async def test_a_pod_that_is_ahead_gets_a_higher_sequence(settled: World) -> None:
    """The clock was set back: without that, every push would be a replay to it."""
    sidecar = settled.sidecars["agent-2"]
    sidecar.sequence += 3_600_000
    settled.cluster.put(make.cache(ttl="6m"))
    await eventually(settled.programmed, within=10)
    assert sidecar.config is not None
    assert sidecar.config.pools[0].cache_rules[0].ttl_ms == 360_000


async def test_a_new_key_signs_everything_anew_and_no_pod_is_locked_out(settled: World) -> None:
    """Rotation: same revision, new signature, both keys known."""
    app = settled.app
    assert app is not None
    old = app.keys.signer().id
    data = settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]
    await settled.cluster.kube.patch(
        SECRET, SYSTEM_NAMESPACE, SIGNING_KEYS_SECRET, {"metadata": {"annotations": {ANNOTATION_ROTATE: "now"}}}
    )
    settled.wall_offset = 5.0
    app._keys.soon()
    await eventually(lambda: app.keys.signer().id != old)
    await eventually(lambda: settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]["envelope.json"] != data["envelope.json"])
    assert old in settled.cluster.get("ConfigMap", NS, "slipstream-agent")["data"]["keys.json"]
    assert settled.condition("CachePolicy", "memory", "Ready")["status"] == "True"
    for sidecar in settled.sidecars.values():
        sidecar.mount(settled.cluster.get("ConfigMap", NS, "slipstream-agent"))
    settled.cluster.put(make.cache(ttl="11m"))
    await eventually(settled.programmed)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_kill_at_any_write_of_an_edit_leaves_something_that_goes_on(when: str) -> None:
    """Before or after the n-th write reaches the API server: the next process ends where an undisturbed one does."""
    n = 0
    while True:
        n += 1
        world = World()
        try:
            await world.operator()
            await eventually(lambda: world.app is not None and world.app.keys.ready)  # noqa: B023 - awaited in this round
            await world.pod("agent-1")
            world.cluster.put(make.pool())
            struck = _strike(world, n, when)
            world.cluster.put(make.cache())
            await eventually(lambda: struck.is_set() or world.condition("CachePolicy", "memory", "Ready")["status"] == "True")  # noqa: B023
            if not struck.is_set():
                assert n > 3, "the edit takes at least a ConfigMap, two statuses and an Event"
                return
            await world.kill()
            world.cluster.kube.before = None
            await world.operator()
            await eventually(lambda: world.programmed() and world.condition("CachePolicy", "memory", "Ready")["status"] == "True")  # noqa: B023
            sidecar = world.sidecars["agent-1"]
            assert sidecar.config is not None
            assert [r.name for r in sidecar.config.pools[0].cache_rules] == ["recall"]
        finally:
            await world.close()


def _strike(world: World, n: int, when: str) -> asyncio.Event:
    """The n-th write from now on never returns: `after` it has been done, or `before`."""
    struck, left, kube = asyncio.Event(), n, world.cluster.kube

    async def before(method: str, kind: Kind, name: str) -> None:
        nonlocal left
        if method in ("get", "list"):
            return
        if struck.is_set():
            await asyncio.Event().wait()
        left -= 1
        if left == 0 and when == "before":
            struck.set()
            await asyncio.Event().wait()
        if left == 0:
            asyncio.get_running_loop().call_soon(struck.set)

    kube.before = before
    return struck


async def test_a_task_that_dies_ends_the_process(world: World) -> None:
    """A zombie with green probes is worse than a restart."""
    app = await world.operator()

    def broken() -> set[str]:
        raise RuntimeError("bug")

    app.workload_queue._take = broken  # type: ignore[method-assign, assignment]  # a bug in the queue itself
    world.cluster.put(make.pool())
    await asyncio.wait_for(app.stop_flag.wait(), 5)
    assert app.crashed is not None
    assert app.live["tasks"]()


async def test_stopping_in_the_middle_of_everything_leaves_no_task(settled: World) -> None:
    """Cancellation is a normal path."""
    settled.cluster.put(make.cache(ttl="13m"))
    await asyncio.sleep(0)
    app = settled.app
    assert app is not None
    await settled.kill()
    assert app.workload_queue.running == app.policy_queue.running == app.courier.queue.running == set()
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith(("workloads", "policies", "pods"))]
