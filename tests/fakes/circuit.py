"""A circuit breaker with its clock, its random source and its log."""

from __future__ import annotations

from typing import Any

from slipstream_runtime.cores.breaker import REFUSED, Breaker
from slipstream_runtime.cores.transition import Transition
from tests.fakes.cores import Dice, a_breaker_rule


class Circuit:
    """A breaker with its clock and its log."""

    def __init__(self, lease: float = 30.0, **rule: Any) -> None:
        self.now = 1_000.0
        self.dice = Dice()
        self.log: list[Transition] = []
        self.breaker = Breaker(a_breaker_rule(**rule), "", self.now, self.dice, self.log.append, lease)

    def call(self, failed: bool = False, seconds: float = 0.0) -> int:
        permit = self.breaker.acquire(self.now)
        if permit != REFUSED:
            self.breaker.record(permit, failed, seconds, self.now)
        return permit

    def calls(self, outcomes: str) -> str:
        """`.` succeeds, `x` fails, `s` is slow; the state after them."""
        for outcome in outcomes:
            self.call(outcome == "x", 3.0 if outcome == "s" else 0.0)
        return self.state

    @property
    def state(self) -> str:
        return self.breaker.state(self.now)

    def opened(self) -> Circuit:
        self.calls("xxxx")
        assert self.state == "Open"
        return self

    def half_open(self) -> Circuit:
        self.opened().now += 60
        assert self.state == "HalfOpen"
        return self

    @property
    def reasons(self) -> list[str]:
        return [transition.reason for transition in self.log]
