"""What a reload changed, in words."""

from __future__ import annotations

from msgspec.structs import replace

from slipstream_api import config as c
from slipstream_cli.changes import changes

RULE = c.CacheRule(name="recall", policy="p", store="p", match=c.Match(protocol="HTTP", path_kind="Exact", path="/a"), ttl_ms=1000)
POOL = c.Pool(name="memory", upstream=c.Upstream(host="m", port=80), cache_rules=(RULE,))
CONFIG = c.RuntimeConfig(namespace="default", workload="agent", pools=(POOL,))


def test_equal_configurations_have_no_changes() -> None:
    """Saving a file without changing what it means says nothing."""
    assert changes(CONFIG, CONFIG) == ()


def test_a_changed_rule_is_named_with_both_values() -> None:
    """Rule by rule, field by field."""
    after = replace(CONFIG, pools=(replace(POOL, cache_rules=(replace(RULE, ttl_ms=2000),)),))
    assert changes(CONFIG, after) == ("pool memory: cache rule recall: ttlMs 1000 → 2000",)


def test_added_and_removed_rules_and_pools_are_named() -> None:
    """Both ways."""
    other = replace(POOL, name="other", cache_rules=())
    bare = replace(CONFIG, pools=(replace(POOL, cache_rules=()), other))
    assert changes(CONFIG, bare) == ("pool memory: cache rule recall: removed", "pool other: added: m:80, 0 rules")
    assert changes(bare, CONFIG) == ("pool other: removed", "pool memory: cache rule recall: added")


def test_the_first_configuration_is_an_addition() -> None:
    """There was nothing before."""
    assert changes(None, CONFIG) == ("pool memory: added: m:80, 1 rules",)


def test_limits_and_stores_are_named_with_their_path() -> None:
    """Nested fields by their path."""
    after = replace(CONFIG, pools=(replace(POOL, limits=c.Limits(max_connections=5)),), stores=(c.StoreConfig(name="p"),))
    assert changes(CONFIG, after) == ("pool memory: limits.maxConnections 100 → 5", "store p: added")
