"""From method and path to the operation with its rules: one look-up for what was seen before. Pure; never rewrites a path.

Paths are compared as they came. A path that isn't in normal form might name a resource under another spelling, so no cache rule takes
it, and as a write it invalidates every tag of the pool. Invalidations also match regardless of case and of a slash at the end, since
many servers do."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from slipstream_api import config
from slipstream_runtime.cores.cache_status import NO_READ, NO_RULE, SHADOWED
from slipstream_runtime.cores.ends import Ends, PathFill, fills, touched
from slipstream_runtime.cores.generations import EVERYTHING
from slipstream_runtime.cores.matching import Layer, segments
from slipstream_runtime.cores.plan import CachePlan, PoolCache
from slipstream_runtime.cores.retry import RetryPolicy

SAFE: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
NAMED: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"))
MAX_REMEMBERED: Final = 4_096  # paths, over all methods
MAX_REMEMBERED_PATH: Final = 512
# Not in normal form (RFC 3986 §6.2.2): an empty or dotted segment, a parameter, a backslash, or an octet that needn't, or mustn't, be
# percent-encoded, or isn't so in upper case. Only asked once per remembered path.
_ABNORMAL: Final = re.compile(r"//|/\.{1,2}(?:/|$)|[;\\]|%(?:2[DEF]|3[0-9]|4[1-9A-F]|5[0-9AF]|5C|6[1-9A-F]|7[0-9AE]|00)|%(?![0-9A-F]{2})")


class Operation:
    """What the rules say about requests of one kind; few per pool, shared by all requests of that kind."""

    __slots__ = (
        "breaker",
        "cache",
        "circuit",
        "diverts",
        "fallback",
        "fills",
        "invalidates",
        "method",
        "name",
        "normal",
        "passing",
        "retry",
        "safe",
        "writes",
    )

    def __init__(
        self, name: str, method: bytes, cache: CachePlan | None, invalidates: tuple[int, ...], breaker: config.BreakerRule | None
    ) -> None:
        self.name = name  # method and path of the most specific rule: bounded, fit for a label
        self.method = method
        self.cache = cache
        # Cache-Status where no store is asked, as a line.
        self.passing: bytes = SHADOWED if cache is not None else NO_RULE if method == b"GET" or method == b"HEAD" else NO_READ
        self.invalidates = invalidates  # scopes for Generations.begin_write
        self.fills: tuple[PathFill, ...] = ()  # paths whose scopes are ended too
        self.breaker = breaker
        active = breaker is not None and breaker.mode != "Shadow"  # in Shadow a rule is measured and changes nothing
        self.fallback: tuple[config.Fallback, ...] = breaker.fallback if breaker is not None and active else ()
        self.diverts: bool = any(step.type == "Upstream" for step in self.fallback)
        self.retry: RetryPolicy | None = None  # None: one attempt
        if breaker is not None and active and breaker.retry.max_attempts > 1:
            self.retry = RetryPolicy(breaker.retry)
        # Which circuit (Circuits.get): of the rule, or of this operation under it.
        self.circuit: tuple[str, str] | None = None
        if breaker is not None:
            self.circuit = (breaker.name, name if breaker.scope == "Operation" else "")
        self.safe: bool = method in SAFE
        self.normal: bool = True  # the path is in normal form
        self.writes: bool = False  # wrap it in Generations.begin_write and Write.end


class Router:
    """The rules of one pool. Building one changes nothing that is in force; `PoolCache.commit` does."""

    __slots__ = ("_breakers", "_caches", "_invalidations", "_operations", "_remembered", "_seen", "plans", "pool")

    def __init__(self, pool: config.Pool, cache: PoolCache) -> None:
        self.pool = pool
        self.plans: tuple[CachePlan, ...] = tuple(CachePlan(pool, rule, cache) for rule in pool.cache_rules)
        self._caches: Layer[CachePlan] = Layer([(plan.rule.match, plan) for plan in self.plans])
        self._invalidations: Layer[Ends] = Layer([(_folded(rule.match), self._ends(rule, cache)) for rule in pool.invalidations])
        self._breakers: Layer[config.BreakerRule] = Layer([(rule.match, rule) for rule in pool.breaker_rules])
        self._operations: dict[tuple[object, ...], Operation] = {}
        self._remembered: dict[bytes, dict[str, Operation]] = {}
        self._seen: int = 0

    def route(self, method: bytes, path: str) -> Operation:
        """The operation of a request; `path` without query, as it goes upstream."""
        of_method = self._remembered.get(method)
        if of_method is not None:
            operation = of_method.get(path)
            if operation is not None:
                return operation
        operation = self._decide(method, path)
        if len(path) <= MAX_REMEMBERED_PATH and len(method) <= 16:
            if self._seen >= MAX_REMEMBERED:
                self._remembered = {}  # a flood of distinct paths costs matching, never memory
                self._seen = 0
            self._seen += 1
            self._remembered.setdefault(method, {})[path] = operation
        return operation

    @property
    def seen(self) -> list[Operation]:
        """Every operation that was asked for so far; bounded by the rules."""
        return list(self._operations.values())

    def invalidations(self, method: bytes, path: str) -> list[str]:
        """The names of those that such a request sets off; for explaining."""
        return [rule.name for rule in self._invalidations.all(method.upper(), fold(path))] if self.plans else []

    def _decide(self, method: bytes, path: str) -> Operation:
        normal = is_normal(path)
        cached = self._caches.first(b"GET" if method == b"HEAD" else method, path) if normal else None
        breaker = self._breakers.first(method, path)
        invalidations = self._invalidations.all(method.upper(), fold(path))
        invalidates = self._scopes(method, invalidations, normal)
        matches = [rule.match for rule in invalidations]
        if cached is not None:
            matches.append(cached.rule.match)
        if breaker is not None:
            matches.append(breaker.match)
        name = _name(method, matches)
        cache = cached if method == b"GET" or method == b"HEAD" else None  # methods with bodies go past the cache
        label = method if method in NAMED else b"OTHER"
        fills = tuple(fill for rule in invalidations for fill in rule.fills) if self.plans and normal else ()
        identity = (name, label, id(cache), invalidates, fills, id(breaker), normal)
        operation = self._operations.get(identity)
        if operation is None:
            operation = Operation(name, label, cache, invalidates, breaker)
            operation.normal = normal
            operation.fills = fills
            operation.writes = bool(self.plans) and (bool(invalidates) or bool(fills) or not operation.safe)
            self._operations[identity] = operation
        return operation

    def _scopes(self, method: bytes, invalidations: list[Ends], normal: bool) -> tuple[int, ...]:
        if not self.plans:
            return ()
        if not normal and (method not in SAFE or self._invalidations.admits(method)):
            return (EVERYTHING,)
        return tuple(sorted({scope for rule in invalidations for scope in rule.scopes}))

    def _ends(self, rule: config.Invalidation, cache: PoolCache) -> Ends:
        """What an invalidation ends: by tag, by rule, and by path."""
        filled, wide = fills(rule)
        scopes = [cache.generations.tag(tag) for tag in rule.tags]
        scopes += [plan.scope for plan in self.plans if plan.name in rule.rules or touched(wide, plan.rule.match)]
        return Ends(rule.name, rule.match, tuple(scopes), tuple(filled))


def is_normal(path: str) -> bool:
    """The path has one spelling only: absolute, no empty, dotted or parametrised segments, nothing encoded that needn't be."""
    return path[:1] == "/" and _ABNORMAL.search(path) is None


def fold(path: str) -> str:
    """The path as a server that ignores case and a slash at the end would see it."""
    return path.lower().rstrip("/") or "/"


def _folded(match: config.Match) -> config.Match:
    return msgspec.structs.replace(match, path=fold(match.path)) if match.path else match


def _name(method: bytes, matches: list[config.Match]) -> str:
    """Method and path of the most specific match; no part of it comes from the request but a known method."""
    label = method.decode("ascii") if method in NAMED else "OTHER"
    best = max(matches, key=_specificity, default=None)
    if best is None or best.path_kind == "All":
        return f"{label} *"
    return f"{label} {best.path.rstrip('/')}/*" if best.path_kind == "Prefix" else f"{label} {best.path}"


def _specificity(match: config.Match) -> tuple[int, int, int]:
    kind = ("All", "Prefix", "Template", "Exact").index(match.path_kind)
    return (kind, len(segments(match.path)), len(match.path))
