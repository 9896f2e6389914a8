"""What explains a request besides the cache's decision: what a write ends, generations, circuit, connections. Reads and changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from slipstream_runtime.cores.breaker import Breaker
from slipstream_runtime.cores.generations import EPOCH_SHIFT, EVERYTHING, partition_scope, path_scope
from slipstream_runtime.cores.key import CacheRequest
from slipstream_runtime.cores.plan import RULE_TAG, CachePlan
from slipstream_runtime.cores.route import Operation
from slipstream_runtime.cores.store import Entry
from slipstream_runtime.proxy.service import HttpService


def invalidated(service: HttpService, operation: Operation, method: bytes, path: str) -> dict[str, Any] | None:
    """What such a write ends, when it begins and again when it is over; None where it ends nothing."""
    if not operation.writes:
        return None
    names = {scope: name for name, scope in service.cache.generations.named().items()}
    ended = [names[scope] for scope in operation.invalidates if scope in names]
    return {
        "by": service.router.invalidations(method, path),
        "everything": EVERYTHING in operation.invalidates,
        "tags": sorted(name for name in ended if not name.startswith(RULE_TAG)),
        "rules": sorted(name.removeprefix(RULE_TAG) for name in ended if name.startswith(RULE_TAG)),
        "paths": list(dict.fromkeys((path, *(fill.of(path) for fill in operation.fills)))),
    }


def generations(service: HttpService, plan: CachePlan, request: CacheRequest, path: str, entry: Entry | None) -> dict[str, Any]:
    """The epoch now, and the one at which each thing that the answer depends on was last invalidated (0: never)."""
    found = service.cache.generations
    last, scope = found.last, path_scope(path)
    story: dict[str, Any] = {
        "epoch": found.epoch,
        "everything": last[EVERYTHING],
        "rule": last[plan.scope],
        "tags": {name: last[number] for name, number in zip(plan.rule.tags, plan.tags[1:], strict=True)},
        "path": last[scope],
        "partition": last[partition_scope(request.partition)],
        "writesUnderWay": found.writes,
        "writeUnderWayHere": found.capture(plan.tags, request.partition, scope).writing(),
    }
    return story if entry is None else {"stored": entry.marks >> EPOCH_SHIFT, **story}


def circuit(service: HttpService, operation: Operation, now: float) -> dict[str, Any]:
    """The rule that matches, its circuit's state, and what that was decided from."""
    rule = operation.breaker
    if rule is None or operation.circuit is None:
        return {"why": "no breaker rule matches"}
    story: dict[str, Any] = {"rule": rule.name, "policy": rule.policy, "scope": rule.scope, "mode": rule.mode}
    breaker = service.circuits.peek(operation.circuit)
    if breaker is None:
        begins = service.circuits.held(rule.name) or (rule.mode if rule.mode.startswith("Forced") else "Closed")
        story |= {"state": begins, "why": "nobody has made such a call yet"}
    else:
        story |= _counted(breaker, now)
    story |= {"trip": msgspec.to_builtins(rule.trip), "maxConcurrentCalls": rule.max_concurrent_calls}
    return story | {"retry": msgspec.to_builtins(rule.retry), "fallback": msgspec.to_builtins(rule.fallback)}


def _counted(breaker: Breaker, now: float) -> dict[str, Any]:
    window, settings = breaker.window, breaker.rule.window
    window.roll(now)  # forgets what the next call would forget before it counts
    bounds = {"lastCalls": settings.calls} if settings.type == "Count" else {"lastSeconds": settings.duration_ms / 1_000}
    return {
        "state": breaker.state(now),
        "forSeconds": round(breaker.since(now), 1),
        "retryAfterSeconds": round(breaker.retry_after(now), 1),
        "window": {
            "calls": window.calls,
            "failures": window.failures,
            "slow": window.slow,
            "minimumCalls": settings.minimum_calls,
            **bounds,
        },
        "callsUnderWay": breaker.under_way,
        "trips": breaker.trips,
        "refused": breaker.refused,
        "wouldRefuse": breaker.would_refuse,
    }


def connections(service: HttpService, now: float) -> dict[str, Any]:
    """Those there are, their bounds, and whether one may be opened now."""
    core, health = service.pool.core, service.state.checker.health
    limits, budget = core.limits, service.context.budget
    return {
        "inUse": core.in_use,
        "idle": core.idle,
        "connecting": core.connecting,
        "pending": core.waiting,
        "max": limits.max_connections,
        "maxPending": limits.max_pending,
        "acquireTimeoutSeconds": limits.acquire_timeout_ms / 1_000,
        "backOffSeconds": round(max(0.0, core.dials_at - now), 3),
        "health": "not checked" if health is None else "ok" if health.healthy else "unhealthy",
        "ofAllPools": {"connections": budget.used, "max": budget.limit},
    }
