"""The checks that a LoadTest asks for, as data of its plan. Pure; raises nothing but CheckRefused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slipstream_api.cel import quantity
from slipstream_api.scalars import parse_duration
from slipstream_loadtest.plan.asked import Checks, Degradation, Isolation, MemoryGrowth
from slipstream_loadtest.plan.scenarios import HttpRequest

if TYPE_CHECKING:
    from slipstream_api.models import loadtest as api

CANARY: Final = "canary"
_SLOT: Final = re.compile(r"\$\$|\$\{([^{}]*)\}")
_KNOWN: Final = ("user", "session", "iteration", CANARY)


class CheckRefused(ValueError):  # noqa: N818 - an answer, not a malfunction
    """A check that can't be run. `path`: the field; the message says what to change."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def checks_of(asked: api.Checks, lists: frozenset[str] = frozenset()) -> Checks:
    """The plan's checks. `lists`: names of data that templates may use. Raises CheckRefused."""
    return Checks(
        isolation=_isolation(asked.isolation, lists) if asked.isolation is not None else None,
        memory_growth=_growth(asked.memory_growth) if asked.memory_growth is not None else None,
        degradation=_degradation(asked.degradation) if asked.degradation is not None else None,
    )


def _isolation(asked: api.Isolation, lists: frozenset[str]) -> Isolation:
    path = "spec.checks.isolation"
    if (asked.write is None) != (asked.read is None):
        raise CheckRefused(path, "write and read go together: what one leaves, the other looks for")
    write = _request(asked.write, f"{path}.write", lists) if asked.write is not None else None
    read = _request(asked.read, f"{path}.read", lists) if asked.read is not None else None
    if write is not None and CANARY not in _names(write):
        raise CheckRefused(f"{path}.write", "it must leave ${canary} in the session's data: put it into path, headers or body")
    if read is not None and CANARY in _names(read):
        raise CheckRefused(f"{path}.read", "without ${canary}: an answer that only repeats the question would hold it too")
    return Isolation(sessions=asked.sessions, rounds=asked.rounds, write=write, read=read)


def _request(step: api.HttpStep, path: str, lists: frozenset[str]) -> HttpRequest:
    request = HttpRequest(method=step.method, path=step.path, headers=tuple(sorted(step.headers.items())), body=step.body or "")
    for name in _names(request):
        if name not in _KNOWN and name.partition(".")[0] not in lists:
            known = ", ".join(f"${{{n}}}" for n in (*_KNOWN, *sorted(lists)))
            raise CheckRefused(path, f"${{{name}}} is unknown: there are {known}")
    return request


def _names(request: HttpRequest) -> set[str]:
    texts = (request.path, request.body, *(value for _, value in request.headers))
    return {found.group(1) for text in texts for found in _SLOT.finditer(text) if found.group(1) is not None}


def _growth(asked: api.MemoryGrowth) -> MemoryGrowth:
    source = asked.source
    return MemoryGrowth(
        max_bytes=int(quantity(str(asked.max))),
        per_ms=parse_duration(asked.per),
        path=source.path,
        port=source.port or 0,
        metric=source.metric,
    )


def _degradation(asked: api.Degradation) -> Degradation:
    return Degradation(max_increase_percent=float(asked.max_increase_percent), metric=asked.metric)
