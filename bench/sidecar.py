"""Slipstream as bench/datapath.py measures it, a process of its own: `python bench/sidecar.py PORT UPSTREAM_PORT`; measures nothing.

Pool, breaker, deadlines and figures are on for every path; /hit and /pass have a cache rule partitioned by caller, /large has none.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from slipstream_api.clock import MonotonicClock
from slipstream_api.config import Bind, BreakerRule, CacheRule, Match, Partition, Pool, RuntimeConfig, StoreConfig, Upstream
from slipstream_runtime.runtime import Runtime


def rule(name: str) -> CacheRule:
    return CacheRule(
        name=name,
        policy="p",
        store="s",
        ttl_ms=3_600_000,
        partition=Partition(type="Header", headers=("X-Session-Id", "Authorization")),
        match=Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path=f"/{name}"),
    )


async def serve(port: int, upstream: int) -> None:
    runtime = Runtime(MonotonicClock())
    await runtime.start(None)
    pool = Pool(
        name="m",
        upstream=Upstream(host="127.0.0.1", port=upstream),
        binds=(Bind(kind="Local", address="127.0.0.1", port=port),),
        cache_rules=(rule("hit"), rule("pass")),
        breaker_rules=(BreakerRule(name="b", policy="b"),),
    )
    await runtime.apply(RuntimeConfig(namespace="n", workload="w", pools=(pool,), stores=(StoreConfig(name="s"),)), "Local")
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
