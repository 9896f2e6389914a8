"""Fallback chains, compiled: the causes of a step reach the sidecar, and a step whose turn never comes is told."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_api.compile import compile, warning  # noqa: A004 - the word of the design
from slipstream_api.config import canonical, decode
from slipstream_api.fallbacks import never_taken
from tests.unit.slipstream_api.test_compile import breaker, pool

STALE: dict[str, Any] = {"type": "StaleCache"}
STATIC: dict[str, Any] = {"type": "Static", "status": 503}
FAST: dict[str, Any] = {"type": "FailFast"}
ELSEWHERE: dict[str, Any] = {"type": "Upstream", "pool": "replica"}


def chain(*steps: dict[str, Any]) -> Any:
    return breaker("b", rules=[{"name": "r", "fallback": list(steps)}])


def on(step: dict[str, Any], *causes: str) -> dict[str, Any]:
    return step | {"causes": list(causes)}


def test_the_causes_of_a_step_reach_the_sidecar() -> None:
    """In one order, whatever order they are written in; without them it is for all."""
    compiled = [
        compile("default", "agent", [pool(), chain(on(STALE, *causes), FAST)])
        for causes in (("Timeout", "CircuitOpen"), ("CircuitOpen", "Timeout"))
    ]
    assert compiled[0].revision == compiled[1].revision
    steps = decode(canonical(compiled[0].config)).pools[0].breaker_rules[0].fallback
    assert [(step.type, step.causes) for step in steps] == [("StaleCache", ("CircuitOpen", "Timeout")), ("FailFast", ())]


@pytest.mark.parametrize(
    ("steps", "idle"),
    [
        ((STALE, ELSEWHERE, STATIC), ()),
        ((STATIC, STALE, ELSEWHERE), ()),  # those are still for what the upstream answers
        ((FAST, STATIC), ("Static",)),
        ((STATIC, on(STALE, "Timeout", "Connect")), ("StaleCache",)),
        ((STATIC, on(STALE, "Timeout", "UpstreamStatus")), ()),
        ((on(STATIC, "Timeout"), on(FAST, "Timeout")), ("FailFast",)),
        ((on(STATIC, "Timeout"), on(FAST, "Timeout", "Reset")), ()),
        ((on(STATIC, "Timeout"), FAST), ()),
        ((on(STALE, "Timeout"), on(FAST, "Timeout")), ()),  # there may be nothing stale
        ((on(ELSEWHERE, "Timeout"), on(FAST, "Timeout")), ()),  # it may not go there
        ((on(STATIC, "UpstreamStatus"),), ("Static",)),
        ((on(STALE, "UpstreamStatus"),), ()),
    ],
)
def test_a_step_whose_turn_never_comes_is_told(steps: tuple[dict[str, Any], ...], idle: tuple[str, ...]) -> None:
    """By rule and type; of a chain whose steps all have one nothing is said."""
    assert tuple(type_ for type_, _ in never_taken((s["type"], s.get("causes", ())) for s in steps)) == idle
    found = warning(chain(*steps))
    assert [(f.status, f.reason) for f in found] == [("True", "NeverTaken")] * bool(idle)
    assert all(f"rules[r].fallback[{type_}]" in f.message for f in found for type_ in idle)


def test_it_is_told_beside_what_is_not_enforced() -> None:
    """Both, and neither hides the other."""
    policy = breaker("b", rules=[{"name": "r", "match": {"mcp": {"tools": ["x"]}}, "fallback": [FAST, STATIC]}])
    compiled = compile("default", "agent", [pool(), policy])
    assert {f.reason for f in compiled.findings if f.type == "Warning"} == {"NotEnforced", "NeverTaken"}
