"""Targets that fail in each way, from the first call to the verdict: the right result, for the right reason, and never a pass."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.report.document import as_report
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.runner.local import run_local
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.scripted_target import ScriptedTarget, scripted_target

P95 = {"name": "p95", "metric": "latency.p95", "max": "5s"}
ERRORS = {"name": "errors", "metric": "errors.percent", "max": "0.1"}
WRONG = {"name": "wrong", "metric": "wrong.count", "max": 0}
# How it fails → the kind of error that is counted.
FAULTS = {"stalls": "Timeout", "refuses": "Connect", "resets": "Reset", "answers half": "Reset", "answers garbage": "Malformed"}
PATHS = {"stalls": "/stall", "refuses": "/", "resets": "/reset", "answers half": "/half", "answers garbage": "/garbage"}


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


async def judged(url: str, path: str, *thresholds: dict[str, Any], expect: dict[str, Any] | None = None) -> tuple[Verdict, Report]:
    step: dict[str, Any] = {"name": "get", "http": {"path": path}} | ({"expect": expect} if expect else {})
    plan = a_plan(
        Routes(direct=Route(url=url)),
        timeout_ms=100,
        stages=[{"name": "s", "users": 2, "duration": "400ms"}],
        scenarios=[{"name": "r", "steps": [step]}],
        thresholds=list(thresholds),
    )
    result = (await run_local(plan)).result
    verdict = judge(plan, result)
    return verdict, as_report(plan, result, verdict)


def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def test_a_target_that_answers_right_passes(target: ScriptedTarget) -> None:
    """The control of all others: the same bounds hold."""
    verdict, report = await judged(target.url, "/things", P95, ERRORS, WRONG, expect={"contains": ["/things"]})
    assert {row.result for row in verdict.thresholds} == {"Passed"}
    assert report.stages[0].errors == {}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_fails_a_bound_on_errors_and_is_named(target: ScriptedTarget, fault: str) -> None:
    """Failed by the bound on errors; the report says which kind, and the broken bound what was observed."""
    verdict, report = await judged(target.url if fault != "refuses" else nobody(), PATHS[fault], P95, ERRORS)
    assert (verdict.result, verdict.reasons[0].code) == ("Failed", "ThresholdsFailed"), verdict.reasons
    assert verdict.reasons[0].message == "errors: errors.percent is 100%, must be at most 0.1%"
    assert set(report.stages[0].errors) == {FAULTS[fault]}


@pytest.mark.parametrize("fault", FAULTS)
async def test_trap_t05_no_fault_passes_a_bound_on_latency_alone(target: ScriptedTarget, fault: str) -> None:
    """Nothing was answered right, so there is no latency, however fast it failed."""
    verdict, _ = await judged(target.url if fault != "refuses" else nobody(), PATHS[fault], P95)
    assert verdict.result == "Inconclusive"
    assert "NoData" in {reason.code for reason in verdict.reasons}


async def test_a_target_that_answers_another_question_fails_a_bound_on_wrong_answers(target: ScriptedTarget) -> None:
    """Every status is right, and no answer is."""
    verdict, report = await judged(target.url, "/things", WRONG, expect={"contains": ["another"]})
    assert (verdict.result, verdict.reasons[0].code) == ("Failed", "ThresholdsFailed")
    assert verdict.reasons[0].message.startswith("wrong: wrong.count is ")
    assert report.stages[0].wrong > 0
