"""When a runner starts what, relative to the start of a phase: the closed and the open model, constant and in ramps. Pure; never looks
at a clock, and computes in whole numbers, so that no error adds up.

Closed: a number of users, each of which starts the next iteration when the one before has ended, so there is no intended start but the
actual one. In a ramp the number is the floor of a line: users join and leave one by one.
Open: arrivals come at a rate whatever the target does, so each has an intended start that can be missed. In a ramp the rate is a line, so
the arrivals lie where its integral passes whole numbers. Runners take turns at the arrivals: their union is the one-runner sequence, and
nobody bunches at whole seconds, nor where one phase goes on from another (`before` may be a fraction).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import Final

from slipstream_loadtest.plan.shares import numbers

_BITS: Final = 80  # of a square root's fraction, beyond the 53 that a float keeps


@dataclass(frozen=True, slots=True)
class ClosedSchedule:
    """The users of one runner, by their numbers among all runners' users: `users_from` at the start, `users` at the end of the phase."""

    users_from: int
    users: int
    seconds: Fraction
    index: int = 0
    runners: int = 1

    @classmethod
    def of(cls, users: int, index: int, runners: int) -> ClosedSchedule:
        """As many users from the first to the last moment."""
        return cls(users, users, Fraction(1), index, runners)

    @property
    def most(self) -> range:
        """Every number that is active at some time."""
        return numbers(max(self.users_from, self.users), self.index, self.runners)

    def total(self, seconds: Fraction) -> int:
        """How many users all runners have together at a time."""
        return floor(self.users_from + (self.users - self.users_from) * seconds / self.seconds)

    def at(self, seconds: Fraction) -> range:
        """The numbers that are active at a time."""
        return numbers(self.total(seconds), self.index, self.runners)

    def changes(self) -> Iterator[tuple[float, int]]:
        """When this runner's users join or leave: (seconds, users below this number are active from then on)."""
        low, high = sorted((self.users_from, self.users))
        mine = range(low + (self.index - low) % self.runners, high, self.runners)
        if self.users > self.users_from:
            return ((float(self.seconds * (k + 1 - low) / (high - low)), k + 1) for k in mine)
        return ((float(self.seconds * (high - 1 - k) / (high - low)), k) for k in reversed(mine))


class OpenSchedule:
    """The arrivals of one runner in one phase, in which the rate goes in a line from `rate_from` (None: `rate`) to `rate`. `before`:
    arrivals of earlier phases on the same target; numbers go on from there, and number k is runner k mod N's."""

    __slots__ = ("_amount", "_begin", "_behind", "_first", "_scale", "_slope", "_square", "index", "rate", "runners", "seconds")

    def __init__(
        self,
        rate: Fraction,
        seconds: Fraction,
        index: int = 0,
        runners: int = 1,
        *,
        rate_from: Fraction | None = None,
        before: Fraction = Fraction(0),
    ) -> None:
        begin = rate if rate_from is None else rate_from
        if rate <= 0 or begin < 0:
            raise ValueError(f"a rate of arrivals must be positive, not {begin} to {rate}")
        self.rate, self.seconds, self.index, self.runners = rate, seconds, index, runners
        self._amount = arrivals(rate, seconds, begin)
        self._behind = before
        self._first = ceil(before) + (index - ceil(before)) % runners
        slope = (rate - begin) / seconds if begin != rate else Fraction(0)
        # Number k lies at t with begin·t + slope·t²/2 = n, n = k - before; all below with one common denominator.
        self._scale = begin.denominator * slope.denominator
        self._slope = 2 * slope.numerator * begin.denominator * self._scale
        self._begin = begin.numerator * slope.denominator
        self._square = self._begin * self._begin * before.denominator

    def count(self) -> int:
        """How many arrivals fall into the phase; those of all runners sum to the one-runner number."""
        return len(range(self._first, ceil(self._behind + self._amount), self.runners))

    def total(self) -> int:
        """How many arrivals all runners have together."""
        return ceil(self._behind + self._amount) - ceil(self._behind)

    def number(self, j: int) -> int:
        """The j-th arrival's number in the one-runner sequence."""
        return self._first + j * self.runners

    def due(self, j: int) -> float:
        """Seconds from the phase's start to the j-th arrival: rounded once, in a ramp after a square root that is exact to 2⁻⁸⁰."""
        parts = self._behind.denominator
        n = self.number(j) * parts - self._behind.numerator  # in parts of an arrival
        if not self._slope:
            return n * self.rate.denominator / (parts * self.rate.numerator)
        if not n:
            return 0.0
        root = isqrt(((self._square + self._slope * n) << 2 * _BITS) // parts)
        return (2 * n * self._scale << _BITS) / (parts * ((self._begin << _BITS) + root))


def arrivals(rate: Fraction, seconds: Fraction, rate_from: Fraction) -> Fraction:
    """How many arrivals a rate makes that goes in a line from `rate_from` to `rate`."""
    return (rate + rate_from) * seconds / 2
