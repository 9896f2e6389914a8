"""From specs to what a sidecar is told: defaults of list items filled, durations in ms, sizes in bytes. Pure; it refuses nothing."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from slipstream_api import config as c
from slipstream_api.fallbacks import DeadEnd
from slipstream_api.models import CachePolicySpec, CircuitBreakerSpec, ConnectionPoolSpec
from slipstream_api.models.cachepolicy import Batch, CacheRule, Invalidation
from slipstream_api.models.circuitbreaker import BreakerRule, Fallback
from slipstream_api.models.connectionpool import Tls
from slipstream_api.models.match import HttpMatch, Match
from slipstream_api.scalars import parse_duration, parse_quantity


def match(spec: Match) -> c.Match:
    """A match of one protocol; of none: everything."""
    if spec.http is not None:
        kind, path = _path(spec.http)
        return c.Match(protocol="HTTP", methods=tuple(sorted(spec.http.methods)), path_kind=kind, path=path)
    if spec.mcp is not None:
        return c.Match(protocol="MCP", methods=tuple(sorted(spec.mcp.methods)), tools=tuple(sorted(spec.mcp.tools)))
    if spec.sql is not None:
        return c.Match(protocol="SQL", statements=tuple(sorted(spec.sql.statements)), tables=tuple(sorted(spec.sql.tables)))
    return c.Match()


def _path(http: HttpMatch) -> tuple[c.PathKind, str]:
    if http.path is not None:
        return "Exact", http.path
    if http.path_template is not None:
        return "Template", http.path_template
    if http.path_prefix is not None:
        return "Prefix", http.path_prefix
    return "All", ""


def cache_rule(rule: CacheRule, policy: str, mode: c.Mode) -> c.CacheRule:
    return c.CacheRule(
        name=rule.name,
        policy=policy,
        store=policy,
        mode=mode,
        match=match(rule.match),
        ttl_ms=parse_duration(rule.ttl),
        ttl_jitter_percent=rule.ttl_jitter_percent,
        stale_while_revalidate_ms=_optional(rule.stale_while_revalidate),
        stale_if_error_ms=_optional(rule.stale_if_error),
        stale_while_open_ms=_optional(rule.stale_while_open),
        negative_ttl_ms=parse_duration(rule.negative_ttl),
        min_latency_ms=parse_duration(rule.min_latency),
        partition=c.Partition(type=rule.partition.type, headers=_lower(rule.partition.headers)),
        key=c.CacheKey(query=rule.key.query, headers=_lower(rule.key.headers)),
        upstream_directives=rule.upstream_directives,
        tags=tuple(sorted(rule.tags)),
        batch=None if rule.batch is None else _batch(rule.batch),
    )


def _batch(batch: Batch) -> c.Batch:
    return c.Batch(
        item=batch.item,
        item_in=batch.item_in,
        item_type=batch.item_type,
        path=batch.path,
        items=batch.items,
        items_in=batch.items_in,
        answers=batch.answers,
        answers_by=batch.answers_by,
        id_field=batch.id_field,
        max_size=batch.max_size,
        max_wait_ms=parse_duration(batch.max_wait),
    )


def invalidation(rule: Invalidation, policy: str) -> c.Invalidation:
    return c.Invalidation(
        name=rule.name,
        policy=policy,
        match=match(rule.match),
        tags=tuple(sorted(rule.tags)),
        rules=tuple(sorted(rule.rules)),
        paths=tuple(sorted(rule.paths)),
    )


def warming(policy: str, spec: CachePolicySpec) -> tuple[c.Warming, ...]:
    """Only of a policy that is enforced: Shadow asks the upstream for nothing that nobody asked for."""
    if spec.warm is None or spec.mode != "Enforce":
        return ()
    requests = tuple(c.WarmRequest(path=r.path, headers=tuple((h.name, h.value) for h in r.headers)) for r in spec.warm.requests)
    return (c.Warming(policy=policy, requests_per_second=spec.warm.requests_per_second, requests=requests),)


def store(name: str, spec: CachePolicySpec) -> c.StoreConfig:
    return c.StoreConfig(
        name=name,
        max_bytes=parse_quantity(spec.storage.max_bytes),
        max_entries=spec.storage.max_entries,
        max_entry_bytes=parse_quantity(spec.storage.max_entry_bytes),
        eviction=spec.storage.eviction,
        max_partition_percent=spec.storage.max_partition_percent,
        compression=spec.storage.compression.type,
        compression_min_bytes=parse_quantity(spec.storage.compression.min_bytes),
    )


def breaker_rule(rule: BreakerRule, policy: str, spec: CircuitBreakerSpec) -> c.BreakerRule:
    assert spec.mode != "Disabled"
    return c.BreakerRule(
        name=rule.name,
        policy=policy,
        mode=spec.mode,
        match=match(rule.match),
        scope=rule.scope,
        window=c.Window(
            type=rule.window.type,
            duration_ms=parse_duration(rule.window.duration),
            calls=rule.window.calls,
            minimum_calls=rule.window.minimum_calls,
        ),
        trip=c.Trip(
            failure_rate_percent=rule.trip.failure_rate_percent,
            slow_call_rate_percent=rule.trip.slow_call_rate_percent,
            slow_call_duration_ms=parse_duration(rule.trip.slow_call_duration),
            consecutive_failures=rule.trip.consecutive_failures,
        ),
        failure_on=c.FailureOn(statuses=tuple(sorted(rule.failure_on.http.statuses)), errors=tuple(sorted(rule.failure_on.http.errors))),
        open=c.Open(
            duration_ms=parse_duration(rule.open.duration),
            backoff_percent=rule.open.backoff_percent,
            max_duration_ms=parse_duration(rule.open.max_duration),
            jitter_percent=rule.open.jitter_percent,
        ),
        half_open=c.HalfOpen(
            max_probes=rule.half_open.max_probes,
            success_rate_percent=rule.half_open.success_rate_percent,
            minimum_probes=rule.half_open.minimum_probes,
        ),
        max_concurrent_calls=rule.max_concurrent_calls,
        retry=c.Retry(
            max_attempts=rule.retry.max_attempts,
            budget_percent=rule.retry.budget_percent,
            per_try_timeout_ms=parse_duration(rule.retry.per_try_timeout) if rule.retry.per_try_timeout else 0,
        ),
        fallback=tuple(_fallback(step) for step in rule.fallback),
    )


def without(pool: c.Pool, broken: Sequence[DeadEnd]) -> c.Pool:
    """The pool without steps that can't be taken; the rest of their chains stays."""
    gone = {(end.rule, end.to) for end in broken if end.pool == pool.name}
    if not gone:
        return pool
    rules = tuple(
        replace(rule, fallback=tuple(step for step in rule.fallback if (rule.name, step.pool) not in gone)) for rule in pool.breaker_rules
    )
    return replace(pool, breaker_rules=rules)


def _fallback(step: Fallback) -> c.Fallback:
    return c.Fallback(
        type=step.type,
        causes=tuple(sorted(step.causes)),
        pool=step.pool or "",
        status=step.status or 503,
        body=step.body or "",
        content_type=step.content_type or "application/json",
        retry_after_ms=parse_duration(step.retry_after) if step.retry_after else 0,
    )


def pool(
    name: str,
    spec: ConnectionPoolSpec,
    binds: tuple[c.Bind, ...],
    passthrough: tuple[c.Passthrough, ...],
    cache_rules: tuple[c.CacheRule, ...],
    invalidations: tuple[c.Invalidation, ...],
    warming: tuple[c.Warming, ...],
    breaker_rules: tuple[c.BreakerRule, ...],
) -> c.Pool:
    limits, check = spec.limits, spec.health_check
    return c.Pool(
        name=name,
        upstream=c.Upstream(
            protocol=spec.upstream.protocol,
            host=spec.upstream.host.lower(),
            port=spec.upstream.port,
            tls=_tls(spec.upstream.tls),
        ),
        binds=binds,
        passthrough=passthrough,
        limits=c.Limits(
            max_connections=limits.max_connections,
            min_connections=limits.min_connections,
            max_pending=limits.max_pending,
            acquire_timeout_ms=parse_duration(limits.acquire_timeout),
            connect_timeout_ms=parse_duration(limits.connect_timeout),
            request_timeout_ms=parse_duration(limits.request_timeout),
            idle_timeout_ms=parse_duration(limits.idle_timeout),
            max_lifetime_ms=parse_duration(limits.max_lifetime),
            reuse=limits.reuse,
            max_header_bytes=parse_quantity(limits.max_header_bytes),
            max_headers=limits.max_headers,
            max_url_bytes=parse_quantity(limits.max_url_bytes),
            max_body_bytes=0 if limits.max_body_bytes is None else parse_quantity(limits.max_body_bytes),
        ),
        health_check=None
        if check is None
        else c.HealthCheck(
            interval_ms=parse_duration(check.interval),
            timeout_ms=parse_duration(check.timeout),
            path=check.http.path if check.http else "",
            unhealthy_threshold=check.unhealthy_threshold,
            healthy_threshold=check.healthy_threshold,
        ),
        cache_rules=cache_rules,
        invalidations=invalidations,
        warming=warming,
        breaker_rules=breaker_rules,
    )


def _tls(tls: Tls) -> c.Tls:
    return c.Tls(mode=tls.mode, server_name=tls.server_name or "", ca=tls.ca or "", certificate=tls.certificate or "", key=tls.key or "")


def _optional(duration: str | None) -> int | None:
    return None if duration is None else parse_duration(duration)


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(name.lower() for name in names))
