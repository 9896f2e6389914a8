"""What can't be measured is refused before anything is sent, with the field and what to change."""

from typing import Any

import pytest

from slipstream_loadtest.plan.build import PlanRefused
from tests.fakes.loadtest_plans import STEP, URL, a_plan

OPEN = [{"name": "o", "ratePerSecond": 10, "duration": "10s"}]
TWO = {"name": "u", "values": ["a", "b"], "onExhausted": "Fail"}
BOUND = {"name": "t", "metric": "latency.p95", "max": "1s"}


def step(**members: Any) -> dict[str, Any]:
    return {"scenarios": [{"name": "r", "steps": [STEP | members]}]}


def bound(**members: Any) -> dict[str, Any]:
    return {"thresholds": [BOUND | members]}


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("path", step(http={"path": "/${nobody}"}), "spec.scenarios[r].steps[get].http.path", "there are ${user}, ${session}"),
    ("header", step(http={"path": "/", "headers": {"X-A": "${x}"}}), "spec.scenarios[r].steps[get].http.headers.X-A", "${x} is unknown"),
    ("body", step(http={"path": "/", "body": "${x"}), "spec.scenarios[r].steps[get].http.body", "no closing brace"),
    ("contains", step(expect={"contains": ["a", "${x}"]}), "spec.scenarios[r].steps[get].expect.contains[1]", "${x} is unknown"),
    (
        "json",
        step(expect={"json": [{"expression": "a", "equals": "${x}"}]}),
        "spec.scenarios[r].steps[get].expect.json[0].equals",
        "${x} is unknown",
    ),
    (
        "own extract",
        step(http={"path": "/${id}"}, extract=[{"name": "id", "json": "id"}]),
        "spec.scenarios[r].steps[get].http.path",
        "${id}",
    ),
    ("extract built in", step(extract=[{"name": "user", "json": "id"}]), "spec.scenarios[r].steps[get].extract[user]", "another name"),
    ("canary", step(http={"path": "/${canary}"}), "spec.scenarios[r].steps[get].http.path", "${canary} is unknown"),
    (
        "isolation",
        {"checks": {"isolation": {"write": {"path": "/${canary}"}, "read": {"path": "/", "body": "${x}"}}}},
        "spec.checks.isolation.read.body",
        "${canary}",
    ),
    ("data built in", {"data": [{"name": "session", "values": ["a"]}]}, "spec.data[session].name", "built in"),
    (
        "unique",
        {"data": [TWO | {"mode": "UniquePerUser"}], "stages": [{"name": "s", "users": 3, "duration": "1s"}]},
        "spec.data[u].onExhausted",
        "3 users need as many rows, there are 2",
    ),
    ("unique open", {"data": [TWO | {"mode": "UniquePerUser"}], "stages": OPEN}, "spec.data[u].onExhausted", "1000 users"),
    (
        "sequential closed",
        {"data": [TWO | {"mode": "Sequential"}]},
        "spec.data[u].onExhausted",
        "the users of stage s take isn't known before they have run: set Wrap, or mode UniquePerUser, or give the stage ratePerSecond",
    ),
    ("sequential", {"data": [TWO | {"mode": "Sequential"}], "stages": OPEN}, "spec.data[u].onExhausted", "100 arrivals need as many rows"),
    ("window", bound(window="500ms"), "spec.thresholds[t].window", "slices of 1s: write a multiple"),
    ("window 0", bound(window="0s"), "spec.thresholds[t].window", "write a multiple"),
    (
        "window of a long stage",
        bound(window="10s") | {"stages": [{"name": "s", "users": 1, "duration": "1h"}]},
        "spec.thresholds[t].window",
        "slices of 30s",
    ),
    ("window too long", bound(window="11s"), "spec.thresholds[t].window", "stage s is shorter"),
    ("delay", bound(abort=True, delay="10s"), "spec.thresholds[t].delay", "stage s is over by then"),
    ("scenario", bound(scenario="x"), "spec.thresholds[t].scenario", "there are read"),
    ("step", bound(scenario="read", step="x"), "spec.thresholds[t].step", "it has get"),
    ("step alone", bound(step="get"), "spec.thresholds[t].step", "set scenario too"),
    ("timeout", {"connections": {"timeout": "0s"}, "timeout_ms": None}, "spec.connections.timeout", "write 10s"),
    (
        "shared",
        {"connections": {"sharing": "Shared", "max": 1}, "runners": {"count": 2}},
        "spec.connections.max",
        "at least 2",
    ),
    ("lost", {"runners": {"count": 3, "maxLost": 1}}, "spec.runners.maxLost", "set Continue or Replace"),
    (
        "think",
        {"scenarios": [{"name": "r", "steps": [STEP], "thinkTime": {"type": "Constant", "mean": "1s"}}], "stages": OPEN},
        "spec.scenarios[r].thinkTime",
        "has no effect",
    ),
]


@pytest.mark.parametrize(("members", "path", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_refusal_names_the_field_and_what_to_change(members: dict[str, Any], path: str, says: str):
    """One for each thing that no schema can say."""
    with pytest.raises(PlanRefused) as refused:
        a_plan(URL, **members)
    assert refused.value.path == path
    assert says in refused.value.message


@pytest.mark.parametrize(
    "members",
    [
        {"data": [TWO | {"mode": "UniquePerUser"}]},
        {"data": [TWO | {"mode": "UniquePerUser", "onExhausted": "Wrap"}], "stages": [{"name": "s", "users": 3, "duration": "1s"}]},
        {"data": [TWO | {"mode": "Sequential"}], "stages": [{"name": "o", "ratePerSecond": 2, "duration": "1s"}]},
        bound(window="10s"),
        bound(abort=True, delay="9s"),
        bound(scenario="read", step="get"),
        {"connections": {"sharing": "Shared", "max": 2}, "runners": {"count": 2}},
    ],
    ids=["unique", "wrapped", "sequential", "window", "delay", "step", "shared"],
)
def test_what_just_fits_is_planned(members: dict[str, Any]):
    """The control: each refusal's limit itself is fine."""
    a_plan(URL, **members)
