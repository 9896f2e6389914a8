"""Pool: who gets which connection, which one is used again, and when none is to be had."""

from __future__ import annotations

import asyncio

import pytest

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import ConnectFailed, Pool, PoolClosed, PoolTimeout, TooManyRequests
from tests.fakes.pooled import Conn, Upstream, hold, make, quiet


def test_the_pool_is_typed_and_refuses_bad_sizes() -> None:
    for options in ({"max_size": 0}, {"min_size": 3}, {"timeout": 0}, {"max_waiting": -1}, {"max_idle": -1}):
        with pytest.raises(ValueError, match=next(iter(options))):
            make(Upstream(), **options)


async def test_a_connection_is_used_again_and_closed_with_the_pool() -> None:
    upstream = Upstream()
    async with make(upstream) as pool:
        for _ in range(3):
            async with pool.connection() as conn:
                assert conn.number == 0
        stats = pool.get_stats()
    assert (stats["connections_num"], stats["requests_num"], stats["requests_queued"], stats["pool_available"]) == (1, 3, 1, 1)
    assert upstream.living == 0
    assert set(stats) == {
        "pool_min", "pool_max", "pool_size", "pool_available", "requests_waiting", "usage_ms", "requests_num", "requests_queued",
        "requests_wait_ms", "requests_errors", "returns_bad", "connections_num", "connections_ms", "connections_errors", "connections_lost",
    }  # fmt: skip


async def test_waiters_are_served_first_come_first() -> None:
    async with make(Upstream(), max_size=1) as pool:
        gate, order = asyncio.Event(), list[int]()
        tasks = []
        for name in range(5):
            tasks.append(asyncio.ensure_future(hold(pool, gate, order, name)))
            await quiet()
        tasks[2].cancel()
        await quiet()
        assert (order, pool.get_stats()["requests_waiting"]) == ([0], 3)
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 3, 4]


async def test_time_and_room_to_wait_are_bounded() -> None:
    clock = ManualClock()
    async with make(Upstream(), clock, max_size=1, max_waiting=1, timeout=3) as pool:
        gate = asyncio.Event()
        first = asyncio.ensure_future(hold(pool, gate))
        await quiet()
        second = asyncio.ensure_future(hold(pool, gate))
        await quiet()
        with pytest.raises(TooManyRequests, match="max_waiting"):
            await pool.connection().__aenter__()
        clock.advance(3)
        pool.maintain()
        with pytest.raises(PoolTimeout, match="max_size"):
            await second
        gate.set()
        assert await first == 0
        assert pool.get_stats()["requests_errors"] == 2


async def test_a_waiter_is_woken_by_its_own_deadline() -> None:
    """Without any sweep: 20 ms of the real clock."""
    upstream = Upstream()
    async with Pool(upstream.open, upstream.close, max_size=1) as pool, pool.connection():
        with pytest.raises(PoolTimeout):
            await pool.connection(timeout=0.02).__aenter__()


async def test_a_pool_that_is_not_open_says_so() -> None:
    pool = make(Upstream())
    with pytest.raises(PoolClosed, match="start"):
        await pool.connection().__aenter__()
    async with pool:
        pass
    with pytest.raises(PoolClosed, match="closed"):
        await pool.connection().__aenter__()
    with pytest.raises(RuntimeError, match="once"):
        pool.start()


async def test_after_an_exception_a_connection_is_closed_unless_it_is_named() -> None:
    """Nobody knows what is unread on it."""
    upstream = Upstream()
    async with make(upstream, keep_on=(KeyError,)) as pool:
        for error, kept in ((KeyError(), True), (ValueError(), False), (asyncio.CancelledError(), False)):
            with pytest.raises(type(error)):
                async with pool.connection() as conn:
                    raise error
            await quiet()
            assert conn.closed != kept
        assert pool.get_stats()["returns_bad"] == 2


async def test_an_idle_connection_that_fails_its_check_is_replaced() -> None:
    """Whether the check raises or says False."""
    upstream = Upstream()

    async def check(conn: Conn) -> bool:
        if conn.number == 1 and not conn.good:
            raise OSError("gone")
        return await upstream.check(conn)

    async with make(upstream, check=check, max_size=1) as pool:
        for number in range(3):
            async with pool.connection() as conn:
                assert conn.number == number
            conn.good = False
        stats = pool.get_stats()
        assert (stats["connections_lost"], stats["returns_bad"], stats["requests_num"]) == (2, 0, 3)
    assert upstream.living == 0


async def test_a_failed_opening_fails_at_once_with_its_cause_and_the_pool_recovers() -> None:
    clock, upstream = ManualClock(), Upstream()
    upstream.down = True
    async with make(upstream, clock) as pool:
        with pytest.raises(ConnectFailed, match="down") as failed:
            await pool.connection().__aenter__()
        assert isinstance(failed.value.__cause__, OSError)
        upstream.down = False
        clock.advance(5)
        async with pool.connection() as conn:
            assert conn.number == 0
