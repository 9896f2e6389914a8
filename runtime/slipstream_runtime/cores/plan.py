"""A cache rule made ready for the data path, and what one pool's cache keeps across reloads. Pure; decides nothing about a message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from slipstream_api import config
from slipstream_runtime.cores.batch import BatchPlan
from slipstream_runtime.cores.generations import Generations
from slipstream_runtime.cores.grace import GraceRule
from slipstream_runtime.cores.identity import Interest
from slipstream_runtime.cores.key import KeyReader

RULE_TAG: Final = "\0"  # begins what rule_tag makes


class CacheCounters:
    """Figures of one policy on one pool; the store counts the last four, the data path the rest."""

    __slots__ = ("batched", "batches",
                 "bypass", "bytes", "coalesced", "entries", "evictions", "hits", "misses", "refreshed", "rejected", "revalidated", "stale",
                 "stored", "would_leak", "would_stale")  # fmt: skip

    def __init__(self) -> None:
        self.hits: int = 0
        self.misses: int = 0
        self.stale: int = 0
        self.coalesced: int = 0
        self.batches: int = 0  # calls to a batch endpoint
        self.batched: int = 0  # of the misses: answered by one of them
        self.bypass: int = 0
        self.rejected: int = 0  # answers that may not be stored
        self.revalidated: int = 0  # of the misses: the upstream said that the stored answer is still right
        self.refreshed: int = 0  # fetched anew in the background
        self.would_stale: int = 0  # Shadow: a hit would have differed from what the upstream said
        self.would_leak: int = 0  # Shadow: and it would have been another caller's
        self.stored: int = 0
        self.evictions: int = 0
        self.entries: int = 0
        self.bytes: int = 0


class PoolCache:
    """One pool's cache state that survives reloads. A pool that is removed and comes back gets a new one: its old answers are dead."""

    __slots__ = ("_cached", "_counters", "_invalidations", "_paths", "generations", "random", "secret")

    def __init__(self, secret: bytes, random: Callable[[], float]) -> None:
        self.secret = secret  # key.SECRET_BYTES random octets, one per process
        self.random = random
        self.generations = Generations()
        self._counters: dict[str, CacheCounters] = {}
        self._invalidations: dict[str, bytes] = {}
        self._paths: frozenset[bytes] = frozenset()
        self._cached: bool = False  # the pool in force has cache rules

    def counters(self, policy: str) -> CacheCounters:
        """The figures of a policy, from zero when it is new."""
        counters = self._counters.get(policy)
        if counters is None:
            counters = self._counters[policy] = CacheCounters()
        return counters

    def commit(self, pool: config.Pool) -> None:
        """To be called when `pool` comes into force: a tag whose invalidations changed loses its answers, since writes went unseen."""
        invalidations = _by_tag(pool)
        changed = {*invalidations, *self._invalidations}
        for tag in sorted(changed):
            if invalidations.get(tag) != self._invalidations.get(tag):
                self.generations.bump((self.generations.tag(tag),))
        self._invalidations = invalidations
        paths = frozenset(config.canonical((rule.match, path)) for rule in pool.invalidations for path in rule.paths)
        if paths != self._paths:
            self.generations.bump_everything()  # nothing is known of which answers a path that is new, or is gone, was about
            self._paths = paths
        if pool.cache_rules and not self._cached:
            self.generations.bump_everything()  # without rules no write was watched
        self._cached = bool(pool.cache_rules)
        policies = {rule.policy for rule in pool.cache_rules}
        self._counters = {policy: counters for policy, counters in self._counters.items() if policy in policies or counters.entries}


def _by_tag(pool: config.Pool) -> dict[str, bytes]:
    """By tag: what invalidates it."""
    by_tag: dict[str, list[Any]] = {}
    for invalidation in pool.invalidations:
        for tag in (*invalidation.tags, *(rule_tag(rule) for rule in invalidation.rules)):
            by_tag.setdefault(tag, []).append(invalidation.match)
    return {tag: config.canonical(matches) for tag, matches in by_tag.items()}


_numbers: Final = count(4, 4)


class CachePlan:
    """One cache rule of one pool. `identity` covers what makes stored answers interchangeable; lives and modes may change under them."""

    __slots__ = (
        "batch",
        "cache",
        "counters",
        "enforce",
        "grace",
        "honor",
        "identity",
        "interest",
        "jitter",
        "min_latency",
        "name",
        "negative_ttl",
        "number",
        "reader",
        "rule",
        "scope",
        "store",
        "tags",
        "ttl",
    )

    def __init__(self, pool: config.Pool, rule: config.CacheRule, cache: PoolCache) -> None:
        self.rule = rule
        self.number: int = next(_numbers)  # nobody else's, for who remembers it without keeping it; a multiple of four
        self.name: str = rule.name
        self.store: str = rule.store
        self.cache = cache
        self.counters: CacheCounters = cache.counters(rule.policy)
        self.enforce: bool = rule.mode == "Enforce"
        self.honor: bool = rule.upstream_directives == "Honor"
        self.ttl: float = rule.ttl_ms / 1_000
        self.jitter: float = rule.ttl_jitter_percent / 100
        self.negative_ttl: float = rule.negative_ttl_ms / 1_000
        self.min_latency: float = rule.min_latency_ms / 1_000
        self.batch: BatchPlan | None = None if rule.batch is None or not self.enforce else BatchPlan(rule, rule.batch)
        self.grace = GraceRule(rule)
        self.scope: int = cache.generations.tag(rule_tag(rule.name))
        self.tags: tuple[int, ...] = (self.scope, *(cache.generations.tag(tag) for tag in rule.tags))
        self.identity: bytes = _identity(pool, rule)
        self.interest = Interest(rule.partition, rule.key)
        self.reader = KeyReader(self.identity, self.interest, rule.key.query == "All", cache.secret)


def rule_tag(rule: str) -> str:
    """The tag of a rule's answers alone; no tag of a policy begins so."""
    return RULE_TAG + rule


def _identity(pool: config.Pool, rule: config.CacheRule) -> bytes:
    parts = [pool.name, pool.upstream, rule.policy, rule.name, rule.store, rule.partition, rule.key, rule.upstream_directives, rule.tags]
    return hashlib.blake2b(config.canonical(parts), digest_size=16).digest()
