"""A breaker's permit for one call: given back exactly once, with an outcome or without one.

Its clock is the upstream's: it runs from when the request is sent, all of it, to the head of the answer. What a caller takes to send its
body or to read an answer, and what our own queue takes, is no slowness of the upstream."""

from __future__ import annotations

from typing import Final

from slipstream_runtime.cores.breaker import UNCOUNTED, Breaker
from slipstream_runtime.cores.retry import asked_wait
from slipstream_runtime.http.answer import AnswerHead
from slipstream_runtime.proxy.context import NEVER
from slipstream_runtime.proxy.failures import Failure

UNHEARD: Final = -1.0  # no head of an answer yet


class Permit:
    """`number` is UNCOUNTED where the result means nothing."""

    __slots__ = ("_breaker", "_number", "_seconds", "_sent")

    def __init__(self, breaker: Breaker, number: int) -> None:
        self._breaker = breaker
        self._number = number
        self._sent = NEVER
        self._seconds = UNHEARD  # that the upstream took

    def sent(self, now: float) -> None:
        """The upstream has the whole request."""
        self._sent = now
        if self._breaker.excused:
            self._breaker.renew(self._number, now, False)

    def heard(self, now: float) -> None:
        """The head of an answer is here; how its body ends is still open."""
        self._seconds = self.took(now)
        self._breaker.renew(self._number, now, True)

    def took(self, now: float) -> float:
        """Seconds that the upstream took, so far or in all; none where it answered before it had the whole request."""
        return max(0.0, now - self._sent) if self._seconds < 0 else self._seconds

    def answered(self, status: int, now: float) -> None:
        """The upstream answered: an outcome, whatever it said."""
        if self._number == UNCOUNTED:
            return
        breaker, seconds = self._breaker, self._seconds
        if seconds < 0:
            seconds = now - self._sent  # as `took`; below 0 is as good as nothing
        breaker.record(self._number, status in breaker.failures.statuses, seconds, now)

    def failed(self, failure: Failure, now: float) -> None:
        """No answer: an outcome where the rule lists this class of error; our own overload never is one."""
        if self._number != UNCOUNTED and failure.error_class and self._breaker.failures.error(failure.error_class):
            self._breaker.record(self._number, True, self.took(now), now)
        else:
            self.release()

    def asked(self, head: AnswerHead, now: float) -> None:
        """An upstream that says when to come back (Retry-After) is left alone so long, should its circuit open."""
        if self._number != UNCOUNTED and head.status in (429, 503):
            seconds = asked_wait(head.fields)
            if seconds > 0:
                self._breaker.asked(seconds, now)

    def had_time(self, now: float, enough: float = NEVER) -> bool:
        """Whether the upstream had so long that the rule would call an answer slow that came now, or `enough` seconds."""
        return self.took(now) >= min(enough, self._breaker.rule.trip.slow_call_duration_ms / 1_000)

    def release(self) -> None:
        """Cancelled, or never made."""
        if self._number != UNCOUNTED:
            self._breaker.release(self._number)
