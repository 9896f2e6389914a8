"""Rules of parts of LoadTests: which fields go together in a target, a load, a threshold. Pure."""

from __future__ import annotations

import re
from typing import Final

from slipstream_api.cel import duration
from slipstream_api.rules.rule import Rule, Value, count, one_of

_KIND: Final = "LoadTest"
KEPT_OVER_TIME: Final = (
    *("errors.percent", "dropped.percent", "wrong.count", "throughput"),
    *("cache.hitPercent", "connections.reusePercent", "target.memory"),
)  # besides latency.*
_HEADER: Final = r"^[-!#$%&*+.^_`|~0-9A-Za-z]{1,128}$"


def needs(at: str, field: str, other: str) -> Rule:
    """A field that means nothing without another one."""
    return Rule((_KIND,), at, f"has(self.{other}) || !has(self.{field})", f"{field} needs {other}", lambda v: other in v or field not in v)


def _think_time(value: Value) -> bool:
    if value["type"] == "Uniform":
        return "min" in value and "max" in value and "mean" not in value and duration(value["min"]) <= duration(value["max"])
    return "mean" in value and "min" not in value and (value["type"] == "Exponential" or "max" not in value)


THRESHOLD_RULES: Final[tuple[Rule, ...]] = (
    needs("spec.thresholds[]", "step", "scenario"),
    needs("spec.thresholds[]", "delay", "abort"),
    Rule(
        (_KIND,),
        "spec.thresholds[]",
        f"!has(self.window) || self.metric.startsWith('latency.') || self.metric in [{', '.join(map(repr, KEPT_OVER_TIME))}]",
        "window is for metrics that are kept over time: latency.*, " + ", ".join(KEPT_OVER_TIME),
        lambda v: "window" not in v or v["metric"].startswith("latency.") or v["metric"] in KEPT_OVER_TIME,
    ),
    Rule(
        (_KIND,),
        "spec.thresholds[]",
        "self.metric != 'target.memory' || !has(self.scenario)",
        "target.memory is of the target as a whole: leave scenario and step out",
        lambda v: v["metric"] != "target.memory" or "scenario" not in v,
    ),
    Rule(
        (_KIND,),
        "spec",
        "has(self.checks.memoryGrowth) || self.thresholds.all(t, t.metric != 'target.memory')",
        "a threshold on target.memory needs checks.memoryGrowth, which says where memory is read",
        lambda v: "memoryGrowth" in v["checks"] or all(t["metric"] != "target.memory" for t in v["thresholds"]),
    ),
)

TARGET_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        (_KIND,),
        "spec.target",
        "!has(self.tls) || (has(self.url) && self.url.startsWith('https://'))",
        "tls needs an https url: a pool says itself how its upstream is verified",
        lambda v: "tls" not in v or v.get("url", "").startswith("https://"),
    ),
    Rule(
        (_KIND,),
        "spec.connections",
        "(self.sharing == 'Shared') == has(self.max)",
        "max goes with sharing Shared",
        lambda v: (v["sharing"] == "Shared") == ("max" in v),
    ),
    Rule(
        (_KIND,),
        "spec.connections",
        "self.reuse || self.sharing == 'PerUser'",
        "sharing Shared needs reuse: a connection that ends with its call can't be shared",
        lambda v: v["reuse"] or v["sharing"] == "PerUser",
    ),
    Rule(
        (_KIND,),
        "spec.comparison",
        "(self.baseline == 'Result') == has(self.resultRef)",
        "resultRef goes with baseline Result",
        lambda v: (v["baseline"] == "Result") == ("resultRef" in v),
    ),
    Rule(
        (_KIND,),
        "spec.runners",
        "self.maxLost < self.count",
        "maxLost must be less than count: somebody has to measure",
        lambda v: v["maxLost"] < v["count"],
    ),
    Rule(
        (_KIND,),
        "spec",
        "has(self.target.poolRef) || !(self.triggers.onPolicyChange || self.triggers.onTargetRollout)",
        "triggers need target.poolRef: of a url nothing is known to change",
        lambda v: "poolRef" in v["target"] or not (v["triggers"]["onPolicyChange"] or v["triggers"]["onTargetRollout"]),
    ),
)

LOAD_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        (_KIND,),
        "spec.scenarios[].thinkTime",
        "self.type == 'Uniform' ? has(self.min) && has(self.max) && !has(self.mean) && duration(self.min) <= duration(self.max) : "
        "has(self.mean) && !has(self.min) && (self.type == 'Exponential' || !has(self.max))",
        "Constant takes mean, Exponential mean and perhaps max, Uniform min and max (min not above max)",
        _think_time,
    ),
    one_of(_KIND, "spec.scenarios[].steps[].extract[]", ("json", "header")),
    Rule(
        (_KIND,),
        "spec.scenarios[].steps[].expect.headers",
        f"self.all(name, name.matches('{_HEADER}'))",
        "a header's name is of letters, digits and -!#$%&*+.^_`|~",
        lambda v: all(re.fullmatch(_HEADER[1:-1], name) for name in v),
    ),
    one_of(_KIND, "spec.data[]", ("values", "configMap")),
    needs("spec.data[]", "format", "configMap"),
    Rule(
        (_KIND,),
        "spec.checks.isolation",
        "has(self.write) == has(self.read)",
        "write and read go together: what one leaves, the other looks for",
        lambda v: count(v, "write", "read") != 1,
    ),
)
