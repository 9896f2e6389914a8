"""Rules of LoadTests. Pure."""

from __future__ import annotations

import re
from typing import Final

from slipstream_api.cel import INT64_MAX, quantity
from slipstream_api.rules.loadtest_parts import LOAD_RULES, TARGET_RULES, THRESHOLD_RULES
from slipstream_api.rules.rule import Rule, Value, count, more_than_zero, one_of
from slipstream_api.scalars import DURATION_PATTERN, NUMBER_PATTERN

KIND: Final = "LoadTest"
_HEADER: Final = r"^[-!#$%&*+.^_`|~0-9A-Za-z]{1,128}$"
_TIMES: Final = ("latency.", "serviceTime.", "queue.", "connect.", "firstByte.")  # metrics that are durations; the others are numbers


def _thresholds_name_stages(value: Value) -> bool:
    stages = {stage["name"] for stage in value["stages"]}
    return all("stage" not in t or t["stage"] in stages for t in value["thresholds"])


def _thresholds_name_steps(value: Value) -> bool:
    steps = {scenario["name"]: {step["name"] for step in scenario["steps"]} for scenario in value["scenarios"]}
    named = [t for t in value["thresholds"] if "scenario" in t]
    return all(t["scenario"] in steps and ("step" not in t or t["step"] in steps[t["scenario"]]) for t in named)


def _users_fit(value: Value) -> bool:
    users = [stage["users"] for stage in value["stages"] if "users" in stage]
    room = value["runners"]["count"] * value["runners"]["maxUsersPerRunner"]
    if users and abs(room) > INT64_MAX:
        raise ValueError("integer overflow")
    return all(number <= room for number in users)


def _bounds_fit(value: Value) -> bool:
    pattern = DURATION_PATTERN if value["metric"].startswith(_TIMES) else NUMBER_PATTERN
    return all(re.fullmatch(pattern[1:-1], str(value[bound])) for bound in ("min", "max") if bound in value)


_IS_TIME: Final = " || ".join(f"self.metric.startsWith('{prefix}')" for prefix in _TIMES)
_BOUNDS: Final = "[has(self.min) ? string(self.min) : '', has(self.max) ? string(self.max) : ''].filter(b, b != '')"

LOADTEST_RULES: Final[tuple[Rule, ...]] = (
    one_of(KIND, "spec.target", ("poolRef", "url")),
    Rule(
        (KIND,),
        "spec.target",
        "has(self.poolRef) || !has(self.workload)",
        "workload needs poolRef",
        lambda v: "poolRef" in v or "workload" not in v,
    ),
    Rule(
        (KIND,),
        "spec",
        "has(self.target.poolRef) || self.comparison.baseline != 'Direct'",
        "comparison.baseline Direct needs target.poolRef: a url has no layers to compare with",
        lambda v: "poolRef" in v["target"] or v["comparison"]["baseline"] != "Direct",
    ),
    Rule(
        (KIND,),
        "spec.stages[]",
        "has(self.users) != has(self.ratePerSecond)",
        "exactly one of users (closed model) and ratePerSecond (open model) must be set",
        lambda v: count(v, "users", "ratePerSecond") == 1,
    ),
    Rule(
        (KIND,),
        "spec.stages[]",
        "has(self.ratePerSecond) || !has(self.maxInFlight)",
        "maxInFlight needs ratePerSecond",
        lambda v: "ratePerSecond" in v or "maxInFlight" not in v,
    ),
    more_than_zero(KIND, "spec.stages[].duration"),
    Rule(
        (KIND,),
        "spec",
        "self.stages.all(s, !has(s.users) || s.users <= self.runners.count * self.runners.maxUsersPerRunner)",
        "a stage has more users than runners.count times runners.maxUsersPerRunner: raise one of them",
        _users_fit,
    ),
    Rule(
        (KIND,),
        "spec",
        "self.stages.all(s, !has(s.maxInFlight) || s.maxInFlight >= self.runners.count)",
        "a stage's maxInFlight leaves some runners without any: raise it to at least runners.count",
        lambda v: all(stage.get("maxInFlight", INT64_MAX) >= v["runners"]["count"] for stage in v["stages"]),
    ),
    Rule(
        (KIND,),
        "spec.scenarios[].steps[].http.headers",
        f"self.all(name, name.matches('{_HEADER}'))",
        "a header's name is of letters, digits and -!#$%&*+.^_`|~",
        lambda v: all(re.fullmatch(_HEADER[1:-1], name) for name in v),
    ),
    Rule(
        (KIND,),
        "spec.thresholds[]",
        "has(self.min) || has(self.max)",
        "at least one of min and max must be set",
        lambda v: count(v, "min", "max") > 0,
    ),
    Rule(
        (KIND,),
        "spec.thresholds[]",
        f"({_IS_TIME}) ? {_BOUNDS}.all(b, b.matches('{DURATION_PATTERN}')) : {_BOUNDS}.all(b, b.matches('{NUMBER_PATTERN}'))",
        "min and max of times (latency.p95, queue.p95, …) are durations like 50ms, those of other metrics numbers like 1, 0.5 or 2k",
        _bounds_fit,
    ),
    Rule(
        (KIND,),
        "spec",
        "self.thresholds.all(t, !has(t.stage) || self.stages.exists(s, s.name == t.stage))",
        "a threshold names a stage that isn't in stages",
        _thresholds_name_stages,
    ),
    Rule(
        (KIND,),
        "spec.checks.memoryGrowth.max",
        "quantity(string(self)).compareTo(quantity('0')) >= 0 && quantity(string(self)).compareTo(quantity('1Ti')) <= 0",
        "must be at least 0 and at most 1Ti",
        lambda v: 0 <= quantity(v) <= 1 << 40,
    ),
    more_than_zero(KIND, "spec.checks.memoryGrowth.per"),
    Rule(
        (KIND,),
        "spec",
        "self.thresholds.all(t, !has(t.scenario) || self.scenarios.exists(s, s.name == t.scenario && "
        "(!has(t.step) || s.steps.exists(p, p.name == t.step))))",
        "a threshold names a scenario or step that isn't in scenarios",
        _thresholds_name_steps,
    ),
    *THRESHOLD_RULES,
    *TARGET_RULES,
    *LOAD_RULES,
)
