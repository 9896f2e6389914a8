"""Metrics: each from what was measured, none from nothing."""

import pytest

from slipstream_loadtest.judged.metrics import METRICS, measure
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.result import Window
from tests.fakes.loadtest_plans import a_part, a_plan, a_result, a_series

PLAN = a_plan()
OPEN = a_plan(stages=[{"name": "s", "ratePerSecond": 10, "duration": "10s"}])


def windows(*series: object, plan=PLAN) -> list[Window]:
    return [w for w in a_result(plan, *series).windows if w.judged]


def test_latency_quantiles_are_in_milliseconds():
    """1..100 ms."""
    held = windows(a_series(PLAN, range(1, 101)))
    assert measure("latency.p95", held).value == pytest.approx(95, rel=0.005)
    assert measure("latency.max", held).value == pytest.approx(100)
    assert measure("latency.mean", held).value == pytest.approx(50.5)
    assert measure("latency.p95", held).samples == 100


def test_service_time_and_corrected_latency_are_different_metrics():
    """An open stage has both."""
    from slipstream_loadtest.measured.tally import Series

    series = Series("read", "get", 10, corrected=True)
    series.offered += 1
    series.complete(0.0, 0.9, 1.0)
    held = windows(series.close(), plan=OPEN)
    assert measure("latency.p50", held).value == pytest.approx(1000)
    assert measure("serviceTime.p50", held).value == pytest.approx(100)


@pytest.mark.parametrize("name", list(METRICS))
def test_trap_T05_no_metric_has_a_value_without_samples(name: str):
    """Nothing offered: no value, so no threshold passes; also of no window at all."""
    assert measure(name, windows(a_series(PLAN))).value is None
    assert measure(name, []).value is None


@pytest.mark.parametrize("name", [n for n in METRICS if n.startswith(("latency", "serviceTime"))])
def test_trap_T05_an_all_failed_series_has_no_latency(name: str):
    """p95 = 0 of no right answers would pass every bound."""
    assert measure(name, windows(a_series(PLAN, errors={"Timeout": 50}))).value is None


def test_errors_are_a_share_of_the_ended_calls():
    """Dropped and censored calls didn't end."""
    held = windows(a_series(PLAN, [1] * 3, errors={"Timeout": 1}, dropped=10, censored_ms=[5]))
    assert measure("errors.percent", held).value == 25


def test_wrong_answers_are_counted():
    """Also as 0, when there were answers."""
    assert measure("wrong.count", windows(a_series(PLAN, [1]))).value == 0
    assert measure("wrong.count", windows(a_series(PLAN, [1], errors={"Wrong": 2}))).value == 2


def test_throughput_is_right_answers_over_the_fixed_window():
    """20 answers in 10 s; failures are no throughput."""
    assert measure("throughput", windows(a_series(PLAN, [1] * 20, errors={"Reset": 5}))).value == pytest.approx(2)
    assert measure("throughput", windows(a_series(PLAN, errors={"Reset": 5}))).value == 0


def test_throughput_over_several_windows_is_weighted_by_their_time():
    """10 s with 20 answers and 30 s with 20 answers: one a second."""
    plan = a_plan(stages=[{"name": "a", "users": 1, "duration": "10s"}, {"name": "b", "users": 1, "duration": "30s"}])
    series = a_series(plan, [1] * 20)
    held = [w for w in merge(plan, [a_part(plan, {0: series, 2: series})]).windows if w.judged]
    assert measure("throughput", held).value == pytest.approx(1)


def test_hit_rate_is_measured_from_the_answers():
    """Of those that name an outcome."""
    held = windows(a_series(PLAN, [1] * 10, cache={"hit": 3, "fwd=miss": 1}))
    assert measure("cache.hitPercent", held).value == 75
    assert measure("cache.hitPercent", windows(a_series(PLAN, [1] * 10))).value is None
    assert measure("cache.hitPercent", windows(a_series(PLAN, [1] * 10, cache={"fwd=method": 2}))).value is None


def test_writes_dont_lower_the_hit_rate_and_reads_past_the_cache_do():
    """No cache could have answered a write; a read that its rule let pass is no hit."""
    held = windows(a_series(PLAN, [1] * 10, cache={"hit": 3, "fwd=uri-miss": 1, "fwd=method": 4}))
    assert measure("cache.hitPercent", held).value == 75
    held = windows(a_series(PLAN, [1] * 10, cache={"hit": 3, "fwd=bypass": 1}))
    assert measure("cache.hitPercent", held).value == 75


def test_trap_T20_reuse_counts_connections_opened_within_the_window():
    """One of ten calls opened a connection."""
    assert measure("connections.reusePercent", windows(a_series(PLAN, [1] * 10, opened=1))).value == 90


def test_trap_T07_cut_off_calls_bound_a_quantile_from_below():
    """99 fast answers and 11 calls cut off after 5 s: the p95 is at least 5 s, not the 1 ms of the survivors."""
    measured = measure("latency.p95", windows(a_series(PLAN, [1] * 99, censored_ms=[5000] * 11)))
    assert measured.value == pytest.approx(5000)
    assert measured.lower_bound


def test_trap_T07_cut_off_calls_above_a_quantile_leave_it_exact():
    """One of 100 cut off after 5 s: the p50 can't depend on how long it would have taken."""
    measured = measure("latency.p50", windows(a_series(PLAN, [1] * 99, censored_ms=[5000])))
    assert measured.value == pytest.approx(1, rel=0.005)
    assert not measured.lower_bound


def test_closed_and_open_stages_pool_to_one_latency():
    """Over all stages: a closed stage's service time takes part as its latency."""
    plan = a_plan(stages=[{"name": "a", "users": 1, "duration": "10s"}, {"name": "b", "ratePerSecond": 1, "duration": "10s"}])
    part = a_part(plan, {0: a_series(plan, [10] * 5), 2: a_series(plan, [30] * 5, corrected=True)})
    held = [w for w in merge(plan, [part]).windows if w.judged]
    assert measure("latency.mean", held).value == pytest.approx(20)
