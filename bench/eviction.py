"""Which answers make room: miss ratios of LRU and SIEVE, and of an optimum that knows the future, on seeded traces. Judges nothing.

    python bench/eviction.py [--requests N]

Traces: Zipf with three exponents; the same with every fourth request a scan over what is never asked again; a loop; a popularity
that shifts. Stores hold 1, 5 and 20 % of 10,000 objects of one size. The policies are the store's own, asked as the data path asks: a
look-up, and a put where it found nothing. The optimum is Belady's with bypass: what is asked for again last makes room, and what would
be that itself isn't stored at all.
"""

from __future__ import annotations

import argparse
import heapq
import random
from bisect import bisect
from collections.abc import Callable, Iterator
from itertools import accumulate

from slipstream_api import config
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.plan import PoolCache
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.store import Store

OBJECTS, NOW, SHARES = 10_000, 1_000.0, (0.01, 0.05, 0.20)
MATCH = config.Match(protocol="HTTP", methods=("GET",), path_kind="All")
RULE = config.CacheRule(name="r", policy="p", store="p", match=MATCH, ttl_ms=1 << 40, partition=config.Partition(type="Shared"))
POOL = config.Pool(name="m", upstream=config.Upstream(host="m", port=80), cache_rules=(RULE,))
NEVER = 1 << 60


def zipf(dice: random.Random, exponent: float) -> Callable[[], int]:
    """Draws object n with a probability in proportion to 1 / n^exponent."""
    sums = list(accumulate(1 / (n + 1) ** exponent for n in range(OBJECTS)))
    return lambda: min(bisect(sums, dice.random() * sums[-1]), OBJECTS - 1)


def popular(exponent: float, requests: int) -> list[int]:
    draw = zipf(random.Random(1), exponent)
    return [draw() for _ in range(requests)]


def scanned(requests: int) -> list[int]:
    """A reader that goes through everything once, beside the others."""
    draw = zipf(random.Random(2), 1.0)
    return [OBJECTS + n if n % 4 == 0 else draw() for n in range(requests)]


def looped(requests: int) -> list[int]:
    """Always the same round, larger than two of the three stores."""
    return [n % (OBJECTS // 8) for n in range(requests)]


def shifting(requests: int) -> list[int]:
    """Zipf 1.0 whose ranks move by a tenth of all objects ten times."""
    draw = zipf(random.Random(3), 1.0)
    return [(draw() + n * 10 // requests * (OBJECTS // 10)) % OBJECTS for n in range(requests)]


def traces(requests: int) -> Iterator[tuple[str, list[int]]]:
    for exponent in (0.8, 1.0, 1.2):
        yield f"zipf {exponent}", popular(exponent, requests)
    yield "zipf 1.0 + scan", scanned(requests)
    yield "loop", looped(requests)
    yield "shifting", shifting(requests)


def missed(trace: list[int], entries: int, eviction: str) -> float:
    """The store's miss ratio."""
    cache = PoolCache(b"0" * 32, random.random)
    plan = Router(POOL, cache).plans[0]
    cache.commit(POOL)
    store = Store(config.StoreConfig(name="p", max_bytes=1 << 40, max_entries=entries, eviction="SIEVE" if eviction == "SIEVE" else "LRU"))
    snapshot, misses = cache.generations.capture(plan.tags, 0, path_scope("/")), 0
    for number in trace:
        key = number.to_bytes(16, "big")
        if store.get(key, plan, NOW) is None:
            misses += 1
            store.put(key, plan, snapshot, Storing("", NOW, 1e9), 200, b"", b"", NOW)
    assert len(store) <= entries
    return misses / len(trace)


def optimum(trace: list[int], entries: int) -> float:
    """No policy misses less on objects of one size."""
    following, seen = [NEVER] * len(trace), dict[int, int]()
    for at in range(len(trace) - 1, -1, -1):
        following[at] = seen.get(trace[at], NEVER)
        seen[trace[at]] = at
    held: dict[int, int] = {}  # object: when it is asked for next
    latest: list[tuple[int, int]] = []  # the same negated, with what no longer holds
    misses = 0
    for number, again in zip(trace, following, strict=True):
        misses += number not in held
        held[number] = again
        heapq.heappush(latest, (-again, number))
        while len(held) > entries:
            when, candidate = heapq.heappop(latest)
            if held.get(candidate) == -when:
                del held[candidate]
    return misses / len(trace)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    requests = parser.parse_args().requests
    wins: list[float] = []
    print(f"{'trace':16} {'store':>6} {'LRU':>7} {'SIEVE':>7} {'optimum':>8}   misses of SIEVE to LRU's")
    for name, trace in traces(requests):
        for share in SHARES:
            entries = int(OBJECTS * share)
            lru, sieve, least = (*(missed(trace, entries, kind) for kind in ("LRU", "SIEVE")), optimum(trace, entries))
            assert least <= min(lru, sieve)
            wins.append(sieve / lru)
            print(f"{name:16} {share:6.0%} {lru:7.1%} {sieve:7.1%} {least:8.1%}   {sieve / lru:.2f}")
    print(f"eviction: sieve_to_lru_mean={sum(wins) / len(wins):.2f} best={min(wins):.2f} worst={max(wins):.2f}")


if __name__ == "__main__":
    main()
