"""Rules of CachePolicies and CircuitBreakers. Pure.

What stands below a list item has no default in the schema, so that CEL text and twin name the default that `compile` fills in.
"""

from __future__ import annotations

from typing import Final

from slipstream_api.cel import duration, quantity
from slipstream_api.rules.rule import Rule, Value, count, match_rules, more_than_zero, normal_path, template

CACHE: Final = "CachePolicy"
BREAKER: Final = "CircuitBreaker"


def _partition(value: Value) -> bool:
    return bool(value.get("headers")) == bool(value["type"] == "Header")


def _item_is_a_variable(value: Value) -> bool:
    batch, http = value.get("batch"), value["match"].get("http", {})
    return batch is None or batch.get("itemIn", "Path") == "Query" or f"{{{batch['item']}}}" in http.get("pathTemplate", "")


def _path_has_known_variables(value: Value) -> bool:
    batch, template = value.get("batch", {}), value["match"].get("http", {}).get("pathTemplate", "")
    path = batch.get("path", "")
    if "{" not in path:
        return True
    return f"{{{batch['item']}}}" not in path and str(template).startswith(path[: path.rfind("}") + 1])


def _item_is_in_the_key(value: Value) -> bool:
    batch = value.get("batch", {})
    return bool(batch.get("itemIn", "Path") == "Path" or value.get("key", {}).get("query", "All") == "All")


def _static(value: Value) -> bool:
    static = bool(value["type"] == "Static")
    return ("status" in value) == static and (static or count(value, "body", "contentType") == 0)


def _upstream(value: Value) -> bool:
    return ("pool" in value) == bool(value["type"] == "Upstream")


def _size(at: str) -> Rule:
    """Of a size that must be there; the upper bound keeps sums of sizes within 64 bits."""
    return Rule(
        (CACHE,),
        at,
        "quantity(string(self)).isGreaterThan(quantity('0')) && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",
        "must be more than 0 and at most 1Ti",
        lambda v: 0 < quantity(v) <= 1 << 40,
    )


CACHE_RULES: Final[tuple[Rule, ...]] = (
    _size("spec.storage.maxBytes"),
    _size("spec.storage.maxEntryBytes"),
    _size("spec.storage.compression.minBytes"),
    Rule(
        (CACHE,),
        "spec.storage",
        "quantity(string(self.maxEntryBytes)).compareTo(quantity(string(self.maxBytes))) <= 0",
        "maxEntryBytes must be at most maxBytes",
        lambda v: quantity(v["maxEntryBytes"]) <= quantity(v["maxBytes"]),
    ),
    *match_rules(CACHE, "spec.rules[]"),
    *match_rules(CACHE, "spec.invalidations[]"),
    Rule(
        (CACHE,),
        "spec.rules[].match.http",
        "!has(self.methods) || self.methods.all(m, m in ['GET', 'HEAD'])",
        "only answers to GET and HEAD can be stored",
        lambda v: set(v.get("methods", ())) <= {"GET", "HEAD"},
    ),
    more_than_zero(CACHE, "spec.rules[].ttl"),
    Rule(
        (CACHE,),
        "spec.rules[].partition",
        "(has(self.headers) && self.headers.size() > 0) == (self.type == 'Header')",
        "headers must be set with type Header, and only then",
        _partition,
    ),
    Rule(
        (CACHE,),
        "spec.rules[]",
        "!has(self.batch) || self.batch.?itemIn.orValue('Path') == 'Query' || "
        "(has(self.match.http) && has(self.match.http.pathTemplate) && self.match.http.pathTemplate.contains('{' + self.batch.item + '}'))",
        "with batch.itemIn Path, batch.item must be a variable of match.http.pathTemplate",
        _item_is_a_variable,
    ),
    Rule(
        (CACHE,),
        "spec.rules[]",
        "!has(self.batch) || self.batch.?itemIn.orValue('Path') == 'Path' || !has(self.key) || self.key.?query.orValue('All') == 'All'",
        "with batch.itemIn Query, key.query must not be None",
        _item_is_in_the_key,
    ),
    Rule(
        (CACHE,),
        "spec.rules[]",
        "!has(self.batch) || !self.batch.path.contains('{') || (!self.batch.path.contains('{' + self.batch.item + '}') && "
        "has(self.match.http) && has(self.match.http.pathTemplate) && self.match.http.pathTemplate.startsWith("
        "self.batch.path.substring(0, self.batch.path.lastIndexOf('}') + 1)))",
        "a batch.path with variables must begin as match.http.pathTemplate does, up to the last of them, and not have batch.item's",
        _path_has_known_variables,
    ),
    Rule(
        (CACHE,),
        "spec.rules[].batch",
        "self.?items.orValue('ids') != '' || self.?itemsIn.orValue('Query') == 'Body'",
        "items may be empty with itemsIn Body only",
        lambda v: v.get("items", "ids") != "" or v.get("itemsIn", "Query") == "Body",
    ),
    template(CACHE, "spec.rules[].batch.path"),
    normal_path(CACHE, "spec.rules[].batch.path"),
    more_than_zero(CACHE, "spec.rules[].batch.maxWait"),
    Rule(
        (CACHE,),
        "spec.invalidations[]",
        "has(self.tags) || (has(self.rules) && self.rules.size() > 0) || (has(self.paths) && self.paths.size() > 0)",
        "at least one of tags, rules and paths must be set",
        lambda v: "tags" in v or bool(v.get("rules")) or bool(v.get("paths")),
    ),
    template(CACHE, "spec.invalidations[].paths[]"),
    normal_path(CACHE, "spec.invalidations[].paths[]"),
    Rule(
        (CACHE,),
        "spec",
        "self.invalidations.all(i, !has(i.rules) || i.rules.all(r, self.rules.exists(x, x.name == r)))",
        "each name in invalidations[].rules must be one of rules",
        lambda v: {name for i in v["invalidations"] for name in i.get("rules", ())} <= {rule["name"] for rule in v["rules"]},
    ),
    Rule(
        (CACHE,),
        "spec",
        "self.rules.size() + self.invalidations.size() > 0",
        "at least one of rules and invalidations must be set",
        lambda v: len(v["rules"]) + len(v["invalidations"]) > 0,
    ),
)

BREAKER_RULES: Final[tuple[Rule, ...]] = (
    *match_rules(BREAKER, "spec.rules[]", empty=True),
    more_than_zero(BREAKER, "spec.rules[].window.duration"),
    Rule(
        (BREAKER,),
        "spec.rules[].trip",
        "self.?failureRatePercent.orValue(50) > 0 || self.?slowCallRatePercent.orValue(0) > 0 || self.?consecutiveFailures.orValue(0) > 0",
        "at least one of failureRatePercent, slowCallRatePercent and consecutiveFailures must be more than 0",
        lambda v: any(
            v.get(f, default) > 0 for f, default in (("failureRatePercent", 50), ("slowCallRatePercent", 0), ("consecutiveFailures", 0))
        ),
    ),
    more_than_zero(BREAKER, "spec.rules[].trip.slowCallDuration"),
    Rule(
        (BREAKER,),
        "spec.rules[].open",
        "duration(self.?duration.orValue('60s')) <= duration(self.?maxDuration.orValue('5m'))",
        "duration (60s if not set) must be at most maxDuration (5m if not set)",
        lambda v: duration(v.get("duration", "60s")) <= duration(v.get("maxDuration", "5m")),
    ),
    more_than_zero(BREAKER, "spec.rules[].open.duration"),
    Rule(
        (BREAKER,),
        "spec.rules[].fallback[]",
        "has(self.status) == (self.type == 'Static') && (self.type == 'Static' || (!has(self.body) && !has(self.contentType)))",
        "status must be set with type Static; status, body and contentType only then",
        _static,
    ),
    Rule(
        (BREAKER,),
        "spec.rules[].fallback[]",
        "has(self.pool) == (self.type == 'Upstream')",
        "pool must be set with type Upstream, and only then",
        _upstream,
    ),
    more_than_zero(BREAKER, "spec.rules[].retry.perTryTimeout"),
)
