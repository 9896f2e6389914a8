"""The policies under which the benchmarks run Slipstream: functions of ports to a RuntimeConfig; starts nothing."""

from __future__ import annotations

from typing import Any

import marks
from slipstream_api.config import (
    Bind,
    BreakerRule,
    CacheRule,
    Invalidation,
    Limits,
    Match,
    Partition,
    PathKind,
    Pool,
    RuntimeConfig,
    StoreConfig,
    Upstream,
)

BY_CALLER = Partition(type="Header", headers=("X-Session-Id", "Authorization"))


def config(port: int, upstream: int, *, host: str = "127.0.0.1", **pool: Any) -> RuntimeConfig:
    """One pool that listens on `port`; its breaker never hurts a healthy upstream."""
    fields: dict[str, Any] = {
        "name": "m",
        "upstream": Upstream(host=host, port=upstream),
        "binds": (Bind(kind="Local", address="127.0.0.1", port=port),),
        "breaker_rules": (BreakerRule(name="b", policy="b"),),
    }
    stores = (StoreConfig(name="s"),)
    return RuntimeConfig(namespace="n", workload="w", pools=(Pool(**{**fields, **pool}),), stores=stores)


def cache_rule(name: str, kind: PathKind, path: str, **changes: Any) -> CacheRule:
    match = Match(protocol="HTTP", methods=("GET",), path_kind=kind, path=path)
    return CacheRule(**{"name": name, "policy": "p", "store": "s", "ttl_ms": 3_600_000, "partition": BY_CALLER, "match": match, **changes})


def datapath(port: int, upstream: int) -> RuntimeConfig:
    """/hit and /pass have a cache rule, /large has none; pool, breaker, deadlines and figures are on for all."""
    return config(port, upstream, cache_rules=(cache_rule("hit", "Exact", "/hit"), cache_rule("pass", "Exact", "/pass")))


def checked(port: int, upstream: int, *, rule: dict[str, Any] | None = None, **pool: Any) -> RuntimeConfig:
    """For origin.py: what is stored is kept by caller, a write to a group invalidates it, everything else goes through."""
    rules, invalidations = [], []
    for n in range(marks.GROUPS):
        rules.append(cache_rule(f"r{n}", "Prefix", f"/stored{n}/", tags=(f"t{n}",), **(rule or {})))
        write = Match(protocol="HTTP", methods=("POST",), path_kind="Prefix", path=f"/written{n}/")
        invalidations.append(Invalidation(name=f"i{n}", policy="p", match=write, tags=(f"t{n}",)))
    return config(port, upstream, **{"cache_rules": tuple(rules), "invalidations": tuple(invalidations), **pool})


def roomy() -> Limits:
    """Limits that admit thousands of slow requests at once: each holds a connection for as long as its caller writes."""
    return Limits(max_connections=6_000, max_pending=6_000)
