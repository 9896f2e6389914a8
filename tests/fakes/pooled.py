"""An upstream whose connections say who holds them, and pools of it; tests drive its clock."""

from __future__ import annotations

import asyncio
from typing import Any

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import Pool


class Conn:
    def __init__(self, number: int) -> None:
        self.number = number
        self.good = True
        self.closed = False


class Upstream:
    """Opens and closes connections, each after a turn of the loop."""

    def __init__(self) -> None:
        self.conns: list[Conn] = []
        self.down = False

    async def open(self) -> Conn:
        await asyncio.sleep(0)
        if self.down:
            raise OSError("down")
        conn = Conn(len(self.conns))
        self.conns.append(conn)
        return conn

    async def close(self, conn: Conn) -> None:
        await asyncio.sleep(0)
        assert not conn.closed
        conn.closed = True

    async def check(self, conn: Conn) -> bool:
        await asyncio.sleep(0)
        return conn.good

    @property
    def living(self) -> int:
        return sum(not conn.closed for conn in self.conns)


def make(upstream: Upstream, clock: ManualClock | None = None, **options: Any) -> Pool[Conn]:
    settings: dict[str, Any] = {"max_size": 2, "random": lambda: 0.0}
    return Pool(upstream.open, upstream.close, clock=clock or ManualClock(), **{**settings, **options})


async def quiet() -> None:
    for _ in range(15):
        await asyncio.sleep(0)


async def hold(pool: Pool[Conn], gate: asyncio.Event, order: list[int] | None = None, name: int = 0) -> int:
    async with pool.connection() as conn:
        if order is not None:
            order.append(name)
        await gate.wait()
        return conn.number
