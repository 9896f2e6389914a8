"""The checks of a run besides thresholds, each with its control; what they look at was measured elsewhere. Pure; runs nothing."""

from __future__ import annotations

from slipstream_loadtest.judged.checks.degradation import judge_degradation
from slipstream_loadtest.judged.checks.growth import judge_growth
from slipstream_loadtest.judged.checks.isolation import judge_isolation
from slipstream_loadtest.judged.checks.row import CheckRow
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan


def judge_checks(plan: Plan, result: Result) -> tuple[CheckRow, ...]:
    """A row for each check that the plan asks for."""
    asked, rows = plan.checks, []
    if asked.isolation is not None:
        rows.append(judge_isolation(asked.isolation, result))
    if asked.memory_growth is not None:
        rows.append(judge_growth(plan, asked.memory_growth, result))
    if asked.degradation is not None:
        rows.append(judge_degradation(plan, asked.degradation, result))
    return tuple(rows)


__all__ = ["CheckRow", "judge_checks"]
