"""Whether a failed call is worth another attempt, and when: back-off, Retry-After, the budget that calls to an upstream share. Pure.

The budget bounds what retries add when everything fails: a share of the calls, and a small reserve so that rare calls can be retried."""

from __future__ import annotations

import email.utils
from collections.abc import Callable, Sequence
from typing import Final

from slipstream_api import config
from slipstream_runtime.cores.fields import HeaderField

RETRIABLE: Final = frozenset((502, 503, 504))  # answers of an upstream that may be well again in a moment
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))  # RFC 9110 §9.2.2: twice is as once
FIRST: Final = 0.025  # seconds before the second attempt, doubled for each further one
MOST: Final = 0.25
LONGEST_ASKED: Final = 5.0  # an upstream that asks for more isn't asked again: sooner is rude, and later is too late for the caller
MOST_SAVED: Final = 10.0  # retries that calm times may save up: an outage mustn't begin with a storm
RESERVE: Final = 3.0  # retries at hand without any calls
RESERVE_PER_SECOND: Final = 0.1  # how fast the reserve comes back
ASKED_NOTHING: Final = -1.0


class RetryPolicy:
    """A rule's retries made ready; `attempts` in all, `share` of a retry that each call earns, `try_timeout` 0 for none."""

    __slots__ = ("attempts", "share", "try_timeout")

    def __init__(self, settings: config.Retry) -> None:
        self.attempts: int = settings.max_attempts
        self.share: float = settings.budget_percent / 100
        self.try_timeout: float = settings.per_try_timeout_ms / 1_000


class RetryBudget:
    """One upstream's."""

    __slots__ = ("_earned", "_reserve", "_since")

    def __init__(self, now: float) -> None:
        self._earned: float = 0.0
        self._reserve: float = RESERVE
        self._since: float = now

    def earn(self, share: float) -> None:
        """A call that isn't a retry."""
        self._earned = min(self._earned + share, MOST_SAVED)

    def spend(self, now: float) -> bool:
        """Whether one more retry may be made; it counts as made."""
        self._reserve = min(self._reserve + (now - self._since) * RESERVE_PER_SECOND, RESERVE)
        self._since = now
        if self._earned >= 1.0:
            self._earned -= 1.0
            return True
        if self._reserve >= 1.0:
            self._reserve -= 1.0
            return True
        return False


def backoff(attempts: int, random: Callable[[], float]) -> float:
    """Seconds to wait after so many attempts; jittered over half of it, so that callers that failed together don't return together."""
    return float(min(FIRST * 2.0 ** min(attempts - 1, 16), MOST) * (1.0 - 0.5 * random()))


def asked_wait(fields: Sequence[HeaderField]) -> float:
    """What an answer's Retry-After asks for in seconds; ASKED_NOTHING without one, or one that nobody can read. A date counts from the
    answer's own Date, so no clock but the upstream's matters."""
    value = date = b""
    for field in fields:
        if field.name == b"retry-after":
            value = field.value
        elif field.name == b"date":
            date = field.value
    if value.isdigit():
        return float(min(int(value[:9]), 1_000_000))
    until, since = _time(value), _time(date)
    return max(0.0, until - since) if until and since else ASKED_NOTHING


def _time(date: bytes) -> float:
    """An HTTP date as a number; 0 where it isn't one."""
    try:
        parsed = email.utils.parsedate_tz(date.decode("ascii")) if date else None
        return float(email.utils.mktime_tz(parsed)) if parsed is not None else 0.0
    except (ValueError, OverflowError):
        return 0.0
