"""What the store costs: bytes an entry, nanoseconds a look-up and an invalidation, the longest pause, compression.

    python bench/store.py [--entries N] [--quick]

Memory is that of a process of its own with so many entries, of which every octet is its own: 16 of key, 100 of head, 200 of body.
Overhead is what it has grown by, without the octets of head and body. Times are CPU time of the thread, the least of several rounds; a
get is of one of 10,000 entries that are asked for, in a store of all, after an unrelated write, and one of all at random beside it, which
measures the machine's memory. The pause is the longest of all single operations of a mix that fills, evicts, hits, invalidates and
sweeps, full collections included, in CPU time, so that other processes of the machine don't count. Compared with the plain way in the
same run: OrderedDict, objects with slots, one number object each for every number. Ends with 1 where a bar isn't kept.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import subprocess
import sys
import time
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slipstream_api import config
from slipstream_runtime import compression
from slipstream_runtime.cores import store as module
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.grace import Grace
from slipstream_runtime.cores.plan import CachePlan, PoolCache
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.store import ENTRY_OVERHEAD, Store

HEAD, BODY, CALLERS, NOW = 100, 200, 10_000, 1_000.0
BARS = {"overhead": 450.0, "get_ns": 1_000.0, "invalidate_ns": 1_000.0, "pause_ms": 20.0}
MATCH = config.Match(protocol="HTTP", methods=("GET",), path_kind="Exact", path="/recall")
PARTITION = config.Partition(type="Header", headers=("X-Session-Id",))
RULE = config.CacheRule(name="r", policy="p", store="p", match=MATCH, ttl_ms=300_000, partition=PARTITION, tags=("events", "all"))
POOL = config.Pool(name="m", upstream=config.Upstream(host="m", port=80), cache_rules=(RULE,))


GRACE = Grace(0.0, 60.0, 60.0, 0.0)


class World:
    """A store and what it takes to fill it."""

    def __init__(self, entries: int, **settings: Any) -> None:
        self.cache = PoolCache(b"0" * 32, random.random)
        self.plan: CachePlan = Router(POOL, self.cache).plans[0]
        self.cache.commit(POOL)
        self.store = Store(config.StoreConfig(name="p", **{"max_bytes": 1 << 40, "max_entries": entries, **settings}))
        self.random = random.Random(1)

    def key(self, number: int) -> bytes:
        return (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)).to_bytes(16, "big")

    def put(self, number: int, now: float) -> None:
        generations, plan, roll = self.cache.generations, self.plan, self.random.random
        snapshot = generations.capture(plan.tags, hash((1, number % CALLERS)), path_scope("/recall"))
        storing = Storing("", now, 300.0 - 30 * roll(), 0.01 * roll(), GRACE)
        head, body = number.to_bytes(8, "big").ljust(HEAD, b"h"), number.to_bytes(8, "big").ljust(BODY, b"b")
        self.store.put(self.key(number), plan, snapshot, storing, 200, head, body, now)


class PlainEntry:
    """As one would write it first."""

    __slots__ = ("age", "body", "epoch", "expires", "head", "key", "partition", "path", "received", "size", "stale")

    def __init__(self, key: bytes, number: int, now: float) -> None:
        self.key, self.partition, self.path, self.epoch = key, number % 1024 + 2000, number % 1024 + 1000, number + 1000
        self.received, self.age, self.expires, self.stale = now + 0.1, now / 3, now + number, now / 7
        self.head, self.body = number.to_bytes(8, "big").ljust(HEAD, b"h"), number.to_bytes(8, "big").ljust(BODY, b"b")
        self.size = HEAD + BODY + number


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def memory(kind: str, entries: int) -> dict[str, float]:
    """In a process of its own: overhead an entry by resident memory, or by tracemalloc."""
    traced = kind.endswith("traced")
    world = World(entries, **({"max_partition_percent": 50} if "quota" in kind else {}))
    plain: OrderedDict[bytes, PlainEntry] = OrderedDict()
    gc.collect()
    if traced:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] if traced else resident()
    for number in range(entries):
        if kind.startswith("plain"):
            key = world.key(number)
            plain[key] = PlainEntry(key, number, NOW)
        else:
            world.put(number, NOW + number * 1e-4)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0] if traced else resident()
    began = time.thread_time()
    gc.collect()
    assert entries in (len(world.store), len(plain))
    return {"overhead": (after - before) / entries - HEAD - BODY, "collection_ms": (time.thread_time() - began) * 1e3}


def best(operation: Callable[[int], None], count: int) -> float:
    """CPU nanoseconds for one of `count` operations."""
    found = []
    for _ in range(5):
        began = time.thread_time_ns()
        operation(count)
        found.append((time.thread_time_ns() - began) / count)
    return min(found)


def times(entries: int, eviction: str) -> dict[str, float]:
    world = World(entries, eviction=eviction)
    for number in range(entries):
        world.put(number, NOW)
    store, plan, generations = world.store, world.plan, world.cache.generations
    keys, anywhere = ([world.key(world.random.randrange(some)) for _ in range(50_000)] for some in (10_000, entries))
    generations.bump((generations.tag("unrelated"),))  # a hit compares its scopes instead of being current at a glance
    scopes = (generations.tag("events"),)

    def gets(n: int) -> None:
        get = store.get
        for at in range(n):
            get(keys[at], plan, NOW)

    def scattered(n: int) -> None:
        get = store.get
        for at in range(n):
            get(anywhere[at], plan, NOW)

    def puts(n: int) -> None:
        for at in range(n):
            world.put(entries + at, NOW)

    def invalidations(n: int) -> None:
        for _ in range(n):
            generations.bump(scopes)

    return {
        "get_ns": best(gets, 50_000),
        "any_ns": best(scattered, 50_000),
        "put_ns": best(puts, 50_000),
        "invalidate_ns": best(invalidations, 50_000),
    }


def pause(entries: int, eviction: str, operations: int) -> dict[str, float]:
    """The longest operation of a mix, by kind, in milliseconds."""
    world = World(entries, eviction=eviction, max_partition_percent=50)
    generations, plan = world.cache.generations, world.plan
    longest: dict[str, float] = {}

    def timed(kind: str, operation: Callable[[], object]) -> None:
        began = time.thread_time()
        operation()
        longest[kind] = max(longest.get(kind, 0.0), (time.thread_time() - began) * 1e3)

    for number in range(entries + operations):
        now = NOW + number * 1e-4
        timed("put", lambda number=number, now=now: world.put(number, now))  # type: ignore[misc]  # bound at once
        key = world.key(world.random.randrange(number + 1))
        timed("get", lambda key=key, now=now: world.store.get(key, plan, now))  # type: ignore[misc]  # bound at once
        if number % 50 == 0:
            timed("sweep", lambda now=now: world.store.sweep(now))  # type: ignore[misc]  # bound at once
        if number % 50_000 == 0:
            timed("invalidate", lambda: generations.bump_tags(("events",)))
            timed("collect", gc.collect)
    return longest


def compressing() -> dict[str, float]:
    """10 kB of JSON as a memory server answers."""
    dice = random.Random(2)
    words = ["memory", "session", "event", "recall", "agent", "vector", "score", "user", "note", "plan", "tool", "answer"]
    rows = [
        {
            "id": dice.randrange(10**9),
            "score": round(dice.random(), 6),
            "text": " ".join(dice.choices(words, k=12)),
            "at": 1_700_000_000 + n,
        }
        for n in range(75)
    ]
    body, head = json.dumps(rows).encode()[:10_000], b"HTTP/1.1 200 OK\r\nContent-Type: application/json"
    found = {}
    for level in (1, 3, 9):
        codec = compression.zstd(1, level)
        data = codec.encode(head, body)
        assert data is not None
        both = [bytes(bytearray(data)) for _ in range(2)]  # not the same object, so that nothing is remembered

        def decode(n: int, codec: Any = codec, both: list[bytes] = both) -> None:
            for at in range(n):
                codec.decode(both[at % 2])

        def encode(n: int, codec: Any = codec) -> None:
            for _ in range(n):
                codec.encode(head, body)

        encoding, decoding = best(encode, 500) / 1e3, best(decode, 500) / 1e3
        print(f"zstd level {level}: 10 kB of JSON to {len(data)} B, encode {encoding:.0f} us, decode {decoding:.1f} us")
        if level == compression.LEVEL:
            found = {"ratio": len(body) / len(data), "encode_us": encoding, "decode_us": decoding}
    return found


def apart(kind: str, entries: int) -> dict[str, float]:
    """`memory` in another process."""
    out = subprocess.run(
        [sys.executable, __file__, "--memory", kind, "--entries", str(entries)], capture_output=True, check=True, text=True
    )
    return dict(json.loads(out.stdout))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="50,000 entries: no figure to quote")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    entries = 50_000 if arguments.quick else arguments.entries
    if arguments.memory:
        print(json.dumps(memory(arguments.memory, entries)))
        return 0
    print(f"{entries} entries, {'compiled' if module.__file__.endswith('.so') else 'pure Python'}, ENTRY_OVERHEAD {ENTRY_OVERHEAD}")
    fewer = entries // 10  # tracemalloc makes everything many times slower
    by_kind = {kind: apart(kind, entries) for kind in ("ours", "ours-quota", "plain")}
    by_kind |= {kind: apart(kind, fewer) for kind in ("ours-traced", "plain-traced")}
    for kind, found in by_kind.items():
        print(f"{kind:13} {found['overhead']:6.0f} B an entry, a full collection {found['collection_ms']:6.1f} ms")
    figures = {"overhead": by_kind["ours"]["overhead"], **times(entries, "LRU")}
    sieve = times(entries, "SIEVE")
    for name, found in (("LRU", figures), ("SIEVE", sieve)):
        print(f"{name:6} " + ", ".join(f"{kind} {found[kind]:.0f}" for kind in ("get_ns", "any_ns", "put_ns", "invalidate_ns")))
    longest = {eviction: pause(entries, eviction, entries // 2) for eviction in ("LRU", "SIEVE")}
    for eviction, kinds in longest.items():
        print(f"{eviction:6} longest pause, ms: " + ", ".join(f"{kind} {value:.2f}" for kind, value in kinds.items()))
    figures["pause_ms"] = max(max(kinds.values()) for kinds in longest.values())
    zstd = compressing()
    missed = [name for name, bar in BARS.items() if figures[name] >= bar]
    print(
        "store: " + " ".join(f"{name}={figures[name]:.1f}(<{bar:.0f})" for name, bar in BARS.items())
        + f" zstd_ratio={zstd['ratio']:.1f} overhead_to_plain={figures['overhead'] / by_kind['plain']['overhead']:.2f}"
        + (f" missed={','.join(missed)}" if missed else "")
    )  # fmt: skip
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
