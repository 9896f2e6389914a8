"""Isolation as it is judged: crossings fail, whatever else took the proof away is inconclusive, and a control that missed never passes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from slipstream_loadtest.judged.checks.isolation import detectable, judge_isolation
from slipstream_loadtest.judged.checks.row import CheckRow
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import IsolationPart
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_part, a_plan, a_result, a_series

WELL: dict[str, Any] = {"sessions": 50, "probes": 400, "control_probes": 32, "control_crossings": 30}


def isolation_plan(**members: Any) -> Plan:
    return a_plan(checks={"isolation": {"sessions": 50}}, **members)


def row_of(**counts: Any) -> CheckRow:
    plan = isolation_plan()
    asked = plan.checks.isolation
    assert asked is not None
    result = a_result(plan, a_series(plan, [10] * 10))
    return judge_isolation(asked, msgspec.structs.replace(result, isolation=IsolationPart(**WELL | counts)))


def test_trap_t26_kept_apart_sessions_pass_with_the_smallest_rate_that_would_have_shown() -> None:
    """Sessions x probes, and by the rule of three one crossing in 133 answers."""
    row = row_of()
    assert (row.result, row.control) == ("Passed", "Caught")
    assert row.observed == "0 crossings in 400 answers of 50 sessions x 8 probes"
    assert row.detectable == "one crossing in 133 answers (0.75%), at 95% confidence"


def test_trap_t26_a_control_that_was_not_caught_never_passes() -> None:
    """A check that can't fail proves nothing; nor does one whose control had no answers."""
    missed, silent = row_of(control_crossings=0), row_of(control_probes=0, control_crossings=0)
    assert (missed.result, missed.control) == ("Inconclusive", "Missed")
    assert "write and read" in missed.message
    assert (silent.result, silent.control) == ("Inconclusive", "NotRun")


def test_one_crossing_fails_whatever_else_there_is() -> None:
    """Also where the control missed and most probes had no answer: a crossing is a crossing."""
    row = row_of(crossings=1, examples=("s1-3 got data of s1-4 from GET /r",), failed=399, control_crossings=0)
    assert row.result == "Failed"
    assert "s1-3 got data of s1-4" in row.message


def test_an_answer_without_ones_own_data_is_inconclusive() -> None:
    """Whose answer it is can't be told."""
    row = row_of(missing=1)
    assert row.result == "Inconclusive"
    assert "1 answers lacked what their own session had just written" in row.message


@pytest.mark.parametrize(("failed", "result"), [(20, "Passed"), (21, "Inconclusive")])
def test_a_twentieth_of_the_probes_may_be_without_an_answer(failed: int, result: str) -> None:
    """And no more."""
    assert row_of(failed=failed).result == result


def test_a_run_that_did_not_probe_is_inconclusive() -> None:
    """No data is never a pass."""
    plan = isolation_plan()
    verdict = judge(plan, a_result(plan, a_series(plan, [10] * 10)))
    assert (verdict.result, verdict.reasons[0].code) == ("Inconclusive", "CheckInconclusive")
    assert (verdict.checks[0].result, verdict.checks[0].control) == ("Inconclusive", "NotRun")


def test_the_run_fails_with_its_reason_and_shares_of_runners_add_up() -> None:
    """A crossing on one of two runners is one of the run."""
    plan = isolation_plan(runners={"count": 2})
    shares = (IsolationPart(**WELL | {"sessions": 25}), IsolationPart(**WELL | {"sessions": 25, "crossings": 2, "examples": ("a got b",)}))
    parts = [
        msgspec.structs.replace(a_part(plan, {0: a_series(plan, [10] * 10)}, index=at), isolation=share) for at, share in enumerate(shares)
    ]
    merged = merge(plan, parts).isolation
    assert merged is not None
    assert (merged.sessions, merged.probes, merged.crossings, merged.control_crossings) == (50, 800, 2, 60)
    verdict = judge(plan, merge(plan, parts))
    assert (verdict.result, [reason.code for reason in verdict.reasons]) == ("Failed", ["IsolationBroken"])
    assert verdict.checks[0].observed.startswith("2 crossings in 800 answers of 50 sessions")
    assert merge(plan, reversed(parts)) == merge(plan, parts)


def test_too_few_answers_exclude_no_rate() -> None:
    """Two answers say nothing of any rate below one."""
    assert detectable(2) == ""
    assert detectable(3000).startswith("one crossing in 1000 answers (0.1%)")
