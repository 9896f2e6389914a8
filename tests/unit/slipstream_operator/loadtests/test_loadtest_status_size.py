"""A status stays small whatever was measured and said: an object that is too large can't be written any more, not even to repair it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from slipstream_api.models.status import LoadTestStatus
from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.judged.verdict import CheckRow, Reason, Verdict
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.report.status import MAX_ROWS, MAX_STAGES, as_status
from slipstream_operator.loadtests.applying.status import begun, concluded
from slipstream_operator.loadtests.deciding.actions import BeginRun
from slipstream_operator.loadtests.facts import LoadTestFacts
from tests.fakes.loadtest_plans import BOTH, a_part, a_plan

LIMIT = 64 * 1024
NAME = "n" * 60
PLAN = a_plan(
    BOTH,
    target={"poolRef": {"name": "memory"}},
    comparison={"baseline": "Direct", "repeats": 1},
    stages=[{"name": f"{NAME}{at:03}", "users": 1, "duration": "1s"} for at in range(50)],
    scenarios=[{"name": f"{NAME}{at:03}", "steps": [{"name": "a", "http": {"path": "/"}}]} for at in range(20)],
)


def measured(errors: dict[int, int]) -> Any:
    """The result of 50 stages × 20 scenarios × two targets; `errors` by phase."""
    steps = [(scenario.name, step.name) for scenario in PLAN.scenarios for step in scenario.steps]
    part = a_part(PLAN, {})
    phases = []
    for phase in part.phases:
        if PLAN.phases[phase.phase].kind == "Hold":
            bad = errors.get(phase.phase, 0)
            series = tuple(
                SeriesPart(scenario=s, step=n, offered=1 + bad, completed=1, failed=bad, errors={"HTTP 500": bad}) for s, n in steps
            )
            phase = type(phase)(phase=phase.phase, held_ms=phase.held_ms, series=series)
        phases.append(phase)
    return merge(PLAN, [type(part)(plan_hash=part.plan_hash, run=part.run, index=0, attempt="a", phases=tuple(phases))])


def verdict(text: str, rows: int) -> Verdict:
    return Verdict(
        result="Failed",
        reasons=tuple(Reason(code="ThresholdsFailed", message=text) for _ in range(20)),
        thresholds=tuple(
            ThresholdRow(
                name=f"{NAME}{at}"[:63],
                metric="latency.p95",
                stage=NAME,
                result="Passed" if at % 9 else "Failed",
                limit=text[:200],
                unit="ms",
                samples=1,
                observed=1e9,
            )
            for at in range(rows)
        ),
        checks=tuple(
            CheckRow(name=name, result="Failed", control="NotRun", observed=text, limit=text, detectable=text, message=text)
            for name in ("isolation", "memoryGrowth", "degradation")
        ),
        comparison=tuple(
            ComparisonRow(
                metric="latency.p95",
                stage=NAME,
                unit="ms",
                repeats=4,
                baseline=1.0,
                candidate=2.0,
                change=2.0,
                interval=(1.0, 3.0),
                p=0.01,
                result="Regressed" if at == rows - 1 else "NoChange",
            )
            for at in range(rows)
        ),
    )


def status_after(runs: int, text: str, rows: int, result: Any) -> dict[str, Any]:
    """What the API server holds after so many runs with long names and a history of 40."""
    status: dict[str, Any] = {}
    spec = {"history": {"passed": 20, "failed": 20}}
    each = {"kind": "CachePolicy", "generation": 10**9, "hash": "0" * 12, "state": "PartiallyEnforced"}
    policies = [each | {"name": f"{NAME}{at:03}"} for at in range(50)]
    judged = verdict(text, rows)
    for run in range(1, runs + 1):
        test = LoadTestFacts("ns", "t" * 40, "u", run, spec, status)
        status = _merge(
            status, begun(test, BeginRun(run, "k" * 250, "PolicyChange"), 100, policies, "queue/" + NAME, "2026-01-01T00:00:00Z")
        )
        test = LoadTestFacts("ns", "t" * 40, "u", run, spec, status)
        passed = Verdict(
            result="Passed", reasons=judged.reasons, thresholds=judged.thresholds, comparison=judged.comparison, checks=judged.checks
        )
        made = judged if run % 2 else passed
        figures = as_status(PLAN, result, made)
        status = _merge(status, concluded(test, made, figures, f"slipstream-lt-{'t' * 40}-{run}-result", "0" * 64, "2026-01-01T00:00:00Z"))
    return status


def _merge(status: dict[str, Any], patch: Any) -> dict[str, Any]:
    return {name: value for name, value in {**status, **patch}.items() if value is not None}


RESULT = measured({})


@settings(max_examples=15, deadline=None)
@given(text=st.text(min_size=1, max_size=4000), rows=st.integers(0, 400))
def test_trap_t27_the_status_of_50_stages_and_20_scenarios_stays_below_64_kb(text: str, rows: int) -> None:
    """Whatever the texts; and it is what the schema takes."""
    status = status_after(3, text, rows, RESULT)
    assert len(json.dumps(status, ensure_ascii=False).encode("utf-8", "surrogatepass")) < LIMIT
    LoadTestStatus.model_validate(status)


def test_the_largest_status_there_can_be_is_below_64_kb() -> None:
    """A full history, all lists full, every message at its bound; more than half of the limit, so the bounds are what holds it."""
    size = len(json.dumps(status_after(41, "ü" * 5000, 400, RESULT), ensure_ascii=False).encode())
    assert LIMIT / 2 < size < LIMIT


def test_without_bounds_it_would_be_larger() -> None:
    """The control: the same rows, all of them."""
    row = {"name": NAME, "observed": "1ms", "limit": "x" * 64, "result": "Failed"}
    assert len(json.dumps([row] * 400)) > LIMIT


def test_what_is_left_out_is_not_the_worst() -> None:
    """Failed thresholds and regressions come first; of 100 levels those with errors are there."""
    held = [at for at, phase in enumerate(PLAN.phases) if phase.kind == "Hold"]
    status = as_status(PLAN, measured({held[-1]: 5, held[-3]: 9}), verdict("x", 400))
    assert [row["result"] for row in status["thresholds"]] == ["Failed"] * MAX_ROWS
    assert status["comparison"][0]["result"] == "Regressed"
    assert len(status["stages"]) == MAX_STAGES
    assert [row["errors"] for row in status["stages"][:3]] == ["90%", "83.3%", "0%"]
