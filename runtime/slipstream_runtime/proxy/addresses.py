"""Addresses of upstreams: resolved once for a herd of dials, the least loaded first, then in turn, failed ones last; kept while DNS is out.
Dials nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from slipstream_api.addresses import is_address
from slipstream_api.clock import Clock

RESOLUTION_SECONDS: Final = 5.0  # a herd of dials asks DNS once; a changed address is picked up by the next dial after this
# While DNS fails or is silent the addresses that it named last stay in use:
RETRY_SECONDS: Final = 1.0  # until it is asked again
PATIENCE_SECONDS: Final = 0.1  # that a dial waits for it; what it says later counts for the next one
KEPT_SECONDS: Final = 3_600.0  # since its last answer: after that an address may be somebody else's, as clusters give them out again
# While a pool has connections to a name:
REFRESH_SECONDS: Final = 15.0  # DNS is asked so often, dials or not
# An address that all answers of so long have left out is gone. Not at the first: some names are answered with a part of their addresses.
GONE_SECONDS: Final = 30.0
QUIET_SECONDS: Final = 60.0  # between two log lines about a name

log = logging.getLogger("slipstream.dns")

Place = tuple[str, int]
Loads = dict[str, int]  # connections and dials of one pool, by address


class Resolver(Protocol):
    """Addresses of a name, best first; raises OSError where there is none."""

    async def resolve(self, host: str, port: int) -> list[str]: ...


class _Known:
    """What is known of one name."""

    __slots__ = ("answered", "asking", "failed", "found", "late", "logged", "named", "turn", "until", "waiting")

    def __init__(self) -> None:
        self.found: list[str] = []
        self.answered = float("-inf")  # when they were found
        self.until = float("-inf")
        self.named: dict[str, float] = {}  # when each was among an answer, of the last GONE_SECONDS
        self.failed: set[str] = set()  # since they were found
        self.turn = 0
        self.asking: asyncio.Task[OSError | None] | None = None
        self.waiting = 0  # for `asking`: it is given up with the last of them, unless there are addresses meanwhile
        self.late = False  # `asking` is: nobody waits for it
        self.logged = float("-inf")


class Addresses:
    """Of all upstreams of one process."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._known: dict[Place, _Known] = {}

    async def of(self, place: Place, loads: Loads) -> list[str]:
        """In the order in which to dial them: the one with the fewest connections first, of equals another one each time; never empty:
        OSError where there is none. While DNS fails, those that it named last."""
        if is_address(place[0]):
            return [place[0]]
        known = self._known.setdefault(place, _Known())
        now = self._clock.now()
        if now >= known.until:
            if now >= known.answered + KEPT_SECONDS:
                known.found = []
            error = await self._ask(place, known)
            if not known.found:
                raise OSError(str(error or "no address"))
        order = in_turn(known.found, known.turn, known.failed, loads)
        known.turn += 1
        return order

    def gone(self, place: Place, loads: Loads) -> frozenset[str]:
        """Those in `loads` that the name doesn't have any more; to be asked once in a while. While DNS is out none goes."""
        known = self._known.get(place)
        if known is None or not loads:
            return frozenset()  # an address, or nothing that could be gone
        if known.asking is None and self._clock.now() >= max(known.answered + REFRESH_SECONDS, known.until):
            known.asking = asyncio.get_running_loop().create_task(self._resolve(place, known))
            known.late = False
        return frozenset([address for address in loads if address not in known.named])

    def failed(self, place: Place, address: str) -> None:
        """Nobody answered there: it comes last until the name is resolved anew, which is at once when none is left."""
        known = self._known.get(place)
        if known is not None:
            known.failed.add(address)
            if known.failed.issuperset(known.found):
                known.until = float("-inf")  # the name may have moved

    async def _ask(self, place: Place, known: _Known) -> OSError | None:
        """Why DNS has no answer; None where it has one, or where it hasn't yet and there are addresses to go on with."""
        if known.asking is None:
            known.asking = asyncio.get_running_loop().create_task(self._resolve(place, known))
            known.late = False
        asking = known.asking
        if known.late and known.found:
            return None
        known.waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if known.found else None):
                return await asyncio.shield(asking)  # one caller's cancellation is not the others'
        except TimeoutError:
            known.late = True
            self._trouble(place, known, f"no answer within {PATIENCE_SECONDS:g} s")
            return None
        finally:
            known.waiting -= 1
            if not known.waiting and not known.found:
                known.asking = None
                asking.cancel()

    async def _resolve(self, place: Place, known: _Known) -> OSError | None:
        """Asks once, for all who wait, and remembers the answer."""
        try:
            found = await self._resolver.resolve(*place)
            if not found:
                raise OSError("no address")
        except OSError as error:
            known.asking = None
            if known.found:
                known.until = self._clock.now() + RETRY_SECONDS
                self._trouble(place, known, str(error))
            return error
        known.asking = None
        now = self._clock.now()
        known.found, known.answered = found, now
        known.named = {address: at for address, at in known.named.items() if now < at + GONE_SECONDS} | dict.fromkeys(found, now)
        known.until = known.answered + RESOLUTION_SECONDS
        known.failed.clear()
        return None

    def _trouble(self, place: Place, known: _Known, detail: str) -> None:
        now = self._clock.now()
        if now >= known.logged + QUIET_SECONDS:
            known.logged = now
            log.warning("name not resolved; its last addresses stay in use", extra={"host": place[0], "detail": detail})


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
