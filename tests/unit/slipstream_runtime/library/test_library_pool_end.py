"""Pool: how connections, callers and the pool itself end; what cancellation does at each await."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import Pool, PoolClosed
from tests.fakes.pooled import Conn, Upstream, hold, make, quiet


async def test_closing_fails_who_waits_and_waits_for_who_is_served() -> None:
    upstream = Upstream()
    pool = make(upstream, max_size=1)
    pool.start()
    gate = asyncio.Event()
    served = asyncio.ensure_future(hold(pool, gate))
    await quiet()
    waits = asyncio.ensure_future(hold(pool, gate))
    await quiet()
    closing = asyncio.ensure_future(pool.close())
    await quiet()
    with pytest.raises(PoolClosed):
        await waits
    assert not closing.done()
    gate.set()
    await closing
    assert await served == 0
    assert upstream.living == 0


async def test_idle_and_old_connections_go_and_the_minimum_stays() -> None:
    clock, upstream = ManualClock(), Upstream()
    async with make(upstream, clock, min_size=1, max_idle=10, max_lifetime=100) as pool:
        await quiet()
        assert upstream.living == 1
        gate = asyncio.Event()
        tasks = [asyncio.ensure_future(hold(pool, gate)) for _ in range(2)]
        await quiet()
        gate.set()
        await asyncio.gather(*tasks)
        assert upstream.living == 2
        clock.advance(10)
        pool.maintain()
        await quiet()
        assert upstream.living == 1
        clock.advance(100)
        pool.maintain()
        await quiet()
        assert (upstream.living, len(upstream.conns)) == (1, 3)


@pytest.mark.parametrize("scene", ["cold", "idle", "waiting"])
async def test_cancellation_at_each_await_loses_no_slot(scene: str) -> None:
    """While it is opened, checked, waited for, granted, used."""
    outcomes = set()
    for steps in range(14):
        upstream = Upstream()
        async with make(upstream, max_size=1, check=upstream.check) as pool:
            gate = asyncio.Event()
            other = asyncio.ensure_future(hold(pool, gate)) if scene != "cold" else None
            await quiet()
            if scene == "idle":
                gate.set()
                await quiet()
            user, used = asyncio.Event(), []
            task = asyncio.ensure_future(hold(pool, user, used))
            for step in range(steps):
                if step == 3:
                    gate.set()
                if step == 10:
                    user.set()
                await asyncio.sleep(0)
            task.cancel()
            gate.set()
            await quiet()
            outcomes.add((bool(used), task.cancelled()))
            if other is not None:
                assert await other == 0
            async with pool.connection():
                assert pool.get_stats()["pool_size"] == upstream.living == 1
        assert upstream.living == 0
    assert outcomes == {(False, True), (True, True), (True, False)}


async def test_cancelling_the_close_leaves_it_to_the_next() -> None:
    for steps in range(6):
        upstream = Upstream()
        pool = make(upstream, min_size=2)
        pool.start()
        await quiet()
        task = asyncio.ensure_future(pool.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.close()
        assert upstream.living == 0


async def test_a_dial_under_way_ends_with_the_pool() -> None:
    never = asyncio.Event()

    async def hang() -> Conn:
        await never.wait()
        raise AssertionError

    async with Pool(hang, lambda conn: None, min_size=1) as pool:
        await quiet()
        assert pool.get_stats()["pool_size"] == 1
    assert pool.get_stats()["pool_size"] == 0


def test_a_pool_of_another_loop_is_refused() -> None:
    pool = make(Upstream())

    async def start() -> None:
        pool.start()

    async def use() -> None:
        async with pool.connection():
            pass

    asyncio.run(start())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use())
