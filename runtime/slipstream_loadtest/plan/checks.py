"""The checks that a LoadTest asks for, as data of its plan, and why some couldn't work. Pure; judges nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slipstream_api.cel import quantity
from slipstream_api.scalars import parse_duration
from slipstream_loadtest.plan.asked import Checks, Degradation, Isolation, MemoryGrowth
from slipstream_loadtest.plan.requests import CANARY, http_request
from slipstream_loadtest.plan.scenarios import HttpRequest

if TYPE_CHECKING:
    from slipstream_api.models import loadtest as api

_SLOT: Final = re.compile(r"\$\$|\$\{([^{}]*)\}")


def checks_of(asked: api.Checks) -> Checks:
    """The plan's checks."""
    return Checks(
        isolation=_isolation(asked.isolation) if asked.isolation is not None else None,
        memory_growth=_growth(asked.memory_growth) if asked.memory_growth is not None else None,
        degradation=_degradation(asked.degradation) if asked.degradation is not None else None,
    )


def refusal(checks: Checks) -> tuple[str, str] | None:
    """Why the checks couldn't work: field and what to change. That their templates name what there is, is seen where all of them are."""
    asked = checks.isolation
    if asked is None or asked.write is None or asked.read is None:
        return None
    path = "spec.checks.isolation"
    if CANARY not in _names(asked.write):
        return f"{path}.write", "it must leave ${canary} in the session's data: put it into path, headers or body"
    if CANARY in _names(asked.read):
        return f"{path}.read", "without ${canary}: an answer that only repeats the question would hold it too"
    return None


def _isolation(asked: api.Isolation) -> Isolation:
    return Isolation(
        sessions=asked.sessions,
        rounds=asked.rounds,
        write=http_request(asked.write) if asked.write is not None else None,
        read=http_request(asked.read) if asked.read is not None else None,
    )


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
