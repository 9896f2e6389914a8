"""A memoized coroutine function whose calls end when a test says so."""

from __future__ import annotations

import asyncio
from typing import Any

from slipstream_api.clock import ManualClock
from slipstream_runtime.library import memoize


class Source:
    """A function whose calls end when told."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[Any]] = []
        self.cancelled = 0

    async def __call__(self, *_: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.calls.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def memoized(source: Source, clock: ManualClock | None = None, **options: Any) -> Any:
    async def recall(session: str, query: str) -> Any:
        return await source(session, query)

    settings: dict[str, Any] = {"ttl": 10, "partition": lambda session, query: session, "tags": ("events",)}
    return memoize(**{**settings, **options}, clock=clock or ManualClock())(recall)


async def quiet() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def ask(function: Any, *args: Any, number: int = 1) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(function(*args)) for _ in range(number)]
    await quiet()
    return tasks
