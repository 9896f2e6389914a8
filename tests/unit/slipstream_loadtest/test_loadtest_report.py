"""Reports and status: every figure is one that was measured, nothing is NaN, everything is bounded."""

import json
import math
from typing import Any

import pytest

from slipstream_api.models.status import LoadTestStatus
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.plan.units import limit, show, show_change
from slipstream_loadtest.report.document import as_json, as_report
from slipstream_loadtest.report.status import as_status, summary
from slipstream_loadtest.report.text import as_text
from tests.fakes.loadtest_plans import STEP, a_part, a_plan, a_result, a_series, comparison_plan

P95 = {"name": "p95", "metric": "latency.p95", "max": "50ms"}


def compared() -> tuple[Any, Any, Any]:
    """A comparison in which the layers take a tenth."""
    plan = comparison_plan(5, thresholds=[P95], warmup="1s")
    sides = {"Direct": a_series(plan, [100] * 50), "Layers": a_series(plan, [10] * 100, cache={"hit": 75, "fwd=miss": 25}, opened=1)}
    result = a_result(plan, *[sides[p.target] for p in plan.phases if p.kind == "Hold"])
    return plan, result, judge(plan, result)


def nothing() -> tuple[Any, Any, Any]:
    """A run of which no part has come."""
    plan = comparison_plan(5, thresholds=[P95])
    result = merge(plan, [])
    return plan, result, judge(plan, result)


def test_summary_is_about_the_layers():
    """Rate, quantile, errors, change of p95, hit rate."""
    plan, result, verdict = compared()
    found = summary(plan, result, verdict)
    assert (found.rps, found.errors, found.delta, found.runners, found.hit_percent) == ("10", "0%", "-90%", "1/1", "75%")
    assert found.p95 in ("9.98ms", "10ms")
    assert (found.requests, found.wrong) == (500, 0)


def test_summary_shows_the_worst_stage():
    """One stage better, one worse: the column shows the worse change."""
    stages = [{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 1, "duration": "1s"}]
    plan = comparison_plan(5, stages=stages)
    times = {("Direct", "a"): 100, ("Layers", "a"): 10, ("Direct", "b"): 10, ("Layers", "b"): 20}
    series = [a_series(plan, [times[p.target, p.stage]] * 20) for p in plan.phases if p.kind == "Hold"]
    result = a_result(plan, *series)
    assert summary(plan, result, judge(plan, result)).delta == "+100%"


def test_a_lower_bound_is_marked_in_the_columns():
    """What was cut off is at least as slow."""
    plan = a_plan(thresholds=[P95])
    result = a_result(plan, a_series(plan, [1] * 10, censored_ms=[20] * 10))
    verdict = judge(plan, result)
    assert summary(plan, result, verdict).p95 == "≥20ms"
    assert as_status(plan, result, verdict)["thresholds"][0] == {
        "name": "p95", "observed": "≥20ms", "limit": "must be at most 50ms", "result": "NoData",
    }  # fmt: skip


@pytest.mark.parametrize("make", [compared, nothing])
def test_status_fits_the_published_schema(make: Any):
    """What is written into the status is what the CRD declares; a field it doesn't have would be pruned silently."""
    status = as_status(*make())
    assert LoadTestStatus.model_validate(status).model_dump(by_alias=True, exclude_none=True, mode="json")["runners"] == status["runners"]


def test_trap_T27_status_is_bounded():
    """32 stages, 16 scenarios of 2 steps, 32 thresholds: a few kB, and the report below 1 MB."""
    scenarios = [{"name": f"c{n}", "steps": [STEP | {"name": f"s{m}"} for m in range(2)]} for n in range(16)]
    stages = [{"name": f"stage-{n}", "users": 1, "duration": "1s"} for n in range(32)]
    thresholds = [{"name": f"t{n}", "metric": "latency.p95", "max": "50ms", "stage": f"stage-{n}"} for n in range(32)]
    plan = comparison_plan(2, stages=stages, scenarios=scenarios, thresholds=thresholds)
    import msgspec

    from slipstream_loadtest.measured.part import PhasePart

    one = a_series(plan, [1, 5, 10], errors={f"Status{n}": 1 for n in range(500, 540)})
    every = tuple(msgspec.structs.replace(one, scenario=c.name, step=s.name) for c in plan.scenarios for s in c.steps)
    part = a_part(plan, {})
    phases = tuple(PhasePart(phase=n, held_ms=1000, series=every if p.kind == "Hold" else ()) for n, p in enumerate(plan.phases))
    result = merge(plan, [msgspec.structs.replace(part, phases=phases)])
    verdict = judge(plan, result)
    assert len(json.dumps(as_status(plan, result, verdict))) < 64_000
    assert len(json.dumps(as_json(plan, result, verdict))) <= 900_000


@pytest.mark.parametrize("make", [compared, nothing])
def test_json_has_no_nan_and_is_versioned(make: Any):
    """Plain JSON values; what isn't known is null."""
    document = as_json(*make())
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["schemaVersion"] == 1

    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [n for v in value.values() for n in numbers(v)]
        if isinstance(value, list):
            return [n for v in value for n in numbers(v)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(n) for n in numbers(document))


def test_trap_T16_warm_up_and_drain_are_listed_as_not_judged():
    """Excluded from the verdict, yet visible."""
    phases = as_json(*compared())["phases"]
    assert {(p["kind"], p["judged"]) for p in phases} == {("WarmUp", False), ("Hold", True), ("Drain", False)}


def test_trap_T03_a_closed_stage_says_that_it_has_no_corrected_latency():
    """`latencyMs` is null, `serviceTimeMs` isn't, and the model is named."""
    stage = as_json(*compared())["stages"][0]
    assert (stage["model"], stage["latencyMs"]) == ("Closed", None)
    assert stage["serviceTimeMs"]["p95"] == pytest.approx(100, rel=0.005)


def test_json_accounts_for_every_call():
    """offered = completed + failed + dropped + censored, per stage."""
    plan = a_plan()
    result = a_result(plan, a_series(plan, [1] * 5, errors={"Reset": 2}, dropped=3, censored_ms=[4]))
    (stage,) = as_json(plan, result, judge(plan, result))["stages"]
    assert stage["offered"] == 11 == stage["completed"] + stage["failed"] + stage["dropped"] + stage["censored"]
    assert stage["errors"] == {"Reset": 2}


def test_tables_show_stages_comparison_thresholds_and_verdict():
    """In this order; each row as wide as its head."""
    tables = as_text(as_report(*compared()))
    assert [t.title for t in tables] == ["Stages", "Comparison", "Thresholds", "Passed"]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    comparison = {row[0]: row for row in tables[1].rows}
    assert comparison["latency.p95"][4] == "-90%"
    assert comparison["latency.p95"][-1] == "Improved"


def test_tables_of_nothing_show_the_verdict():
    """No row is made up."""
    tables = as_text(as_report(*nothing()))
    assert tables[-1].title == "Inconclusive"
    assert tables[-1].rows[0][0] == "LostRunner"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (11.84, "ms", "11.8ms"),
        (0.0421, "ms", "42µs"),
        (1500, "ms", "1.5s"),
        (90_000, "ms", "1.5m"),
        (0.0213, "percent", "0.02%"),
        (0, "percent", "0%"),
        (100, "percent", "100%"),
        (1234, "perSecond", "1234"),
        (12_340, "perSecond", "12.3k"),
        (2_500_000, "perSecond", "2.5M"),
        (None, "ms", "-"),
    ],
)
def test_figures_are_short(value: float | None, unit: Any, text: str):
    """Three digits and a unit."""
    assert show(value, unit) == text


@pytest.mark.parametrize(("ratio", "text"), [(0.69, "-31%"), (6.2, "+520%"), (1.004, "+0.4%"), (None, "-")])
def test_changes_are_signed(ratio: float | None, text: str):
    """Less is minus."""
    assert show_change(ratio) == text


@pytest.mark.parametrize(
    ("text", "unit", "value"), [("1m30s", "ms", 90_000), ("1%", "percent", 1), ("0.5", "percent", 0.5), ("2k", "count", 2000)]
)
def test_bounds_are_numbers_of_their_unit(text: str, unit: Any, value: float):
    """What the spec says as text."""
    assert limit(text, unit) == value


@pytest.mark.parametrize(("text", "unit"), [("50", "ms"), ("fast", "ms"), ("50ms", "percent"), ("", "count"), ("1x", "count")])
def test_bounds_of_another_unit_are_refused(text: str, unit: Any):
    """With what to write."""
    with pytest.raises(ValueError, match="write"):
        limit(text, unit)
