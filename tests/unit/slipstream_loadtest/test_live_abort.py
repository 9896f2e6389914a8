"""Thresholds that end a run: by what, how early, and what the verdict makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_cli.baseline import watch
from slipstream_loadtest.judged.live import aborts, ended_by, reached, samples_needed
from slipstream_loadtest.judged.reason import Reason
from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.plan.asked import Threshold
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.local import Stop
from tests.fakes.loadtest_plans import a_part, a_plan, a_series
from tests.fakes.loadtest_slices import Second, live_part, sliced

BOUND: dict[str, Any] = {"name": "p95", "metric": "latency.p95", "max": 50.0, "abort": True}


def aborting(**changes: Any) -> Plan:
    """Ten seconds of warm-up and two stages of ten: phases WarmUp, Hold a, Drain, Hold b, Drain."""
    stages = [{"name": name, "users": 2, "duration": "10s"} for name in "ab"]
    return replace(a_plan(warmup="10s", stages=stages), thresholds=(Threshold(**BOUND | changes),))


def after(plan: Plan, held_ms: int, latency: float, samples: int = 400, phase: int = 1) -> Reason | None:
    """The judgement when so much of a phase has been held, with such calls ended."""
    so_far = merge(plan, [live_part(plan, {phase: a_series(plan, [latency] * samples)}, held_ms)])
    return aborts(plan, so_far, reached(plan, so_far))


def test_a_broken_bound_ends_the_run() -> None:
    """Named, with what was observed; a bound that holds ends nothing, nor does one that doesn't ask to."""
    reason = after(aborting(), 2_000, 80)
    assert reason is not None
    assert reason.message == "threshold p95: latency.p95 is 80ms, must be at most 50ms (400 samples)"
    assert after(aborting(), 2_000, 20) is None
    assert after(aborting(abort=False), 2_000, 80) is None


def test_trap_t21_a_ramp_or_warm_up_ends_nothing() -> None:
    """Slow as it may be: nothing but a Hold window is judged."""
    assert after(aborting(), 9_000, 900, phase=0) is None
    plan = aborting()
    so_far = merge(plan, [live_part(plan, {0: a_series(plan, [900] * 500), 1: a_series(plan, [10] * 500)}, 2_000)])
    assert aborts(plan, so_far, reached(plan, so_far)) is None


def test_trap_t21_a_delay_is_waited_for() -> None:
    """Three seconds of the stage, not of the run."""
    assert after(aborting(delay_ms=3_000), 2_999, 80) is None
    assert after(aborting(delay_ms=3_000), 3_000, 80) is not None


def test_trap_t21_a_few_slow_calls_just_after_the_ramp_end_nothing() -> None:
    """A quantile needs ten samples beyond it; more where the threshold says so."""
    assert after(aborting(), 1_000, 80, samples=199) is None
    assert after(aborting(), 1_000, 80, samples=200) is not None
    assert after(aborting(min_samples=300), 1_000, 80, samples=299) is None
    assert [samples_needed(m) for m in ("latency.p50", "latency.p99", "latency.p999", "latency.max", "errors.percent")] == [
        20,
        1_000,
        10_000,
        1,
        20,
    ]


def test_a_threshold_of_another_stage_waits_for_it() -> None:
    """Of stage b, while a runs; then in b."""
    assert after(aborting(stage="b"), 2_000, 80) is None
    assert after(aborting(stage="b"), 2_000, 80, phase=3) is not None


def test_a_window_ends_the_run_by_slices_that_are_over() -> None:
    """The third second is slow: nothing yet at 2.9 s, the end at 3 s."""
    plan = aborting(window_ms=1_000)
    series = sliced(plan, [Second([10] * 300), Second([10] * 300), Second([90] * 300)])
    for held, ends in ((2_900, False), (3_000, True)):
        so_far = merge(plan, [live_part(plan, {1: series}, held)])
        assert (aborts(plan, so_far, reached(plan, so_far)) is not None) is ends


def test_all_runners_are_looked_at_together() -> None:
    """Each has too few samples, both have enough."""
    plan = replace(aborting(), runners=2)
    parts = [live_part(plan, {1: a_series(plan, [80] * 150)}, 2_000, index=index) for index in range(2)]
    assert aborts(plan, merge(plan, parts[:1]), 12_000) is None
    assert aborts(plan, merge(plan, parts), 12_000) is not None


def ended(plan: Plan, latency: float, reason: str) -> tuple[str, list[str]]:
    """The verdict on a run that was ended in stage a."""
    part = a_part(plan, {1: a_series(plan, [latency] * 400)}, aborted=reason)
    verdict = judge(plan, merge(plan, [replace(part, phases=part.phases[:3])]))
    return verdict.result, [r.code for r in verdict.reasons]


def test_a_run_that_a_threshold_has_ended_is_failed() -> None:
    """Not Inconclusive: the bound is broken, and the stages that weren't reached don't change that. Any other end is no verdict."""
    plan = aborting()
    reason = after(plan, 2_000, 80)
    assert reason is not None
    assert ended_by(plan, reason.message) == plan.thresholds[0]
    assert ended(plan, 80, reason.message) == ("Failed", ["ThresholdsFailed"])
    assert ended(plan, 49, reason.message)[0] == "Failed"  # the drain let the figure fall again
    assert ended(plan, 80, "interrupted") == ("Inconclusive", ["Aborted", "NoData", "ThresholdsFailed"])
    assert ended(plan, 80, "threshold other: a name that the plan doesn't have")[0] == "Inconclusive"


def test_an_end_by_a_bound_that_is_only_reported_is_no_failure() -> None:
    """Gate Report: it fails nothing, and a run that ended early passes nothing."""
    plan = aborting(enforce=False)
    reason = after(plan, 2_000, 80)
    assert reason is not None
    assert ended(plan, 80, reason.message)[0] == "Inconclusive"


def test_the_command_ends_a_run_with_the_judgements_words() -> None:
    """Once; and a plan without such thresholds isn't watched at all."""
    plan, stop = aborting(), Stop()
    look = watch(plan, stop)
    assert look is not None
    look([live_part(plan, {1: a_series(plan, [20] * 400)}, 2_000)])
    assert not stop.is_set()
    look([live_part(plan, {1: a_series(plan, [80] * 400)}, 2_000)])
    assert stop.reason.startswith("threshold p95: latency.p95 is 80ms")
    stop.end("interrupted")
    assert stop.reason.startswith("threshold p95")
    assert watch(aborting(abort=False), Stop()) is None


@pytest.mark.parametrize("held", [0, 1, 10_000])
def test_no_state_of_a_run_makes_it_stumble(held: int) -> None:
    """At its very start, and when the stage is just over."""
    assert after(aborting(), held, 10) is None
