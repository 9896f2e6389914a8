"""Something that is done now and then for as long as the process lives. Knows nothing of what it does."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from slipstream_operator.errors import OperatorError

log = logging.getLogger(__name__)
RETRY = 5.0  # seconds after a failure, unless the error asks for another delay
JITTER = 0.1


class Periodic:
    """`run` until cancelled; `soon` makes the next time come at once. A known failure is tried again soon, any other ends it."""

    def __init__(self, name: str, interval: float, action: Callable[[], Awaitable[None]], *, first: float = 0.0) -> None:
        self.name = name
        self._interval, self._action, self._first = interval, action, first
        self._wake = asyncio.Event()

    def soon(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        wait = self._first
        while True:
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._action()
                wait = self._interval * (1 + JITTER * random.random())  # noqa: S311 - only spreads load
            except OperatorError as error:
                wait = min(self._interval, getattr(error, "delay", None) or RETRY)
                log.warning("%s failed, again in %.0f s: %s", self.name, wait, error)
