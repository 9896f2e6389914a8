"""One tick for everything that has a deadline, instead of a timer per request: clocks, clients, services."""

from __future__ import annotations

import asyncio
import email.utils
import logging
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from slipstream_runtime.proxy.context import Context

TICK_SECONDS: Final = 0.025  # a deadline is met within this; cheaper than a timer per request from a few hundred requests a second on
SLOW_SECONDS: Final = 1.0  # clients' timeouts and the Date line

log = logging.getLogger("slipstream.sweep")


class Swept(Protocol):
    """Anything with deadlines."""

    def sweep(self, now: float) -> None: ...


class Sweep:
    """Ticks until stopped."""

    def __init__(self, context: Context, services: Callable[[], Iterable[Swept]]) -> None:
        self._context = context
        self._services = services
        self._timer: asyncio.TimerHandle | None = None
        self._slow_at = 0.0

    def start(self) -> None:
        self._tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        context = self._context
        now = context.now = context.clock.now()
        for service in self._services():
            try:
                service.sweep(now)
            except Exception:
                log.exception("sweep failed; the next tick tries again")
        if now >= self._slow_at:
            self._slow_at = now + SLOW_SECONDS
            context.date = b"\r\nDate: " + email.utils.formatdate(usegmt=True).encode()
            expire_clients(context, now)


def expire_clients(context: Context, now: float) -> None:
    """Close the connections whose time is up."""
    for client in [client for client in context.clients if client.deadline <= now]:
        client.expire()
