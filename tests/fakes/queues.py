"""Work queues in virtual time, for tests. Holds no expectations but that an ended queue leaves nothing running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from slipstream_operator.queue import Limits, Run, WorkQueue

Handler = Callable[[str, Run], Awaitable[float | None]]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def running(queue: WorkQueue[str], handle: Handler) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(handle))
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert queue.running == set()


def make(**limits: float) -> WorkQueue[str]:
    return WorkQueue("test", Limits(**limits), uniform=lambda: 0.0)  # type: ignore[arg-type]  # workers is given as an int
