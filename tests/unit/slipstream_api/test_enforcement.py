"""The table of fields that nothing enforces yet: each row is reached by a resource, and silent for the inert value."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api.enforcement import TABLE, Unenforced, not_enforced
from slipstream_api.load import to_resource
from slipstream_api.validate import validate
from tests.contract.corpus.reader import BASES

MATCH = {"mcp": {"tools": ["search"]}, "sql": {"statements": ["Select"]}}


def document(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "slipstream.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": BASES[kind] | spec}


def reported(kind: str, **spec: Any) -> tuple[str, ...]:
    assert validate(document(kind, **spec)) == ()
    return not_enforced(to_resource(document(kind, **spec)))


CACHED = {"name": "r", "match": {"http": {"path": "/"}}, "ttl": "1s"}
ENDED = {"name": "e", "match": {"http": {"path": "/"}}, "tags": ["t"]}
STAGE = {"name": "s", "users": 1, "duration": "1s"}
LISTED = {"name": "d", "configMap": {"name": "words", "key": "words.txt"}}
BOUND = {"name": "t", "metric": "latency.p95", "max": "1s"}
LOADTEST: dict[str, tuple[dict[str, Any], str]] = {
    "target.tls": ({"target": {"url": "https://a", "tls": {"verify": "None"}}}, "target.tls"),
    "connections.reuse": ({"connections": {"reuse": False}}, "connections.reuse"),
    "connections.sharing": ({"connections": {"sharing": "Shared", "max": 2}}, "connections.sharing"),
    "connections.timeout": ({"connections": {"timeout": "1s"}}, "connections.timeout"),
    "comparison.baseline": ({"comparison": {"baseline": "LastPassed"}}, "comparison.baseline"),
    "runners.lossPolicy": ({"runners": {"lossPolicy": "Continue"}}, "runners.lossPolicy"),
    **{f"stages[].{field}": ({"stages": [STAGE | {field: "1s"}]}, f"stages[s].{field}") for field in ("ramp", "settle", "drain")},
    "scenarios[].thinkTime": (
        {"scenarios": [{"name": "a", "thinkTime": {"type": "Constant", "mean": "1s"}, "steps": [{"name": "a", "http": {"path": "/"}}]}]},
        "scenarios[a].thinkTime",
    ),
    "data[].configMap": ({"data": [LISTED]}, "data[d].configMap"),
    "data[].mode": ({"data": [{"name": "d", "values": ["a"], "mode": "Sequential"}]}, "data[d].mode"),
    "schedule": ({"schedule": {"cron": "0 3 * * *"}}, "schedule"),
    "triggers.onPolicyChange": ({"triggers": {"onPolicyChange": True}}, "triggers.onPolicyChange"),
    "triggers.onTargetRollout": ({"triggers": {"onTargetRollout": True}}, "triggers.onTargetRollout"),
    "queue": ({"queue": "q"}, "queue"),
    "activeDeadline": ({"activeDeadline": "1h"}, "activeDeadline"),
}
SET: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("ConnectionPool", "upstream.protocol"): ({"upstream": {"protocol": "MCP", "host": "a", "port": 1}}, "upstream.protocol"),
    **{("CachePolicy", f"rules[].match.{p}"): ({"rules": [CACHED | {"match": {p: MATCH[p]}}]}, f"rules[r].match.{p}") for p in MATCH},
    **{
        ("CachePolicy", f"invalidations[].match.{p}"): (
            {"invalidations": [ENDED | {"match": {p: MATCH[p]}}]},
            f"invalidations[e].match.{p}",
        )
        for p in MATCH
    },
    **{
        ("CircuitBreaker", f"rules[].match.{p}"): ({"rules": [{"name": "r", "match": {p: MATCH[p]}}]}, f"rules[r].match.{p}") for p in MATCH
    },
    **{("LoadTest", path): LOADTEST[path] for path in LOADTEST},
}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.kind}-{row.path}")
def test_a_field_of_a_later_version_is_named(row: Unenforced) -> None:
    """With the item it is in; the same resource without it is silent."""
    spec, path = SET[row.kind, row.path]
    assert reported(row.kind, **spec) == (path,)
    assert reported(row.kind) == ()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ConnectionPool", {"listen": {"intercept": "HostAlias", "passthroughPorts": [9]}, "healthCheck": {"http": {"path": "/h"}}}),
        (
            "CachePolicy",
            {
                "mode": "Shadow",
                "rules": [CACHED | {"staleIfError": "1m", "staleWhileRevalidate": "1s", "partition": {"type": "Shared"}, "tags": ["t"]}],
            },
        ),
        (
            "CircuitBreaker",
            {"rules": [{"name": "r", "fallback": [{"type": "StaleCache"}], "scope": "Operation", "retry": {"maxAttempts": 3}}]},
        ),
        ("LoadTest", {"comparison": {"baseline": "Direct"}, "history": {"passed": 1}, "warmup": "1s"}),
    ],
)
def test_what_is_enforced_is_not_named(kind: str, spec: dict[str, Any]) -> None:
    """The control: a warning about everything would warn of nothing."""
    assert reported(kind, **spec) == ()
