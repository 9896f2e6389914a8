"""Builders for tests of the cores: small configurations, header lines, a random source that can be set."""

from __future__ import annotations

from typing import Any

from slipstream_api import config
from slipstream_runtime.cores.fields import PlainField
from slipstream_runtime.cores.freshness import Storing
from slipstream_runtime.cores.generations import path_scope
from slipstream_runtime.cores.grace import Grace
from slipstream_runtime.cores.plan import CachePlan, PoolCache
from slipstream_runtime.cores.route import Router
from slipstream_runtime.cores.store import Store

SECRET = b"0123456789abcdef0123456789abcdef"
UPSTREAM = config.Upstream(host="memory", port=8080)


class Dice:
    """A random source that gives what it is told."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self) -> float:
        return self.value


def lines(**values: str | list[str]) -> list[PlainField]:
    """Header lines; an underscore in a name stands for a dash, a list for repeated lines."""
    return [
        PlainField(name.replace("_", "-").encode(), one.encode("latin-1"))
        for name, value in values.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def a_match(methods: str = "GET", **path: str) -> config.Match:
    """`exact=`, `template=` or `prefix=` a path; everything without."""
    names = {"exact": "Exact", "template": "Template", "prefix": "Prefix"}
    kind, text = next(iter(path.items()), ("", ""))
    split = tuple(methods.split()) if methods else ()
    return config.Match(protocol="HTTP", methods=split, path_kind=names.get(kind, "All"), path=text)  # type: ignore[arg-type]  # of the table


def a_cache_rule(name: str = "recall", **changes: Any) -> config.CacheRule:
    settings: dict[str, Any] = {
        "name": name,
        "policy": "policy",
        "store": "policy",
        "match": a_match(exact="/recall"),
        "ttl_ms": 60_000,
        "ttl_jitter_percent": 0,
        "partition": config.Partition(type="Header", headers=("X-Session-Id",)),
        "tags": ("events",),
    }
    return config.CacheRule(**{**settings, **changes})


def an_invalidation(name: str = "remember", match: config.Match | None = None, tags: tuple[str, ...] = ("events",)) -> config.Invalidation:
    return config.Invalidation(name=name, policy="policy", match=match or a_match("POST", exact="/remember"), tags=tags)


def a_breaker_rule(name: str = "default", **changes: Any) -> config.BreakerRule:
    settings: dict[str, Any] = {"name": name, "policy": "breaker", "window": config.Window(type="Count", calls=10, minimum_calls=4)}
    return config.BreakerRule(**{**settings, **changes})


def a_pool(*cache_rules: config.CacheRule, invalidations: tuple[config.Invalidation, ...] = (), **changes: Any) -> config.Pool:
    return config.Pool(name="memory", upstream=UPSTREAM, cache_rules=cache_rules, invalidations=invalidations, **changes)


class Cached:
    """A pool with one cache rule, its state, its store: what most tests of caching need."""

    def __init__(
        self, rule: config.CacheRule | None = None, store: config.StoreConfig | None = None, cache: PoolCache | None = None
    ) -> None:
        self.dice = Dice()
        self.cache = cache or PoolCache(SECRET, self.dice)
        self.pool = a_pool(rule or a_cache_rule(), invalidations=(an_invalidation(),))
        self.router = Router(self.pool, self.cache)
        self.cache.commit(self.pool)
        self.plan: CachePlan = self.router.plans[0]
        self.store = Store(store or config.StoreConfig(name="policy"))

    def reload(self, rule: config.CacheRule, invalidations: tuple[config.Invalidation, ...] = (an_invalidation(),)) -> None:
        self.pool = a_pool(rule, invalidations=invalidations)
        self.router = Router(self.pool, self.cache)
        self.cache.commit(self.pool)
        self.plan = self.router.plans[0]

    def key(self, session: str = "s1", target: str = "/recall?q=a") -> bytes:
        return self.plan.reader.read(b"GET", target.encode(), lines(x_session_id=session)).key

    def capture(self, session: str = "s1", path: str = "/recall") -> Any:
        request = self.plan.reader.read(b"GET", path.encode(), lines(x_session_id=session))
        return self.cache.generations.capture(self.plan.tags, request.partition, path_scope(path))

    def put(self, now: float, key: bytes | None = None, body: bytes = b"body", ttl: float = 60.0, stale: float = 0.0, **more: Any) -> str:
        snapshot = more.pop("snapshot", None) or self.capture()
        storing = Storing("", now, ttl, more.pop("age", 0.0), more.pop("grace", Grace(0.0, stale, stale, 0.0)))
        return self.store.put(key or self.key(), self.plan, snapshot, storing, 200, b"HTTP/1.1 200 OK", body, now)
