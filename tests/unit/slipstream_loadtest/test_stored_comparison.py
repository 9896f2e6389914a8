"""Comparison with an earlier run: like with like, repeats enough on both sides, and what is said where there is none."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from slipstream_loadtest.judged.alike import Baseline, few, notes, unfit, unlike
from slipstream_loadtest.judged.comparison import compare
from slipstream_loadtest.judged.verdict import Verdict, judge
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.asked import Comparison
from slipstream_loadtest.plan.model import Connections, Phase, Plan
from slipstream_loadtest.plan.scenarios import DataList
from tests.fakes.loadtest_plans import a_plan, a_result, a_series


def stored(repeats: int = 6, metrics: tuple[str, ...] = ("latency.p95",), *, enforce: bool = False, **members: Any) -> Plan:
    """A plan that compares with an earlier run, its stage repeated."""
    plan = a_plan(**members)
    block = plan.phases[-1].end_ms
    phases = tuple(replace(phase, repeat=n, start_ms=phase.start_ms + n * block) for n in range(repeats) for phase in plan.phases)
    comparison = Comparison(baseline="Stored", repeats=repeats, metrics=metrics, enforce=enforce)
    return replace(plan, phases=phases, comparison=comparison)


def measured(plan: Plan, latency: float) -> Result:
    """Repeats that differ by a little."""
    return a_result(plan, *[a_series(plan, [latency + at / 10] * 40) for at in range(len(plan.phases) // 2)])


def judged(plan: Plan, latency: float, baseline: Baseline | None) -> Verdict:
    return judge(plan, measured(plan, latency), baseline)


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_a_slower_run_has_regressed_and_a_faster_one_improved() -> None:
    """With the evidence; the same latency is no change."""
    plan = stored()
    baseline = (plan, measured(plan, 10))
    rows = {latency: compare(plan, measured(plan, latency), baseline)[0] for latency in (20, 5, 10)}
    assert {latency: row.result for latency, row in rows.items()} == {20: "Regressed", 5: "Improved", 10: "NoChange"}
    assert (rows[20].repeats, rows[20].baseline) == (6, pytest.approx(10.25, abs=0.05))


def test_a_regression_fails_with_gate_enforce_and_is_said_with_report() -> None:
    """And an improvement passes."""
    enforcing, reporting = stored(enforce=True), stored()
    baseline = (reporting, measured(reporting, 10))
    assert (judged(enforcing, 20, baseline).result, codes(judged(enforcing, 20, baseline))) == ("Failed", ["Regressed", "Baseline"])
    assert "latency.p95 in stage s: +98% (10.2ms to 20.2ms)" in judged(enforcing, 20, baseline).reasons[0].message
    assert codes(judged(reporting, 20, baseline)) == ["Passed", "Reported", "Baseline"]
    assert judged(enforcing, 5, baseline).result == "Passed"


def test_the_first_run_has_nothing_to_be_compared_with_and_passes() -> None:
    """It says so; otherwise no run could ever be the first one that passed."""
    plan = stored(enforce=True)
    assert codes(judged(plan, 10, None)) == ["Passed", "NoBaseline"]
    assert compare(plan, measured(plan, 10)) == ()


@pytest.mark.parametrize("theirs", [1, 3])
def test_trap_t23_a_baseline_with_too_few_repeats_is_inconclusive_and_says_how_many(theirs: int) -> None:
    """One row needs four on each side."""
    plan, earlier = stored(6), stored(theirs)
    verdict = judged(plan, 20, (earlier, measured(earlier, 10)))
    assert (verdict.result, codes(verdict)[0]) == ("Inconclusive", "TooFewRepeats")
    assert f"the baseline's {theirs} repeat{'' if theirs == 1 else 's'} can't show" in verdict.reasons[0].message
    assert "run it again with repeats of at least 4" in verdict.reasons[0].message
    assert {row.result for row in verdict.comparison} == {"Inconclusive"}


def test_trap_t23_a_run_of_one_repeat_shows_nothing() -> None:
    """Against whatever baseline."""
    plan, earlier = stored(1), stored(6)
    verdict = judged(plan, 20, (earlier, measured(earlier, 10)))
    assert verdict.result == "Inconclusive"
    assert "1 repeat can't show a difference at 95% confidence in 1 row: set repeats to at least 4" in verdict.reasons[0].message


@pytest.mark.parametrize(("metrics", "needed"), [(1, 4), (2, 5), (6, 5), (7, 6)])
def test_trap_t23_more_rows_need_more_repeats(metrics: int, needed: int) -> None:
    """After Holm the smallest p counts as often as there are rows."""
    names = ("latency.p50", "latency.p90", "latency.p95", "latency.p99", "serviceTime.p50", "serviceTime.p95", "throughput")[:metrics]
    assert f"at least {needed}" in few(stored(3, names))
    assert few(stored(needed, names)) == ""


def changed(plan: Plan, what: str) -> Plan:
    """The plan with one thing about its load changed."""
    stage, scenario = plan.stages[0], plan.scenarios[0]
    step = scenario.steps[0]
    other = {
        "stages.s.users": replace(plan, stages=(replace(stage, users=20),)),
        "stages.s.rampMs": replace(plan, stages=(replace(stage, ramp_ms=5),)),
        "scenarios.read.steps": replace(
            plan, scenarios=(replace(scenario, steps=(replace(step, http=replace(step.http, path="/other")),)),)
        ),
        "scenarios.read.weight": replace(plan, scenarios=(replace(scenario, weight=2),)),
        "data.word": replace(plan, data=(DataList(name="word", rows=(("a",),)),)),
        "connections.reuse": replace(plan, connections=Connections(reuse=False)),
        "timeout": replace(plan, timeout_ms=5),
        "warmup": replace(
            plan, phases=(Phase(kind="WarmUp", target="Direct", repeat=0, stage="s", start_ms=0, duration_ms=5), *plan.phases)
        ),
    }
    return other[what]


@pytest.mark.parametrize(
    "what",
    [
        *("stages.s.users", "stages.s.rampMs", "scenarios.read.steps", "scenarios.read.weight"),
        *("data.word", "connections.reuse", "timeout", "warmup"),
    ],
)
def test_trap_t24_an_unlike_baseline_is_refused_and_the_field_named(what: str) -> None:
    """Each part of a load, in its turn; no row is judged."""
    plan = stored(enforce=True)
    other = changed(plan, what)
    if what == "data.word":
        assert (unlike(plan, other), unlike(other, plan)) == (
            "data.word is only in the baseline; run the baseline again with this load",
            "data.word is not in the baseline; run the baseline again with this load",
        )
    else:
        assert unlike(plan, other).startswith(f"{what} differs from the baseline's: ")
    verdict = judged(plan, 10, (other, measured(plan, 10)))
    assert (verdict.result, codes(verdict)[0]) == ("Inconclusive", "BaselineUnlike")
    assert {row.result for row in verdict.comparison} == {"Inconclusive"}


def test_trap_t24_name_seed_and_thresholds_may_differ_and_the_seed_is_said() -> None:
    """The control of the refusals."""
    plan = stored()
    other = replace(plan, name="other", seed=99)
    verdict = judged(plan, 10, (other, measured(other, 10)))
    assert verdict.result == "Passed"
    assert "its seed was 99, this one's is 7" in verdict.reasons[-1].message


def test_a_baseline_that_was_not_measured_whole_is_refused() -> None:
    """Aborted, or without one of its runners."""
    plan = stored()
    whole = measured(plan, 10)
    assert unfit(plan, (plan, whole)) == ""
    assert "ended early (Ctrl-C)" in unfit(plan, (plan, replace(whole, aborted="Ctrl-C")))
    assert "lost 1 of 1 runners" in unfit(plan, (plan, replace(whole, lost=(0,))))


def test_holm_takes_back_what_one_row_alone_would_have_shown() -> None:
    """p = 0.029 of 4 + 4 repeats is a difference in one row and none in six."""
    alone, among = stored(4), stored(4, ("latency.p50", "latency.p95", "throughput"))
    assert compare(alone, measured(alone, 20), (alone, measured(alone, 10)))[0].result == "Regressed"
    assert {row.result for row in compare(among, measured(among, 20), (among, measured(among, 10)))} == {"Inconclusive"}


@pytest.mark.parametrize(
    ("run", "shown"), [("0b9d4a52-7f0e-4c8e-9d3c-1a2b3c4d5e6f/12", "0b9d4a52/12"), ("20260101T000000Z", "20260101T000")]
)
def test_the_baseline_is_named_by_its_run(run: str, shown: str) -> None:
    """A run in a cluster is a uid and a number: of the uid alone all runs of a test would be the same."""
    plan = stored()
    assert notes(plan, (plan, replace(measured(plan, 5.0), run=run))).startswith(f"compared with run {shown}, at another time")
