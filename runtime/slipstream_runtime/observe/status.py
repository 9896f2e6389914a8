"""A pool's state as the admin API tells it: figures, circuits, connections; no key, no path, nothing of any caller. Changes nothing."""

from __future__ import annotations

import os
from typing import Final

from slipstream_api.sidecar import CacheFigures, CircuitState, Connections, PoolStatus
from slipstream_runtime.observe.figures import MAX_OPERATIONS
from slipstream_runtime.proxy.service import HttpService

PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def pool_status(service: HttpService, now: float) -> PoolStatus:
    """Of one pool in force."""
    core, figures = service.pool.core, service.figures
    return PoolStatus(
        name=service.config.name,
        healthy=service.state.checker.healthy,
        connections=Connections(
            in_use=core.in_use,
            idle=core.idle,
            pending=core.waiting,
            max=core.limits.max_connections,
            opened_total=core.stats.connections_num - core.stats.connections_errors,
            failed_total=core.stats.connections_errors,
            lost_total=core.stats.connections_lost,
            evicted_total=core.stats.connections_evicted,
            requests_total=core.stats.requests_num - core.stats.requests_errors,
        ),
        cache=tuple(_cache(service, policy) for policy in dict.fromkeys(rule.policy for rule in service.config.cache_rules)),
        circuits=tuple(_circuits(service, now)),
        requests_total=figures.requests,
        errors_total=figures.errors,
        failures=dict(sorted(figures.failures.items())),
        cancelled_total=figures.cancelled,
        resent_total=figures.retries,
    )


def _cache(service: HttpService, policy: str) -> CacheFigures:
    counters = service.cache.counters(policy)
    return CacheFigures(
        policy=policy,
        hits=counters.hits,
        misses=counters.misses,
        stale=counters.stale,
        coalesced=counters.coalesced,
        bypass=counters.bypass,
        batches=counters.batches,
        batched=counters.batched,
        revalidated=counters.revalidated,
        refreshed=counters.refreshed,
        would_stale=counters.would_stale,
        would_leak=counters.would_leak,
        stored=counters.stored,
        rejected=counters.rejected,
        entries=counters.entries,
        bytes=counters.bytes,
        evictions=counters.evictions,
    )


def _circuits(service: HttpService, now: float) -> list[CircuitState]:
    judged: dict[tuple[str, str] | None, dict[str, None]] = {}
    for operation in service.router.seen:
        judged.setdefault(operation.circuit, {})[operation.name] = None
    return [
        CircuitState(
            policy=breaker.rule.policy,
            rule=breaker.rule.name,
            operation=breaker.operation,
            state=breaker.state(now),
            operations=tuple(sorted(judged.get((breaker.rule.name, breaker.operation), ())))[:MAX_OPERATIONS],
            shadow=breaker.shadow,
            trips_total=breaker.trips,
            refused_total=breaker.refused,
            would_refuse_total=breaker.would_refuse,
            since_ms=int(breaker.since(now) * 1000),
        )
        for breaker in service.circuits.all()
    ]


def rss_bytes() -> int:
    """Resident memory of this process; 0 where the kernel doesn't say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0
