"""What happened between two looks at a running `slipstream run`: differences of its counters per second. Pure; asks and prints nothing.

A counter that went back began anew, with its process or with its pool: what it says now is what happened since. No rate is negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from slipstream_api.sidecar import CacheFigures, CircuitState, PoolStatus, SidecarStatus
from slipstream_cli.top_durations import Buckets, Figures, Quantile, fell, quantile, since
from slipstream_cli.top_operations import OperationRates, OperationSample, operations

__all__ = ["Buckets", "Quantile", "quantile", "since"]

HISTOGRAM = "slipstream_request_seconds"
HITS = "slipstream_hits"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One look: the status, and each pool's durations: of all its operations together, and of each."""

    status: SidecarStatus
    durations: dict[str, Buckets]
    operations: dict[str, dict[str, OperationSample]] = {}


class CacheRates(Figures, frozen=True, kw_only=True):
    """Of one CachePolicy on one pool. `hit_ratio`: None where nothing was asked for."""

    policy: str
    requests_per_second: float
    hit_ratio: float | None
    stale_per_second: float
    bypass_per_second: float
    evictions_per_second: float
    entries: int
    bytes: int


class CircuitNow(Figures, frozen=True, kw_only=True):
    """One circuit; `trips`: how often it opened since the look before."""

    policy: str
    rule: str
    operation: str
    state: str
    shadow: bool
    since_ms: int
    trips: int


class PoolRates(Figures, frozen=True, kw_only=True):
    """One pool."""

    name: str
    healthy: bool
    requests_per_second: float
    errors_per_second: float
    hit_ratio: float | None
    p95: Quantile | None
    in_use: int
    idle: int
    pending: int
    max: int
    opened_per_second: float
    reuse_ratio: float | None
    cache: tuple[CacheRates, ...]
    circuits: tuple[CircuitNow, ...]
    operations: tuple[OperationRates, ...] = ()
    failures_per_second: dict[str, float]  # by reason, the most frequent first; those that there were


class Rates(Figures, frozen=True, kw_only=True):
    """Everything, over `seconds`."""

    seconds: float
    revision: str
    uptime_ms: int
    rss_bytes: int
    draining: bool
    rejected: str
    pools: tuple[PoolRates, ...]


def read(status: Any, metrics: str) -> Sample:
    """A sample from the answers of /status and /metrics; raises msgspec.ValidationError for a status that isn't one."""
    from prometheus_client.parser import text_string_to_metric_families  # takes a while to import, which no other command needs

    buckets: dict[tuple[str, str], dict[float, float]] = {}  # by pool and operation
    hits: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(metrics):
        if family.name in (HISTOGRAM, HITS):
            for found in family.samples:
                labels = found.labels
                if found.name == f"{HISTOGRAM}_bucket":
                    buckets.setdefault((labels["pool"], labels["operation"]), {})[float(labels["le"])] = found.value
                elif found.name == f"{HITS}_total":
                    hits[labels["pool"], labels["operation"]] = found.value
    by_pool: dict[str, dict[str, OperationSample]] = {}
    together: dict[str, dict[float, float]] = {}
    for (pool, operation), counts in buckets.items():
        durations = tuple(sorted(counts.items()))
        by_pool.setdefault(pool, {})[operation] = OperationSample(hits=hits.get((pool, operation), 0.0), durations=durations)
        whole = together.setdefault(pool, {})
        for bound, count in durations:
            whole[bound] = whole.get(bound, 0.0) + count
    return Sample(
        status=msgspec.convert(status, SidecarStatus),
        durations={pool: tuple(sorted(counts.items())) for pool, counts in together.items()},
        operations=by_pool,
    )


def rates(before: Sample, after: Sample, seconds: float) -> Rates:
    """Of the pools that are there now; one that is new, or began anew, counts from zero."""
    restarted = after.status.uptime_ms < before.status.uptime_ms
    known = {} if restarted else {pool.name: pool for pool in before.status.pools}
    pools = []
    for pool in after.status.pools:
        old, now = before.durations.get(pool.name, ()), after.durations.get(pool.name, ())
        earlier = known.get(pool.name)
        began = before.operations.get(pool.name, {})
        if earlier is None or _anew(earlier, pool) or fell(old, now):
            earlier, old, began = PoolStatus(name=pool.name), (), {}
        each = operations(began, after.operations.get(pool.name, {}), pool.circuits, seconds)
        pools.append(_pool(earlier, pool, quantile(since(old, now), 0.95), each, seconds))
    status = after.status
    return Rates(
        seconds=seconds,
        revision=status.revision,
        uptime_ms=status.uptime_ms,
        rss_bytes=status.rss_bytes,
        draining=status.draining,
        rejected="" if status.rejected is None else status.rejected.message,
        pools=tuple(pools),
    )


def _anew(before: PoolStatus, after: PoolStatus) -> bool:
    """A pool of that name with other connections: its upstream was changed, or it was gone in between."""
    return (
        after.requests_total < before.requests_total
        or after.errors_total < before.errors_total
        or after.connections.opened_total < before.connections.opened_total
    )


def _pool(before: PoolStatus, after: PoolStatus, p95: Quantile | None, each: tuple[OperationRates, ...], seconds: float) -> PoolRates:
    connections = after.connections
    opened = _grown(before.connections.opened_total, connections.opened_total)
    used = _grown(before.connections.requests_total, connections.requests_total)
    pairs = list(_pairs(before.cache, after.cache))
    return PoolRates(
        name=after.name,
        healthy=after.healthy,
        requests_per_second=_grown(before.requests_total, after.requests_total) / seconds,
        errors_per_second=_grown(before.errors_total, after.errors_total) / seconds,
        hit_ratio=_hits(pairs),
        p95=p95,
        in_use=connections.in_use,
        idle=connections.idle,
        pending=connections.pending,
        max=connections.max,
        opened_per_second=opened / seconds,
        reuse_ratio=max(0.0, 1.0 - opened / used) if used else None,
        cache=tuple(_cache(old, new, seconds) for old, new in pairs),
        circuits=tuple(_circuits(before.circuits, after.circuits)),
        operations=each,
        failures_per_second=_failures(before.failures, after.failures, seconds),
    )


def _failures(before: dict[str, int], after: dict[str, int], seconds: float) -> dict[str, float]:
    grown = {reason: _grown(before.get(reason, 0), count) / seconds for reason, count in after.items()}
    return {reason: rate for reason, rate in sorted(grown.items(), key=lambda item: -item[1]) if rate}


def _pairs(before: tuple[CacheFigures, ...], after: tuple[CacheFigures, ...]) -> Iterator[tuple[CacheFigures, CacheFigures]]:
    """Each policy now, and what it began from. `coalesced` may go back by itself, when a request that waited is sent after all."""
    earlier = {figures.policy: figures for figures in before}
    for new in after:
        old = earlier.get(new.policy)
        anew = old is None or new.hits < old.hits or new.misses < old.misses or new.bypass < old.bypass
        yield CacheFigures(policy=new.policy) if old is None or anew else old, new


def _hits(pairs: Iterable[tuple[CacheFigures, CacheFigures]]) -> float | None:
    """Share of what a rule looked up and found; what went past the cache isn't part of it, as in `slipstream status`."""
    hits = asked = 0
    for old, new in pairs:
        found = _grown(old.hits, new.hits)
        hits += found
        asked += found + _grown(old.misses, new.misses) + _grown(old.coalesced, new.coalesced)
    return hits / asked if asked else None


def _cache(old: CacheFigures, new: CacheFigures, seconds: float) -> CacheRates:
    outcomes = ("hits", "misses", "coalesced", "bypass")
    return CacheRates(
        policy=new.policy,
        requests_per_second=sum(_grown(getattr(old, name), getattr(new, name)) for name in outcomes) / seconds,
        hit_ratio=_hits([(old, new)]),
        stale_per_second=_grown(old.stale, new.stale) / seconds,
        bypass_per_second=_grown(old.bypass, new.bypass) / seconds,
        evictions_per_second=_grown(old.evictions, new.evictions) / seconds,
        entries=new.entries,
        bytes=new.bytes,
    )


def _circuits(before: tuple[CircuitState, ...], after: tuple[CircuitState, ...]) -> Iterator[CircuitNow]:
    trips = {(circuit.policy, circuit.rule, circuit.operation): circuit.trips_total for circuit in before}
    for circuit in after:
        earlier = trips.get((circuit.policy, circuit.rule, circuit.operation), 0)
        yield CircuitNow(
            policy=circuit.policy,
            rule=circuit.rule,
            operation=circuit.operation,
            state=circuit.state,
            shadow=circuit.shadow,
            since_ms=circuit.since_ms,
            trips=circuit.trips_total - earlier if earlier <= circuit.trips_total else circuit.trips_total,
        )


def _grown(before: int, after: int) -> int:
    return max(0, after - before)
