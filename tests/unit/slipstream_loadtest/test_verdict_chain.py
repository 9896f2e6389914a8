"""The verdict: each reason is reached by its own fault, and what can't be trusted never passes."""

from typing import Any

import msgspec
import pytest

from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import GeneratorPart
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import MS, a_part, a_plan, a_result, a_series, comparison_plan

P95 = {"name": "p95", "metric": "latency.p95", "max": "50ms"}


def judged(*series: Any, thresholds: list[dict[str, Any]] | None = None, plan: Plan | None = None, **more: Any) -> Verdict:
    chosen = plan or a_plan(thresholds=thresholds if thresholds is not None else [P95])
    return judge(chosen, a_result(chosen, *series, **more))


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def lags(*milliseconds: float) -> GeneratorPart:
    histogram = Histogram()
    for lag in milliseconds:
        histogram.record(int(lag * MS))
    return GeneratorPart(loop_lag=histogram.encode(), cpu_ms=10, wall_ms=10_000)


def test_kept_thresholds_pass():
    """The negative control of all the others."""
    verdict = judged(a_series(a_plan(), [10] * 100))
    assert (verdict.result, codes(verdict)) == ("Passed", ["Passed"])
    assert [(row.name, row.result) for row in verdict.thresholds] == [("p95", "Passed")]


def test_a_broken_threshold_fails_and_says_by_how_much():
    """Metric, observed value and bound."""
    verdict = judged(a_series(a_plan(), [80] * 100))
    assert (verdict.result, codes(verdict)) == ("Failed", ["ThresholdsFailed"])
    assert "latency.p95 is 80ms, must be at most 50ms" in verdict.reasons[0].message


@pytest.mark.parametrize(
    ("bounds", "result"), [({"min": 2}, "Passed"), ({"min": 3}, "Failed"), ({"min": 1, "max": 3}, "Passed"), ({"max": 1}, "Failed")]
)
def test_bounds_below_and_above(bounds: dict[str, int], result: str):
    """20 answers in 10 s are 2 a second."""
    assert judged(a_series(a_plan(), [1] * 20), thresholds=[{"name": "t", "metric": "throughput"} | bounds]).result == result


def test_trap_T05_a_threshold_without_samples_is_inconclusive():
    """All calls failed: there is no p95, and no pass."""
    verdict = judged(a_series(a_plan(), errors={"Connect": 10}))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["NoData"])
    assert "latency.p95 has no samples" in verdict.reasons[0].message


def test_all_failed_fails_where_a_threshold_asks_for_errors():
    """What was measured suffices for that one."""
    verdict = judged(a_series(a_plan(), errors={"Connect": 10}), thresholds=[P95, {"name": "e", "metric": "errors.percent", "max": 1}])
    assert (verdict.result, codes(verdict)) == ("Failed", ["ThresholdsFailed", "NoData"])


def test_nothing_offered_is_inconclusive_even_without_thresholds():
    """No data is never a pass."""
    verdict = judged(a_series(a_plan()), thresholds=[])
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["NoData"])


def test_one_empty_stage_of_two_is_inconclusive():
    """A stage that was never loaded isn't covered by the other one."""
    plan = a_plan(stages=[{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 1, "duration": "1s"}])
    verdict = judged(a_series(plan, [1]), a_series(plan), plan=plan)
    assert codes(verdict) == ["NoData"]
    assert "stage b" in verdict.reasons[0].message


def test_trap_T15_a_lost_runner_is_inconclusive():
    """The load that was offered is shown; a failed threshold doesn't change it, since nobody knows what the rest would have shown."""
    plan = a_plan(runners={"count": 4}, thresholds=[P95])
    verdict = judge(plan, merge(plan, [a_part(plan, {0: a_series(plan, [80] * 10)}, index=i) for i in (0, 1, 3)]))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["LostRunner", "ThresholdsFailed"])
    assert "3 of 4 runners reported (lost: 2); 30 calls were offered" in verdict.reasons[0].message


def test_an_aborted_run_is_inconclusive():
    """However good its figures are."""
    plan = a_plan(thresholds=[P95])
    verdict = judge(plan, merge(plan, [a_part(plan, {0: a_series(plan, [1] * 10)}, aborted="spec.suspend")]))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["Aborted"])


def test_trap_T18_a_busy_generator_is_inconclusive():
    """Over 90 % of a core: calls queued in the generator."""
    verdict = judged(a_series(a_plan(), [10] * 100), generator=GeneratorPart(cpu_ms=9_500, wall_ms=10_000))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["GeneratorSaturated"])
    assert "95% of a core" in verdict.reasons[0].message


def test_trap_T18_a_lag_that_is_a_tenth_of_the_p95_is_inconclusive():
    """p95 of 400 ms: 80 ms of lag in every turn of the loop are a visible part of it; 35 ms aren't."""
    series = a_series(a_plan(), [400] * 100)
    assert codes(judged(series, thresholds=[], generator=lags(*[80] * 100))) == ["GeneratorSaturated"]
    assert codes(judged(series, thresholds=[], generator=lags(*[35] * 100))) == ["Passed"]


def test_trap_T18_start_lag_counts_like_loop_lag():
    """Calls that start late are the generator's fault."""
    late = msgspec.structs.replace(lags(1), start_lag=lags(*[50] * 100).loop_lag)
    assert codes(judged(a_series(a_plan(), [40] * 100), generator=late)) == ["GeneratorSaturated"]


def test_trap_T18_a_lag_that_is_small_beside_the_bound_decides_nothing():
    """p95 of 5 ms with a lag of 4 ms: worthless without a bound or with one of 6 ms, a clear pass of one of 50 ms."""
    series, generator = a_series(a_plan(), [5] * 100), lags(*[4] * 100)
    assert codes(judged(series, thresholds=[], generator=generator)) == ["GeneratorSaturated"]
    assert codes(judged(series, thresholds=[P95 | {"max": "6ms"}], generator=generator)) == ["GeneratorSaturated"]
    assert codes(judged(series, generator=generator)) == ["Passed"]


def test_one_late_probe_is_no_saturated_generator():
    """200 probes in four seconds, one of them 50 ms late: few calls can have met it, and the p95 of all is none of theirs."""
    series = a_series(a_plan(), range(1, 41))
    assert codes(judged(series, generator=lags(*[1] * 199, 50))) == ["Passed"]
    assert codes(judged(series, generator=lags(*[1] * 100, *[50] * 100))) == ["GeneratorSaturated"]


def test_a_small_lag_takes_no_pass_away():
    """A lag makes latencies look worse: what passes in spite of it passes."""
    assert codes(judged(a_series(a_plan(), [0.5] * 100), generator=lags(*[8] * 100))) == ["Passed"]


def test_a_failure_that_the_lag_explains_is_inconclusive():
    """55 ms measured, bound 50 ms, 5.3 ms of lag: the target may well keep it. With 1 ms of lag it doesn't."""
    verdict = judged(a_series(a_plan(), [55] * 100), generator=lags(*[5.3] * 100))
    assert (verdict.result, codes(verdict)[0]) == ("Inconclusive", "GeneratorSaturated")
    assert "of which the runners' own lag may be 5.3ms" in verdict.reasons[0].message
    assert judged(a_series(a_plan(), [55] * 100), generator=lags(*[1] * 100)).result == "Failed"


def test_lag_does_not_explain_errors():
    """Errors stay a failure."""
    errors = {"name": "e", "metric": "errors.percent", "max": 1}
    assert judged(a_series(a_plan(), [1] * 90, errors={"Reset": 10}), thresholds=[errors], generator=lags(*[8] * 100)).result == "Failed"


def test_trap_T20_running_out_of_ports_is_the_generators_error():
    """Not the target's: no threshold on errors may fail or pass for it."""
    verdict = judged(a_series(a_plan(), [1] * 100, errors={"LocalPorts": 3}))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["GeneratorError"])


def test_trap_T04_dropped_load_takes_a_pass_away():
    """1 % of the arrivals never sent: the latency of the rest flatters."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 10, "duration": "10s"}], thresholds=[P95])
    verdict = judged(a_series(plan, [1] * 99, dropped=1, corrected=True), plan=plan)
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["DroppedLoad"])
    assert "raise maxInFlight" in verdict.reasons[0].message


def test_dropped_load_does_not_excuse_a_failure():
    """With the dropped calls it could only have been worse."""
    plan = a_plan(stages=[{"name": "s", "ratePerSecond": 10, "duration": "10s"}], thresholds=[P95])
    verdict = judged(a_series(plan, [80] * 99, dropped=1, corrected=True), plan=plan)
    assert (verdict.result, codes(verdict)) == ("Failed", ["ThresholdsFailed", "DroppedLoad"])


def test_trap_T07_a_bound_that_rests_on_cut_off_calls_is_not_passed():
    """At least 20 ms is not at most 50 ms; at least 80 ms is a failure."""
    verdict = judged(a_series(a_plan(), [1] * 50, censored_ms=[20] * 50))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["Censored"])
    assert judged(a_series(a_plan(), [1] * 50, censored_ms=[80] * 50)).result == "Failed"


def test_a_lower_bound_above_a_minimum_passes():
    """The true value is no smaller."""
    assert (
        judged(a_series(a_plan(), [1] * 9, censored_ms=[20]), thresholds=[{"name": "m", "metric": "latency.max", "min": "10ms"}]).result
        == "Passed"
    )


def test_thresholds_of_a_comparison_judge_the_layers():
    """Direct may be as slow as it likes."""
    plan = comparison_plan(5, thresholds=[P95])
    slow, fast = a_series(plan, [500] * 20), a_series(plan, [5] * 20)
    order = [p.target for p in plan.phases if p.kind == "Hold"]
    series = [slow if target == "Direct" else fast for target in order]
    assert judge(plan, a_result(plan, *series)).result == "Passed"
    assert judge(plan, a_result(plan, *[fast if target == "Direct" else slow for target in order])).result == "Failed"


def test_a_threshold_of_a_stage_looks_at_that_stage():
    """Stage b is slow, the bound is on a."""
    stages = [{"name": "a", "users": 1, "duration": "1s"}, {"name": "b", "users": 1, "duration": "1s"}]
    plan = a_plan(stages=stages, thresholds=[P95 | {"stage": "a"}])
    assert judged(a_series(plan, [1] * 9), a_series(plan, [900] * 9), plan=plan).result == "Passed"
    assert judged(a_series(plan, [900] * 9), a_series(plan, [1] * 9), plan=plan).result == "Failed"


def test_trap_T16_warm_up_is_not_judged():
    """A slow warm-up is listed and breaks nothing; the same figures in a stage do."""
    plan = a_plan(warmup="5s", thresholds=[P95])
    slow, fast = a_series(plan, [900] * 50), a_series(plan, [1] * 50)
    result = merge(plan, [a_part(plan, {0: slow, 1: fast})])
    assert judge(plan, result).result == "Passed"
    assert result.windows[0].steps[0].completed == 50
    assert judge(plan, merge(plan, [a_part(plan, {0: fast, 1: slow})])).result == "Failed"


def test_trap_T23_too_few_repeats_are_inconclusive_and_say_how_many_are_needed():
    """3 repeats on each side."""
    plan = comparison_plan(3)
    verdict = judge(plan, a_result(plan, a_series(plan, [5] * 20)))
    assert (verdict.result, codes(verdict)) == ("Inconclusive", ["TooFewRepeats"])
    assert "at least 5" in verdict.reasons[0].message
    assert {row.result for row in verdict.comparison} == {"Inconclusive"}
