"""Thresholds with windows, selectors, least samples and gates: what a bound is held against, and what breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_loadtest.judged.thresholds import ThresholdRow, judge_thresholds
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import MemorySample, SeriesPart
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_part, a_plan, a_result, a_series
from tests.fakes.loadtest_slices import Second, sliced, timed

FAST, SLOW = Second([10] * 20), Second([90] * 20)


def asking(plan: Plan, **threshold: Any) -> Plan:
    """The plan with one threshold, in a plan's own numbers."""
    return replace(plan, thresholds=(Threshold(name="t", **threshold),))


def only(plan: Plan, result: Result) -> ThresholdRow:
    (row,) = judge_thresholds(plan, result)
    return row


def windowed(seconds: list[Second], **threshold: Any) -> ThresholdRow:
    """A stage of ten seconds, held against p95 of at most 50 ms in every three."""
    plan = asking(a_plan(), **({"metric": "latency.p95", "max": 50.0, "window_ms": 3_000} | threshold))
    return only(plan, a_result(plan, sliced(plan, seconds)))


def test_a_bound_that_holds_in_every_stretch_passes() -> None:
    """Eight stretches of three seconds in ten, each by one second later."""
    row = windowed([FAST] * 10)
    assert (row.result, row.stretches, row.broken_stretches, row.first_breach_at_ms) == ("Passed", 8, 0, None)
    assert row.limit == "must be at most 50ms in every 3s"


def test_trap_t21_one_bad_stretch_breaks_what_the_whole_stage_hides() -> None:
    """One slow second in ten is under 5 % of the calls if it has few: the p95 of all is fine, that of its stretches isn't."""
    seconds = [*[Second([10] * 40)] * 6, Second([90] * 12), *[Second([10] * 40)] * 3]
    row = windowed(seconds)
    assert (row.result, row.broken_stretches, row.first_breach_at_ms) == ("Failed", 3, 7_000)
    assert row.observed == pytest.approx(90)
    assert "first broken between 4s and 7s" in row.message
    assert windowed(seconds, window_ms=0).result == "Passed"


def test_trap_t05_a_stretch_without_samples_takes_a_pass_away() -> None:
    """Nothing ended for three seconds: that is no pass. A broken stretch beside it stays a failure."""
    silent = [FAST, FAST, Second(), Second(), Second(), *[FAST] * 5]
    row = windowed(silent)
    assert row.result == "NoData"
    assert "latency.p95 has no samples between 2s and 5s" in row.message
    assert windowed([*silent[:-1], SLOW]).result == "Failed"


def test_a_stretch_without_an_answer_is_a_throughput_of_nothing() -> None:
    """Not no data: the target was asked and didn't answer."""
    row = windowed([FAST] * 4 + [Second()] * 3 + [FAST] * 3, metric="throughput", max=None, min=5.0)
    assert (row.result, row.observed, row.first_breach_at_ms) == ("Failed", 0.0, 7_000)
    assert windowed([FAST] * 10, metric="throughput", max=None, min=19.9).result == "Passed"


def test_errors_and_drops_have_stretches_too() -> None:
    """A burst of each."""
    burst = [*[FAST] * 5, Second([10] * 10, failed=10, dropped=20), *[FAST] * 4]
    assert windowed(burst, metric="errors.percent", max=10.0).result == "Failed"
    assert windowed(burst, metric="errors.percent", max=20.0).result == "Passed"
    assert windowed(burst, metric="dropped.percent", max=20.0).result == "Failed"
    assert windowed(burst, metric="dropped.percent", max=30.0).result == "Passed"


def test_cache_hits_and_reuse_have_stretches_too() -> None:
    """A second in which the cache was cold, and one in which every call had to connect: the whole stage hides both."""
    warm = Second([10] * 20, reused=20, hits=20, reads=20)
    for metric, cold in (
        ("cache.hitPercent", Second([10] * 20, reused=20, reads=20)),
        ("connections.reusePercent", Second([10] * 20, opened=20, hits=20, reads=20)),
    ):
        seconds = [*[warm] * 5, cold, *[warm] * 4]
        row = windowed(seconds, metric=metric, max=None, min=80.0)
        assert (row.result, row.first_breach_at_ms, row.broken_stretches) == ("Failed", 6_000, 3), row
        assert row.observed == pytest.approx(200 / 3)
        assert windowed(seconds, metric=metric, max=None, min=60.0).result == "Passed"
        assert windowed(seconds, metric=metric, max=None, min=80.0, window_ms=0).result == "Passed"


def test_slices_without_outcomes_are_no_data_of_hits_and_reuse() -> None:
    """Those of an earlier version, and of a target without a cache."""
    for metric in ("cache.hitPercent", "connections.reusePercent"):
        assert windowed([FAST] * 10, metric=metric, max=None, min=1.0).result == "NoData"


def test_what_ended_in_the_drain_belongs_to_the_last_stretch() -> None:
    """Slices beyond the stage's end: calls that began in it and took long."""
    plan = asking(a_plan(), metric="latency.p95", max=50.0, window_ms=3_000)
    row = only(plan, a_result(plan, sliced(plan, [*[FAST] * 10, Second([1_500] * 20)])))
    assert (row.result, row.broken_stretches, row.first_breach_at_ms) == ("Failed", 1, 10_000)


def test_trap_t07_calls_that_were_cut_off_bound_the_last_stretch_from_below() -> None:
    """Half of the last stretch's calls: at least 30 ms isn't at most 50 ms."""
    plan = asking(a_plan(), metric="latency.p95", max=50.0, window_ms=3_000)
    assert only(plan, a_result(plan, sliced(plan, [FAST] * 10, censored_ms=[30] * 30))).result == "LowerBound"
    assert only(plan, a_result(plan, sliced(plan, [FAST] * 10, censored_ms=[80] * 30))).result == "Failed"


def test_stretches_never_span_two_repeats() -> None:
    """Two stages of three seconds, one stretch each; the slow one is named by its time in the run."""
    stages = [{"name": name, "users": 1, "duration": "3s"} for name in "ab"]
    plan = asking(a_plan(stages=stages), metric="latency.p95", max=50.0, window_ms=3_000)
    row = only(plan, a_result(plan, sliced(plan, [FAST] * 3), sliced(plan, [SLOW] * 3)))
    assert (row.stretches, row.broken_stretches) == (2, 1)
    assert row.first_breach_at_ms == plan.phases[2].end_ms


def test_a_series_without_slices_is_no_data() -> None:
    """Whatever its totals are."""
    plan = asking(a_plan(), metric="latency.p95", max=50.0, window_ms=3_000)
    assert only(plan, a_result(plan, a_series(plan, [10] * 100))).result == "NoData"


@pytest.mark.parametrize("metric", ["connect.p95", "queue.p99", "serviceTime.p95"])
def test_a_window_of_what_is_not_kept_over_time_is_no_data(metric: str) -> None:
    """The API server refuses it; a plan from elsewhere doesn't pass by it."""
    row = windowed([FAST] * 10, metric=metric)
    assert (row.result, row.message) == ("NoData", f"{metric} isn't kept over time: leave window out")


SCENARIOS = [
    {"name": "read", "steps": [{"name": "get", "http": {"path": "/"}}, {"name": "list", "http": {"path": "/l"}}]},
    {"name": "write", "steps": [{"name": "put", "http": {"path": "/p"}}]},
]


def stepped(**threshold: Any) -> ThresholdRow:
    """get 10 ms, list 100 ms, put 1000 ms; ten answers each in ten seconds."""
    plan = asking(a_plan(scenarios=SCENARIOS), **threshold)
    names = [("read", "get", 10), ("read", "list", 100), ("write", "put", 1000)]
    series = [replace(a_series(plan, [ms] * 10), scenario=scenario, step=step) for scenario, step, ms in names]
    part = a_part(plan, {0: series[0]})
    held = replace(part.phases[0], series=tuple(series))
    return only(plan, merge(plan, [replace(part, phases=(held, *part.phases[1:]))]))


@pytest.mark.parametrize(
    ("selected", "observed"),
    [
        ({}, 1000),
        ({"scenario": "read"}, 100),
        ({"scenario": "read", "step": "get"}, 10),
        ({"scenario": "write"}, 1000),
    ],
    ids=str,
)
def test_a_threshold_is_about_its_scenario_and_step(selected: dict[str, str], observed: float) -> None:
    """Of all if it names none."""
    assert stepped(metric="latency.max", max=5_000.0, **selected).observed == pytest.approx(observed)


def test_throughput_of_a_step_is_its_share() -> None:
    """Three a second in all, one each."""
    assert stepped(metric="throughput", min=0.0).observed == pytest.approx(3.0)
    assert stepped(metric="throughput", min=0.0, scenario="read", step="get").observed == pytest.approx(1.0)


def test_fewer_samples_than_asked_for_are_no_data() -> None:
    """19 of 20, however good or bad they are."""
    for latency in (10, 90):
        plan = asking(a_plan(), metric="latency.p95", max=50.0, min_samples=20)
        row = only(plan, a_result(plan, a_series(plan, [latency] * 19)))
        assert (row.result, row.message) == ("NoData", "latency.p95 has 19 of the 20 samples that it needs in any stage")
    assert only(plan, a_result(plan, a_series(plan, [90] * 20))).result == "Failed"


def test_a_broken_bound_with_gate_report_is_said_and_fails_nothing() -> None:
    """The control: the same with Enforce fails."""
    plan = asking(a_plan(), metric="latency.p95", max=50.0, enforce=False)
    result = a_result(plan, a_series(plan, [80] * 100))
    verdict = judge(plan, result)
    assert (verdict.result, [r.code for r in verdict.reasons]) == ("Passed", ["Passed", "Reported"])
    assert "latency.p95 is 80ms, must be at most 50ms" in verdict.reasons[1].message
    enforced = replace(plan, thresholds=(replace(plan.thresholds[0], enforce=True),))
    assert judge(enforced, result).result == "Failed"


def test_no_data_with_gate_report_is_said_too() -> None:
    """It takes no pass away: nobody asked it to."""
    plan = asking(a_plan(), metric="cache.hitPercent", min=50.0, enforce=False)
    verdict = judge(plan, a_result(plan, a_series(plan, [10] * 100)))
    assert (verdict.result, verdict.reasons[1].code) == ("Passed", "Reported")


def remembered(*samples: tuple[int, int], error: str = "") -> ThresholdRow:
    plan = asking(a_plan(warmup="5s"), metric="target.memory", max=float(64 << 20))
    result = a_result(plan, a_series(plan, [10] * 10))
    return only(plan, replace(result, memory=tuple(MemorySample(at_ms=at, bytes=b) for at, b in samples), memory_error=error))


def test_target_memory_is_the_most_of_the_stage() -> None:
    """What it took while it warmed up isn't judged."""
    row = remembered((1_000, 900 << 20), (6_000, 60 << 20), (9_000, 63 << 20))
    assert (row.result, row.observed, row.samples) == ("Passed", 63 << 20, 2)
    assert remembered((6_000, 65 << 20)).result == "Failed"
    assert row.limit == "must be at most 64MiB"


def test_trap_t05_memory_that_could_not_be_read_is_no_data() -> None:
    """And says why."""
    row = remembered(error="/metrics answers 404")
    assert (row.result, row.message) == ("NoData", "the target's memory couldn't be read: /metrics answers 404")


def test_phases_of_calls_have_thresholds() -> None:
    """Queue, connect, first byte; a driver that doesn't time them leaves no data."""
    plan = asking(a_plan(), metric="queue.p95", max=5.0)

    def row(series: SeriesPart) -> ThresholdRow:
        return only(plan, a_result(plan, series))

    assert row(timed(a_series(plan, [10] * 4), queue=[1, 2, 3, 9])).result == "Failed"
    assert row(timed(a_series(plan, [10] * 4), queue=[1, 2, 3, 4])).result == "Passed"
    assert row(replace(a_series(plan, [10] * 4), timings=None)).result == "NoData"
