"""The owner of a connection pool's core: does what it says, on connections that are numbers."""

from __future__ import annotations

from typing import Any, Final

from slipstream_api.config import Limits
from slipstream_runtime.cores.pool import PoolCore, Slot, Work
from tests.fakes.cores import Dice

NEVER: Final = float("inf")


class Owner:
    """Carries out the work that a pool returns, on connections that are numbers; dials end when the test says so."""

    def __init__(self, **limits: Any) -> None:
        self.now = 1_000.0
        self.dice = Dice()
        self.limits = Limits(**{"max_connections": 3, "max_pending": 2, **limits})
        self.core: PoolCore[int, str] = PoolCore(self.limits, self.dice, self.now)
        self.made = 0
        self.closed: list[int] = []
        self.held: dict[str, Slot[int]] = {}
        self.failed: list[tuple[str, str]] = []

    def apply(self, work: Work[int, str] | None) -> None:
        if work is not None:
            self.closed += work.close
            self.held.update(work.grant)
            self.failed += work.fail
        assert self.core.size == self.core.in_use + self.core.idle + self.core.connecting
        assert self.core.in_use == len(self.held)

    def acquire(self, waiter: str, deadline: float = NEVER) -> None:
        slot = self.core.take(self.now)
        if slot is not None:
            self.held[waiter] = slot
        else:
            self.apply(self.core.enqueue(waiter, deadline, self.now))

    def dialled(self) -> int:
        """A dial succeeds: the connection's number."""
        self.made += 1
        self.apply(self.core.connected(self.made, 0.001, self.now))
        return self.made

    def refused(self) -> None:
        self.apply(self.core.connect_failed(0.001, self.now))

    def put(self, waiter: str, reusable: bool = True) -> None:
        self.apply(self.core.put(self.held.pop(waiter), self.now, reusable))

    def sweep(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.apply(self.core.maintain(self.now))

    def warm(self, number: int) -> Owner:
        """So many idle connections, made a second apart."""
        for n in range(number):
            self.acquire(f"warm{n}")
        for _ in range(number):
            self.dialled()
        for n in range(number):
            self.now += 1
            self.put(f"warm{n}")
        assert self.core.idle == number
        return self
