"""A breaker's permit for one call: given back exactly once, with an outcome or without one."""

from __future__ import annotations

from slipstream_runtime.cores.breaker import UNCOUNTED, Breaker
from slipstream_runtime.proxy.failures import Failure


class Permit:
    """`number` is UNCOUNTED where the result means nothing."""

    __slots__ = ("_breaker", "_number", "_started")

    def __init__(self, breaker: Breaker, number: int, started: float) -> None:
        self._breaker = breaker
        self._number = number
        self._started = started

    def answered(self, status: int, now: float) -> None:
        """The upstream answered: an outcome, whatever it said."""
        if self._number == UNCOUNTED:
            return
        breaker = self._breaker
        breaker.record(self._number, status in breaker.failures.statuses, now - self._started, now)

    def failed(self, failure: Failure, now: float) -> None:
        """No answer: an outcome where the rule lists this class of error; our own overload never is one."""
        if self._number != UNCOUNTED and failure.error_class and self._breaker.failures.error(failure.error_class):
            self._breaker.record(self._number, True, now - self._started, now)
        else:
            self.release()

    def asked(self, seconds: float, now: float) -> None:
        """The upstream's Retry-After; less than 0 where it has none."""
        if self._number != UNCOUNTED and seconds > 0:
            self._breaker.asked(seconds, now)

    def slow(self, now: float) -> bool:
        """Whether the rule would call an answer slow that came now."""
        return now - self._started >= self._breaker.rule.trip.slow_call_duration_ms / 1_000

    def release(self) -> None:
        """Cancelled, or never made."""
        if self._number != UNCOUNTED:
            self._breaker.release(self._number)
