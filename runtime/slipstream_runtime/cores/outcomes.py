"""What counts as a failure of the upstream. Pure; counts nothing (window, breaker)."""

from __future__ import annotations

from slipstream_api import config


class Failures:
    """What counts as a failure of the upstream, by rule."""

    __slots__ = ("_errors", "statuses")

    def __init__(self, failure_on: config.FailureOn) -> None:
        statuses: set[int] = set()
        for text in failure_on.statuses:
            if text[1:].lower() == "xx":
                statuses.update(range(int(text[0]) * 100, int(text[0]) * 100 + 100))
            else:
                statuses.add(int(text))
        self.statuses: frozenset[int] = frozenset(statuses)
        self._errors: frozenset[str] = frozenset(failure_on.errors)

    def error(self, error: str) -> bool:
        """`error` is Connect, Timeout or Reset; what isn't listed is to be released, not recorded."""
        return error in self._errors
