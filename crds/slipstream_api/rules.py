"""The one table of rules over several fields: each with its CEL text for the API server and a Python twin for everybody else. Pure.

A rule belongs to a schema, named by where it stands in a spec (`spec.limits`, `spec.rules[]`). The twin gets the value there as the API
server sees it: defaulted outside lists, as written inside. Both run only on values that the structural schema has accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipstream_api.scalars import parse_duration, parse_quantity

Value = Mapping[str, Any]
_HEADER: Final = re.compile(r"[-!#$%&*+.^_`|~0-9A-Za-z]{1,128}")


@dataclass(frozen=True, slots=True)
class Rule:
    """`kinds`: where it applies. `at`: path of the schema that carries it. `holds`: the twin."""

    kinds: tuple[str, ...]
    at: str
    cel: str
    message: str
    holds: Callable[[Any], bool]


def _ms(value: Value, field: str, default: str) -> int:
    return parse_duration(value.get(field, default))


def _count(value: Value, *fields: str) -> int:
    return sum(1 for field in fields if field in value)


_NAME_MESSAGE: Final = "metadata.name: at most 40 of a-z, 0-9 and -, starting with a letter and ending with none of -"

# A path of a match is compared as it is sent, so one that isn't in normal form would never match.
_ODDITIES: Final = ("//", "/./", "/../", "?", "#")
_NORMAL_PATH: Final = " && ".join(f"!self.contains('{oddity}')" for oddity in _ODDITIES)


def _normal_path(path: str) -> bool:
    return not any(oddity in path for oddity in _ODDITIES)


def _path_rules(kind: str, rules: str) -> tuple[Rule, ...]:
    message = "write the path as it is sent: without //, /./, /../, ? and #"
    return tuple(
        Rule((kind,), f"{rules}.match.http.{field}", _NORMAL_PATH, message, _normal_path)
        for field in ("path", "pathPrefix", "pathTemplate")
    )


def _match_rules(kind: str, rules: str, empty: bool) -> tuple[Rule, ...]:
    one = Rule(
        (kind,),
        f"{rules}.match",
        "[has(self.http), has(self.mcp), has(self.sql)].filter(x, x).size() " + ("<= 1" if empty else "== 1"),
        ("at most" if empty else "exactly") + " one of http, mcp and sql must be set",
        (lambda v: _count(v, "http", "mcp", "sql") <= 1) if empty else (lambda v: _count(v, "http", "mcp", "sql") == 1),
    )
    path = Rule(
        (kind,),
        f"{rules}.match.http",
        "[has(self.path), has(self.pathPrefix), has(self.pathTemplate)].filter(x, x).size() " + ("<= 1" if empty else "== 1"),
        ("at most" if empty else "exactly") + " one of path, pathPrefix and pathTemplate must be set",
        (lambda v: _count(v, "path", "pathPrefix", "pathTemplate") <= 1)
        if empty
        else (lambda v: _count(v, "path", "pathPrefix", "pathTemplate") == 1),
    )
    return (one, path, *_path_rules(kind, rules))


def _partition_holds(value: Value) -> bool:
    return bool(value.get("headers")) == bool(value["type"] == "Header")


_TRIPS: Final = (("failureRatePercent", 50), ("slowCallRatePercent", 0), ("consecutiveFailures", 0))


def _trips(value: Value) -> bool:
    return any(value.get(field, default) > 0 for field, default in _TRIPS)


def _static(value: Value) -> bool:
    static = bool(value["type"] == "Static")
    return ("status" in value) == static and (static or _count(value, "body", "contentType") == 0)


def _thresholds_name_stages(value: Value) -> bool:
    stages = {stage["name"] for stage in value["stages"]}
    return all("stage" not in t or t["stage"] in stages for t in value.get("thresholds", ()))


def _users_fit(value: Value) -> bool:
    runners = value["runners"]
    return all(stage.get("users", 0) <= runners["count"] * runners["maxUsersPerRunner"] for stage in value["stages"])


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        ("ConnectionPool",),
        "spec.limits",
        "self.minConnections <= self.maxConnections",
        "minConnections must be at most maxConnections",
        lambda v: v["minConnections"] <= v["maxConnections"],
    ),
    Rule(
        ("ConnectionPool",),
        "spec.limits",
        "duration(self.connectTimeout) <= duration(self.requestTimeout)",
        "connectTimeout must be at most requestTimeout",
        lambda v: _ms(v, "connectTimeout", "2s") <= _ms(v, "requestTimeout", "30s"),
    ),
    *(
        Rule(
            ("ConnectionPool",),
            f"spec.limits.{field}",
            "duration(self) > duration('0s')",
            "must be more than 0",
            lambda v: parse_duration(v) > 0,
        )
        for field in ("acquireTimeout", "connectTimeout", "requestTimeout", "idleTimeout", "maxLifetime")
    ),
    Rule(
        ("ConnectionPool",),
        "spec.healthCheck",
        "duration(self.timeout) > duration('0s') && duration(self.timeout) <= duration(self.interval)",
        "timeout must be more than 0 and at most interval",
        lambda v: 0 < _ms(v, "timeout", "1s") <= _ms(v, "interval", "20s"),
    ),
    Rule(
        ("ConnectionPool",),
        "spec",
        "!self.listen.passthroughPorts.exists(p, p == self.upstream.port)",
        "listen.passthroughPorts must not name the upstream's own port",
        lambda v: v["upstream"]["port"] not in v["listen"].get("passthroughPorts", ()),
    ),
    Rule(
        ("CachePolicy",),
        "spec.storage",
        "quantity(string(self.maxEntryBytes)).compareTo(quantity(string(self.maxBytes))) <= 0",
        "maxEntryBytes must be at most maxBytes",
        lambda v: parse_quantity(v["maxEntryBytes"]) <= parse_quantity(v["maxBytes"]),
    ),
    *_match_rules("CachePolicy", "spec.rules[]", empty=False),
    *_match_rules("CachePolicy", "spec.invalidations[]", empty=False),
    Rule(
        ("CachePolicy",),
        "spec.rules[].match.http",
        "!has(self.methods) || self.methods.all(m, m in ['GET', 'HEAD'])",
        "only answers to GET and HEAD can be stored",
        lambda v: set(v.get("methods", ())) <= {"GET", "HEAD"},
    ),
    Rule(
        ("CachePolicy",),
        "spec.rules[].ttl",
        "duration(self) > duration('0s')",
        "must be more than 0",
        lambda v: parse_duration(v) > 0,
    ),
    Rule(
        ("CachePolicy",),
        "spec.rules[].partition",
        "(has(self.headers) && self.headers.size() > 0) == (self.type == 'Header')",
        "headers must be set with type Header, and only then",
        _partition_holds,
    ),
    Rule(
        ("CachePolicy",),
        "spec",
        "self.rules.size() + self.invalidations.size() > 0",
        "at least one of rules and invalidations must be set",
        lambda v: len(v.get("rules", ())) + len(v.get("invalidations", ())) > 0,
    ),
    *_match_rules("CircuitBreaker", "spec.rules[]", empty=True),
    Rule(
        ("CircuitBreaker",),
        "spec.rules[].trip",
        "self.?failureRatePercent.orValue(50) > 0 || self.?slowCallRatePercent.orValue(0) > 0 || self.?consecutiveFailures.orValue(0) > 0",
        "at least one of failureRatePercent, slowCallRatePercent and consecutiveFailures must be more than 0",
        _trips,
    ),
    Rule(
        ("CircuitBreaker",),
        "spec.rules[].open",
        "duration(self.?duration.orValue('60s')) <= duration(self.?maxDuration.orValue('5m'))",
        "duration must be at most maxDuration",
        lambda v: _ms(v, "duration", "60s") <= _ms(v, "maxDuration", "5m"),
    ),
    Rule(
        ("CircuitBreaker",),
        "spec.rules[].fallback[]",
        "has(self.status) == (self.type == 'Static') && (self.type == 'Static' || (!has(self.body) && !has(self.contentType)))",
        "status must be set with type Static; status, body and contentType only then",
        _static,
    ),
    Rule(
        ("LoadTest",),
        "spec.target",
        "has(self.poolRef) != has(self.url)",
        "exactly one of poolRef and url must be set",
        lambda v: _count(v, "poolRef", "url") == 1,
    ),
    Rule(
        ("LoadTest",),
        "spec.target",
        "has(self.poolRef) || !has(self.workload)",
        "workload needs poolRef",
        lambda v: "poolRef" in v or "workload" not in v,
    ),
    Rule(
        ("LoadTest",),
        "spec",
        "has(self.target.poolRef) || self.comparison.baseline != 'Direct'",
        "comparison.baseline Direct needs target.poolRef: a url has no layers to compare with",
        lambda v: "poolRef" in v["target"] or v["comparison"]["baseline"] != "Direct",
    ),
    Rule(
        ("LoadTest",),
        "spec.stages[]",
        "has(self.users) != has(self.ratePerSecond)",
        "exactly one of users (closed model) and ratePerSecond (open model) must be set",
        lambda v: _count(v, "users", "ratePerSecond") == 1,
    ),
    Rule(
        ("LoadTest",),
        "spec.stages[]",
        "has(self.ratePerSecond) || !has(self.maxInFlight)",
        "maxInFlight needs ratePerSecond",
        lambda v: "ratePerSecond" in v or "maxInFlight" not in v,
    ),
    Rule(
        ("LoadTest",),
        "spec.stages[].duration",
        "duration(self) > duration('0s')",
        "must be more than 0",
        lambda v: parse_duration(v) > 0,
    ),
    Rule(
        ("LoadTest",),
        "spec",
        "self.stages.all(s, !has(s.users) || s.users <= self.runners.count * self.runners.maxUsersPerRunner)",
        "a stage has more users than runners.count times runners.maxUsersPerRunner: raise one of them",
        _users_fit,
    ),
    Rule(
        ("LoadTest",),
        "spec.scenarios[].steps[].http.headers",
        "self.all(name, name.matches('^[-!#$%&*+.^_`|~0-9A-Za-z]{1,128}$'))",
        "a header's name is of letters, digits and -!#$%&*+.^_`|~",
        lambda v: all(_HEADER.fullmatch(name) for name in v),
    ),
    Rule(
        ("LoadTest",),
        "spec.thresholds[]",
        "has(self.min) || has(self.max)",
        "at least one of min and max must be set",
        lambda v: _count(v, "min", "max") > 0,
    ),
    Rule(
        ("LoadTest",),
        "spec",
        "self.thresholds.all(t, !has(t.stage) || self.stages.exists(s, s.name == t.stage))",
        "a threshold names a stage that isn't in stages",
        _thresholds_name_stages,
    ),
    Rule(
        ("ConnectionPool", "CachePolicy", "CircuitBreaker", "LoadTest"),
        "",
        "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        _NAME_MESSAGE,
        lambda v: _is_name(v["metadata"]["name"]),
    ),
)


def _is_name(name: str) -> bool:
    inner = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return 0 < len(name) <= 40 and name[0].isascii() and name[0].isalpha() and name[0].islower() and set(name) <= inner and name[-1] != "-"


def rules_at(kind: str, path: str) -> tuple[Rule, ...]:
    """The rules that the schema at `path` of a kind carries."""
    return tuple(rule for rule in RULES if kind in rule.kinds and rule.at == path)
