"""Degradation: growth from level to level against its limit, with what is cut off, missing, or not comparable told apart."""

from __future__ import annotations

from typing import Any

import pytest

from slipstream_loadtest.judged.checks.degradation import judge_degradation
from slipstream_loadtest.judged.checks.row import CheckRow
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_plan, a_result, a_series


def levels_plan(*loads: int, model: str = "users", **asked: Any) -> Plan:
    stages = [{"name": f"l{load}", model: load, "duration": "10s"} for load in loads]
    return a_plan(stages=stages, checks={"degradation": asked})


def row_of(plan: Plan, *series: SeriesPart) -> CheckRow:
    asked = plan.checks.degradation
    assert asked is not None
    return judge_degradation(plan, asked, a_result(plan, *series))


def latencies(plan: Plan, *milliseconds: float) -> list[SeriesPart]:
    return [a_series(plan, [ms] * 100) for ms in milliseconds]


@pytest.mark.parametrize("model", ["users", "ratePerSecond"])
def test_growth_below_the_limit_passes_and_its_control_is_caught(model: str) -> None:
    """Of closed and open stages; the row names the steepest step."""
    plan = levels_plan(100, 200, 300, model=model)
    row = row_of(plan, *latencies(plan, 10, 14, 15))
    assert (row.result, row.control) == ("Passed", "Caught")
    assert row.observed == "latency.p95 +40% from l100 (10ms) to l200 (14ms)"
    assert row.limit == "at most 50% a level"
    assert row.detectable.startswith("an increase of 50%")


def test_growth_above_the_limit_fails() -> None:
    """One step of several is enough, and the steepest is named."""
    plan = levels_plan(100, 200, 300)
    row = row_of(plan, *latencies(plan, 10, 12, 30))
    assert row.result == "Failed"
    assert row.message == "latency.p95 +150% from l200 (12ms) to l300 (30ms)"


def test_an_increase_within_the_sampling_error_is_inconclusive() -> None:
    """Forty answers that spread widely have no p95 to speak of; ten thousand of the same kind have one."""
    plan = levels_plan(100, 200)

    def spread(count: int, factor: float) -> SeriesPart:
        return a_series(plan, [factor * (5 + 25 * ((7919 * at) % count) / count) for at in range(count)])

    few = row_of(plan, spread(40, 1.0), spread(40, 1.55))
    assert few.result == "Inconclusive"
    assert "hold each level longer" in few.message
    assert row_of(plan, spread(10_000, 1.0), spread(10_000, 1.6)).result == "Failed"
    assert row_of(plan, spread(10_000, 1.0), spread(10_000, 1.4)).result == "Passed"


def test_a_control_that_sampling_hides_takes_the_pass_away() -> None:
    """With twenty answers a level raised by twice the limit doesn't stand out."""
    plan = levels_plan(100, 200)
    few = [a_series(plan, [1.0 * at * at for at in range(1, 11)]) for _ in range(2)]
    row = row_of(plan, *few)
    assert (row.result, row.control) == ("Inconclusive", "Missed")


def test_levels_go_by_load_and_not_by_their_place() -> None:
    """Stages may come in any order; a fall is no growth."""
    plan = levels_plan(300, 100, 200)
    assert row_of(plan, *latencies(plan, 18, 10, 13)).result == "Passed"
    assert row_of(plan, *latencies(plan, 10, 13, 18)).observed.startswith("latency.p95 +38% from l100 (13ms) to l200 (18ms)")


def test_a_level_without_answers_is_inconclusive() -> None:
    """Everything failed there, fast: it has no latency, and that is no improvement."""
    plan = levels_plan(100, 200)
    row = row_of(plan, a_series(plan, [10] * 100), a_series(plan, errors={"Connect": 100}))
    assert (row.result, row.control) == ("Inconclusive", "NotRun")
    assert "stage l200 has no latency.p95" in row.message


def test_cut_off_calls_take_a_pass_away_and_never_a_failure() -> None:
    """The true value is larger: 12 ms with calls cut off may be anything, 60 ms is too much anyway."""
    plan = levels_plan(100, 200)
    doubtful = row_of(plan, a_series(plan, [10] * 100), a_series(plan, [9] * 90, censored_ms=[12] * 20))
    assert doubtful.result == "Inconclusive"
    assert "l200 is a lower bound" in doubtful.message
    assert row_of(plan, a_series(plan, [10] * 100), a_series(plan, [9] * 90, censored_ms=[60] * 20)).result == "Failed"


def test_a_cut_off_base_proves_no_increase() -> None:
    """From at least 10 ms to 30 ms may be no growth at all; to 14 ms is none that is too large."""
    plan = levels_plan(100, 200)
    base = a_series(plan, [9] * 90, censored_ms=[10] * 20)
    assert row_of(plan, base, a_series(plan, [30] * 100)).result == "Inconclusive"
    assert row_of(plan, base, a_series(plan, [14] * 100)).message.startswith("the control wasn't caught")


@pytest.mark.parametrize("loads", [(100,), (100, 100)], ids=["one", "equal"])
def test_a_single_level_is_inconclusive(loads: tuple[int, ...]) -> None:
    """There is nothing that load was added to."""
    stages = [{"name": f"s{at}", "users": load, "duration": "10s"} for at, load in enumerate(loads)]
    plan = a_plan(stages=stages, checks={"degradation": {}})
    row = row_of(plan, *latencies(plan, *[10] * len(loads)))
    assert (row.result, row.control) == ("Inconclusive", "NotRun")
    assert "two stages of one model" in row.message


def test_users_and_arrivals_are_not_levels_of_each_other() -> None:
    """A closed stage and an open one: no step between them, whatever their latencies."""
    stages = [
        {"name": "c1", "users": 10, "duration": "10s"},
        {"name": "c2", "users": 20, "duration": "10s"},
        {"name": "o1", "ratePerSecond": 10, "duration": "10s"},
    ]
    plan = a_plan(stages=stages, checks={"degradation": {}})
    assert row_of(plan, *latencies(plan, 10, 11, 900)).result == "Passed"


def test_degradation_fails_the_run_and_what_cannot_be_told_leaves_it_open() -> None:
    """With the reason codes of the chain."""
    plan = levels_plan(100, 200)
    broken = judge(plan, a_result(plan, *latencies(plan, 10, 30)))
    assert (broken.result, [reason.code for reason in broken.reasons]) == ("Failed", ["Degrades"])
    single = levels_plan(100)
    unknown = judge(single, a_result(single, *latencies(single, 10)))
    assert (unknown.result, [reason.code for reason in unknown.reasons]) == ("Inconclusive", ["CheckInconclusive"])
    assert judge(plan, a_result(plan, *latencies(plan, 10, 12))).result == "Passed"
