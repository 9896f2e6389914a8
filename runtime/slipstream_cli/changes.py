"""What changed between two configurations, in words, rule by rule. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from slipstream_api.config import Pool, RuntimeConfig

_SORTS = (("cacheRules", "cache rule"), ("invalidations", "invalidation"), ("breakerRules", "breaker rule"))


def changes(before: RuntimeConfig | None, after: RuntimeConfig) -> tuple[str, ...]:
    """Lines like `pool memory: cache rule recall: ttlMs 300000 → 60000`; empty when nothing changed."""
    old = {pool.name: pool for pool in before.pools} if before is not None else {}
    new = {pool.name: pool for pool in after.pools}
    lines = [f"pool {name}: removed" for name in sorted(old.keys() - new.keys())]
    for name, pool in sorted(new.items()):
        lines += [f"pool {name}: {line}" for line in (_pool(old[name], pool) if name in old else _summary(pool))]
    lines += _stores(before, after)
    return tuple(lines)


def _summary(pool: Pool) -> Iterator[str]:
    rules = len(pool.cache_rules) + len(pool.invalidations) + len(pool.breaker_rules)
    yield f"added: {pool.upstream.host}:{pool.upstream.port}, {rules} rules"


def _pool(before: Pool, after: Pool) -> Iterator[str]:
    old, new = msgspec.to_builtins(before), msgspec.to_builtins(after)
    lists = {field for field, _ in _SORTS}
    yield from _fields({k: v for k, v in old.items() if k not in lists}, {k: v for k, v in new.items() if k not in lists}, "")
    for field, word in _SORTS:
        yield from _named(old[field], new[field], word)


def _named(before: Sequence[Any], after: Sequence[Any], word: str) -> Iterator[str]:
    old, new = {item["name"]: item for item in before}, {item["name"]: item for item in after}
    for name in sorted(old.keys() - new.keys()):
        yield f"{word} {name}: removed"
    for name in sorted(new.keys() - old.keys()):
        yield f"{word} {name}: added"
    for name in sorted(old.keys() & new.keys()):
        for line in _fields(old[name], new[name], ""):
            yield f"{word} {name}: {line}"


def _fields(before: Any, after: Any, path: str) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _fields(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    else:
        yield f"{path} {_shown(before)} → {_shown(after)}"


def _stores(before: RuntimeConfig | None, after: RuntimeConfig) -> Iterator[str]:
    if before is not None:
        old, new = (msgspec.to_builtins(config.stores) for config in (before, after))
        yield from _named(old, new, "store")


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()
