"""Counters of the runners' sidecars: what passed through the layers during a run. Reads them, and adds them up; judges nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from slipstream_operator.delivery.client import SidecarClient, Unreachable

# (metric, label, value): as the sidecar's /metrics names them
_SOURCES: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "requests": (("slipstream_requests_total", "", ""),),
    "errors": (("slipstream_errors_total", "", ""),),
    "hits": (("slipstream_cache_requests_total", "outcome", "hits"),),
    "misses": (("slipstream_cache_requests_total", "outcome", "misses"),),
    "retries": (("slipstream_retries_total", "outcome", "made"),),
    "rejected": (("slipstream_retries_refused_total", "", ""),),
    "opened": (("slipstream_pool_connections_opened_total", "", ""),),
}


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """Counted since a sidecar's start, or between two moments."""

    requests: int = 0
    errors: int = 0
    hits: int = 0
    misses: int = 0
    retries: int = 0
    rejected: int = 0
    opened: int = 0


def parse(text: str) -> Counters:
    """Out of a sidecar's /metrics; raises ValueError for what isn't that."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Counters(
        **{
            field: int(
                sum(s.value for s in samples for name, label, value in sources if s.name == name and s.labels.get(label, "") == value)
            )
            for field, sources in _SOURCES.items()
        }
    )


def added(several: Iterable[Counters]) -> Counters:
    """All of them together."""
    known = list(several)
    return Counters(**{field: sum(getattr(one, field) for one in known) for field in _SOURCES})


def difference(before: Counters, after: Counters) -> Counters:
    """What came in between; a sidecar that was restarted counts from nothing, so that none is below 0."""
    return Counters(**{field: max(0, getattr(after, field) - getattr(before, field)) for field in _SOURCES})


class CounterClient(SidecarClient):
    """Asks sidecars for their counters."""

    async def read(self, ips: Iterable[str]) -> Counters | None:
        """Of all that answer, added up; None when none does."""
        answers = await asyncio.gather(*(self._one(ip) for ip in ips))
        known = [one for one in answers if one is not None]
        return added(known) if known else None

    async def _one(self, ip: str) -> Counters | None:
        try:
            code, body = await self._call("GET", ip, "/metrics")
            return parse(body.decode("utf-8", "replace")) if code == 200 else None
        except (Unreachable, ValueError):
            return None
