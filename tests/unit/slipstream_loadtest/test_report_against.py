"""Two stored reports against each other: like ones are judged, unlike ones refused with what differs."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.report.against import Unlike, against
from slipstream_loadtest.report.bounded import fitted, size
from slipstream_loadtest.report.document import as_report
from slipstream_loadtest.report.model import Reason, Report
from tests.fakes.loadtest_plans import a_result, a_series, comparison_plan


def measured(ms: float, repeats: int = 8, **members: Any) -> Report:
    """Repeats around `ms` through the layers, the direct way ten times slower."""
    plan = comparison_plan(repeats, **members)
    held = [p for p in plan.phases if p.kind == "Hold"]
    series = [a_series(plan, [(ms if p.target == "Layers" else 10 * ms) * (1 + p.repeat / 100)] * 20) for p in held]
    result = a_result(plan, *series)
    return as_report(plan, result, judge(plan, result))


def results(before: Report, after: Report) -> dict[str, str]:
    return {row.metric: row.result for row in against(after, before)}


def test_slower_is_regressed_and_faster_is_improved() -> None:
    """Of the layers in both: the direct way takes no part. Rates are the same."""
    fast, slow = measured(10), measured(20)
    assert results(fast, slow) == {"latency.p50": "Regressed", "latency.p95": "Regressed", "throughput": "NoChange"}
    assert results(slow, fast) == {"latency.p50": "Improved", "latency.p95": "Improved", "throughput": "NoChange"}


def test_trap_t22_a_report_against_itself_is_no_change() -> None:
    """Negative control of the two above."""
    one = measured(10)
    assert set(results(one, one).values()) == {"NoChange"}


def test_trap_t23_too_few_repeats_are_inconclusive() -> None:
    """However large the difference."""
    assert set(results(measured(1, repeats=2), measured(50, repeats=2)).values()) == {"Inconclusive"}


STAGE = {"name": "s", "users": 2, "duration": "10s"}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"stages": [STAGE | {"users": 3}]}, "stages.s.users differs from the baseline's: 3 now, 2 then"),
        ({"stages": [STAGE, STAGE | {"name": "t"}]}, "stages.t is not in the baseline; run"),
        ({"warmup": "5s"}, "warmup differs from the baseline's: 5000 now, 0 then"),
        ({"scenarios": [{"name": "write", "steps": [{"name": "get", "http": {"path": "/"}}]}]}, "scenarios.write is not in the baseline"),
        ({"stages": [STAGE | {"name": "t"}]}, "stages.t is not in the baseline"),
        ({"timeout_ms": 900}, "timeout differs from the baseline's: 900 now, 1000 then"),
    ],
)
def test_trap_t24_unlike_loads_are_refused_with_what_differs(members: dict[str, Any], words: str) -> None:
    """Both values, so that one knows which to change."""
    with pytest.raises(Unlike, match=words):
        against(measured(10, **members), measured(10))


def test_what_may_differ_is_no_reason_to_refuse() -> None:
    """Seed and thresholds say nothing of the load's form."""
    assert against(measured(10, seed=9, thresholds=[{"name": "t", "metric": "throughput", "min": "1"}]), measured(10))


def test_reports_that_are_not_whole_are_refused() -> None:
    """Without what was measured, without the data, aborted, with lost runners, or of a mixture of policies."""
    whole = measured(10)
    assert whole.measured is not None
    bare = fitted(whole, 100)
    cut = replace(whole, measured=replace(whole.measured, aborted="interrupted"))
    lost = replace(whole, measured=replace(whole.measured, lost=(0,)))
    mixed = replace(whole, reasons=(Reason(code="PoliciesChanged", message=""),))
    for broken in (bare, replace(whole, omitted=("plan.data",)), cut, lost, mixed):
        with pytest.raises(Unlike, match="the first report"):
            against(whole, broken)
    assert against(whole, fitted(whole, size(whole) - 1)) if whole.measured.windows[0].steps[0].slices else True
