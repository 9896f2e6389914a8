"""When a runner starts what, relative to the start of a phase: the closed and the open model. Pure; never looks at a clock.

Closed: a fixed number of users, each of which starts the next call when the one before has ended, so there is no intended start but the
actual one. Open: calls arrive at a constant rate whatever the target does, so each has an intended start that can be missed. Runners take
turns at the arrivals: their union is the one-runner sequence, and nobody bunches at whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from slipstream_loadtest.plan.shares import numbers, share


@dataclass(frozen=True, slots=True)
class ClosedSchedule:
    """The users of one runner, by their numbers among all runners' users."""

    users: range

    @classmethod
    def of(cls, users: Fraction | int, index: int, runners: int) -> ClosedSchedule:
        return cls(numbers(users, index, runners))


@dataclass(frozen=True, slots=True)
class OpenSchedule:
    """The arrivals of one runner: the j-th is number `index + j * runners` of all, and due `number / rate` seconds after the start."""

    rate: Fraction
    seconds: Fraction
    index: int = 0
    runners: int = 1

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"a rate of arrivals must be positive, not {self.rate}")

    def count(self) -> int:
        """How many arrivals fall into the phase; those of all runners sum to the one-runner number."""
        return share(self.total(), self.index, self.runners)

    def total(self) -> int:
        """How many arrivals all runners have together: at 0, 1/rate, 2/rate … before the phase's end."""
        return ceil(self.rate * self.seconds)

    def number(self, j: int) -> int:
        """The j-th arrival's number in the one-runner sequence."""
        return self.index + j * self.runners

    def due(self, j: int) -> float:
        """Seconds from the phase's start to the j-th arrival, correctly rounded (no error adds up over a long phase)."""
        return self.number(j) * self.rate.denominator / self.rate.numerator
