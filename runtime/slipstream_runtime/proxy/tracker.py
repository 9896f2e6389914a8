"""Deadlines of the requests under way: those that wait for a head, in order of deadline, and those whose bodies flow. Kept per pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipstream_runtime.proxy.exchange import Exchange


class Tracker:
    """No timer per request: a request costs one insertion and one removal, the sweep looks at the first ones only."""

    __slots__ = ("_flowing", "_next_look", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[Exchange, None] = {}  # earliest deadline first, since all have the same timeout
        self._flowing: dict[Exchange, float] = {}  # and how long each may stand still
        self._next_look = 0.0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flowing)

    def wait(self, exchange: Exchange, deadline: float) -> None:
        """An answer's head is due by `deadline`; one that it keeps keeps its place."""
        if exchange.deadline == deadline and exchange in self._waiting:
            return
        exchange.deadline = deadline
        self._flowing.pop(exchange, None)
        self._waiting.pop(exchange, None)
        self._waiting[exchange] = None

    def flow(self, exchange: Exchange, patience: float, now: float) -> None:
        """A body flows, and may stand still for `patience` seconds."""
        exchange.deadline = 0.0
        exchange.active_at = now
        self._waiting.pop(exchange, None)
        self._flowing[exchange] = patience

    def forget(self, exchange: Exchange) -> None:
        if exchange.deadline:  # it waits, or it isn't here
            self._waiting.pop(exchange, None)
        else:
            self._flowing.pop(exchange, None)

    def sweep(self, now: float) -> None:
        while self._waiting:
            exchange = next(iter(self._waiting))
            if exchange.deadline > now:
                break
            del self._waiting[exchange]
            exchange.expire()
        if now >= self._next_look and self._flowing:
            self._next_look = now + 1.0
            for exchange, patience in list(self._flowing.items()):
                if exchange in self._flowing and exchange.stands_still(now - patience):
                    exchange.expire()
