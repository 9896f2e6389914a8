"""Addresses of upstreams: resolved once for a herd of dials, the least loaded first, then in turn, failed ones last. Dials nothing."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from slipstream_api.addresses import is_address
from slipstream_api.clock import Clock

RESOLUTION_SECONDS: Final = 5.0  # a herd of dials asks DNS once; a changed address is picked up by the next dial after this

Place = tuple[str, int]
Loads = dict[str, int]  # connections and dials of one pool, by address


class Resolver(Protocol):
    """Addresses of a name, best first; raises OSError where there is none."""

    async def resolve(self, host: str, port: int) -> list[str]: ...


class _Known:
    """What is known of one name."""

    __slots__ = ("asking", "failed", "found", "turn", "until", "waiting")

    def __init__(self) -> None:
        self.found: list[str] = []
        self.until = float("-inf")
        self.failed: set[str] = set()  # since they were found
        self.turn = 0
        self.asking: asyncio.Task[list[str]] | None = None
        self.waiting = 0  # for `asking`: it is given up with the last of them


class Addresses:
    """Of all upstreams of one process."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._known: dict[Place, _Known] = {}

    async def of(self, place: Place, loads: Loads) -> list[str]:
        """In the order in which to dial them: the one with the fewest connections first, of equals another one each time; never empty:
        OSError where there is none."""
        if is_address(place[0]):
            return [place[0]]
        known = self._known.setdefault(place, _Known())
        if self._clock.now() >= known.until:
            found = await self._ask(place, known)
            if not found:
                raise OSError("no address")
            if self._clock.now() >= known.until:  # the first of those who waited
                known.found, known.until = found, self._clock.now() + RESOLUTION_SECONDS
                known.failed.clear()
        order = in_turn(known.found, known.turn, known.failed, loads)
        known.turn += 1
        return order

    def failed(self, place: Place, address: str) -> None:
        """Nobody answered there: it comes last until the name is resolved anew, which is at once when none is left."""
        known = self._known.get(place)
        if known is not None:
            known.failed.add(address)
            if known.failed.issuperset(known.found):
                known.until = float("-inf")  # the name may have moved

    async def _ask(self, place: Place, known: _Known) -> list[str]:
        if known.asking is None:
            known.asking = asyncio.get_running_loop().create_task(self._resolver.resolve(*place))
        asking = known.asking
        known.waiting += 1
        try:
            return await asyncio.shield(asking)  # one caller's cancellation is not the others'
        finally:
            known.waiting -= 1
            if not known.waiting:
                known.asking = None
                asking.cancel()


def unload(loads: Loads, address: str) -> None:
    """One connection less."""
    left = loads.get(address, 0) - 1
    if left > 0:
        loads[address] = left
    else:
        loads.pop(address, None)


def in_turn(addresses: list[str], turn: int, failed: set[str], loads: Loads) -> list[str]:
    """The first one's family by load and in turn, then the other family (the resolver had its reason), then those that failed."""
    same: list[str] = []
    other: list[str] = []
    for address in addresses:
        (same if (":" in address) == (":" in addresses[0]) else other).append(address)
    first = turn % len(same)
    order = sorted(same[first:] + same[:first], key=lambda one: loads.get(one, 0)) + other
    return [one for one in order if one not in failed] + [one for one in order if one in failed]
