"""Nanoseconds per operation of the data path's cores; the store has store.py and eviction.py. No network, no event loop.

    python bench/cores.py [--quick]
    python bench/cores.py --layers [--pure] [--ns] [--json PATH]   # what each layer of a request costs; instructions need Debian's valgrind

Figures are the best of several rounds on one thread; the machine's noise only ever adds. `--layers` prints a table for each path (a hit, a
miss that passes through), of ordinary Python and of what `make compile` made: nanoseconds and instructions of each layer, their sum, the
whole path and what is left of it. Ends with 1 where layers count something twice. Two minutes, more beside other work; `--ns`, of ordinary
Python alone, some seconds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from layers.table import MOST, table
from slipstream_api import config
from slipstream_runtime.cores.breaker import Breaker
from slipstream_runtime.cores.fields import PlainField
from slipstream_runtime.cores.flight import Flights
from slipstream_runtime.cores.freshness import Storing, judge
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.pool import PoolCore
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.store import Store
from timing import best

NOW = 1_000.0
HEAD, BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 120", b"x" * 120
MATCH = config.Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path="/episodic/recall")
RULE = config.CacheRule(
    name="recall",
    policy="cache",
    store="cache",
    match=MATCH,
    ttl_ms=300_000,
    partition=config.Partition(type="Header", headers=("X-Session-Id",)),
    tags=("events",),
)
WRITE = config.Invalidation(
    name="remember",
    policy="cache",
    match=config.Match(protocol="HTTP", methods=("POST",), path_kind="Exact", path="/episodic/remember"),
    tags=("events",),
)
BREAKER = config.BreakerRule(name="default", policy="breaker")
POOL = config.Pool(
    name="memory", upstream=config.Upstream(host="memory", port=80), cache_rules=(RULE,), invalidations=(WRITE,), breaker_rules=(BREAKER,)
)
# As W1 of the reference: ten lines, five of them new in every request.
REQUEST = [
    PlainField(name, b"some ordinary value")
    for name in (
        b"host",
        b"accept",
        b"user-agent",
        b"x-session-id",
        b"traceparent",
        b"x-request-id",
        b"accept-encoding",
        b"x-a",
        b"x-b",
        b"x-c",
    )
]
ANSWER = [PlainField(name, b"some ordinary value") for name in (b"content-type", b"date", b"server", b"content-length", b"x-a", b"x-b")]


def half() -> float:
    return 0.5


def filled(entries: int, limit: int) -> tuple[Store, Router, list[bytes]]:
    """A store with so many entries, and their keys."""
    cache = PoolCache(b"0" * 32, half)
    router = Router(POOL, cache)
    cache.commit(POOL)
    store = Store(config.StoreConfig(name="cache", max_bytes=1 << 40, max_entries=limit))
    keys = [n.to_bytes(16, "big") for n in range(entries)]
    for key in keys:
        put(store, router, key)
    return store, router, keys


def put(store: Store, router: Router, key: bytes) -> None:
    plan = router.plans[0]
    snapshot = plan.cache.generations.capture(plan.tags, 7, path_scope("/episodic/recall"))
    store.put(key, plan, snapshot, Storing("", NOW, 300.0), 200, HEAD, bytes(BODY[:60]) + BODY[60:], NOW)


def caching(count: int) -> dict[str, float]:
    store, router, keys = filled(10_000, 10_000)
    plan = router.plans[0]
    fresh = [n.to_bytes(16, "little") + b"." for n in range(count)]
    generations = plan.cache.generations
    generations.bump((generations.tag("unrelated"),))  # so that a hit compares scopes instead of being current at a glance

    def hits(n: int) -> None:
        get = store.get
        for at in range(n):
            get(keys[at % 10_000], plan, NOW)

    def misses(n: int) -> None:
        get = store.get
        for at in range(n):
            get(fresh[at], plan, NOW)

    def puts(n: int) -> None:
        for at in range(n):
            put(store, router, fresh[at])

    def writes(n: int) -> None:
        operation = router.route(b"POST", "/episodic/remember")
        for _ in range(n):
            generations.begin_write(operation.invalidates, "/episodic/remember").end()

    def reads(n: int) -> None:
        read = plan.reader.read
        for _ in range(n):
            read(b"GET", b"/episodic/recall?q=word", REQUEST)

    request = plan.reader.read(b"GET", b"/episodic/recall?q=word", REQUEST)

    def judgements(n: int) -> None:
        for _ in range(n):
            judge(plan, request, 200, ANSWER, NOW)

    return {
        "read key (10 lines)": best(reads, count),
        "get hit": best(hits, count),
        "get miss": best(misses, count),
        "put + evict": best(puts, count),
        "judge an answer": best(judgements, count),
        "write begin + end": best(writes, count),
    }


def routing(count: int) -> dict[str, float]:
    router = Router(POOL, PoolCache(b"0" * 32, half))
    paths = [f"/other/{n}" for n in range(count)]

    def known(n: int) -> None:
        route = router.route
        for _ in range(n):
            route(b"GET", "/episodic/recall")

    def unknown(n: int) -> None:
        route = router.route
        for at in range(n):
            route(b"GET", paths[at])

    router_figures = {"route (known)": best(known, count), "route (never seen)": best(unknown, count)}
    flights: Flights[int] = Flights()
    plan = router.plans[0]
    snapshot = plan.cache.generations.capture(plan.tags, 7, path_scope("/"))

    def flown(n: int) -> None:
        for at in range(n):
            flight = flights.join(b"key", snapshot, at, NOW)
            if flight is not None:
                flights.land(flight)

    return {**router_figures, "flight join + land": best(flown, count)}


def connecting(count: int) -> dict[str, float]:
    breaker = Breaker(BREAKER, "", NOW, half, lambda transition: None)
    pool: PoolCore[int, int] = PoolCore(config.Limits(), half, NOW)
    pool.enqueue(0, NOW + 1, NOW)
    for _, slot in pool.connected(1, 0.0, NOW).grant:
        pool.put(slot, NOW)

    def calls(n: int) -> None:
        for _ in range(n):
            breaker.record(breaker.acquire(NOW), False, 0.001, NOW)

    def leases(n: int) -> None:
        for _ in range(n):
            slot = pool.take(NOW)
            assert slot is not None
            pool.put(slot, NOW)

    return {"breaker acquire + success": best(calls, count), "pool take + put": best(leases, count)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the operations")
    parser.add_argument("--layers", action="store_true", help="the layers of a request's path instead")
    parser.add_argument("--pure", action="store_true", help="of --layers: never the compiled modules")
    parser.add_argument("--ns", action="store_true", help="of --layers: no instructions and nothing compiled, so without valgrind")
    parser.add_argument("--json", type=Path, help="of --layers: a file for the figures")
    parser.add_argument(
        "--break", dest="broken", metavar="LAYER", default="", help="of --layers: count this one twice, which has to be found"
    )
    chosen = parser.parse_args()
    if chosen.layers:
        return table(MOST // 10 if chosen.quick else MOST, chosen.pure, not chosen.ns, chosen.json, chosen.broken)
    count = 20_000 if chosen.quick else 200_000
    figures = {**routing(count), **caching(count), **connecting(count)}
    for name, value in figures.items():
        print(f"{name:28s} {value:8.0f} ns")
    return 0


if __name__ == "__main__":
    sys.exit(main())
