"""Parts that would be too large to hand over: what goes, in which order, what stays, and what a verdict makes of it."""

from __future__ import annotations

from slipstream_loadtest.judged.verdict import judge
from slipstream_loadtest.measured.fitting import PART_BYTES, fitted
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import Part, decode_part, encode_part
from slipstream_loadtest.report.document import as_report
from slipstream_loadtest.report.html.page import as_html
from slipstream_operator.loadtests.client import PART_LIMIT
from tests.fakes.loadtest_plans import a_part, a_plan
from tests.fakes.loadtest_slices import Second, sliced

WINDOWED = [{"name": "w", "metric": "latency.p95", "max": "5s", "window": "2s"}]
PLAN = a_plan(warmup="10s", thresholds=WINDOWED)
SERIES = sliced(PLAN, [Second([at + n / 3 for n in range(1, 40)]) for at in range(10)])
WHOLE = a_part(PLAN, {0: SERIES, 1: SERIES})


def times(part: Part) -> list[int]:
    """Latencies over time of each phase with figures."""
    return [sum(one.latency.count for series in phase.series for one in series.slices) for phase in part.phases if phase.series]


def test_a_part_that_fits_is_left_as_it_is() -> None:
    """The control."""
    assert fitted(PLAN, WHOLE) == encode_part(WHOLE)


def test_latencies_over_time_go_first_and_of_what_is_not_judged_before_what_is() -> None:
    """Counts of slices, totals and histograms of whole phases stay to the last call."""
    size = len(encode_part(WHOLE))
    assert times(decode_part(fitted(PLAN, WHOLE, size - 1))) == [0, 390]
    bare = decode_part(fitted(PLAN, WHOLE, 1))
    assert times(bare) == [0, 0]
    for before, after in zip(WHOLE.phases, bare.phases, strict=True):
        for one, other in zip(before.series, after.series, strict=True):
            assert (one.service, one.offered, [s.completed for s in one.slices]) == (
                *(other.service, other.offered),
                [s.completed for s in other.slices],
            )
    assert len(encode_part(bare)) < size * 0.7


def test_trap_t05_a_bound_over_time_that_lost_its_data_passes_nothing() -> None:
    """With its slices it passes; without it has no data, and the report says what is missing."""
    assert judge(PLAN, merge(PLAN, [WHOLE])).result == "Passed"
    result = merge(PLAN, [decode_part(fitted(PLAN, WHOLE, 1))])
    verdict = judge(PLAN, result)
    assert (verdict.result, verdict.reasons[0].code) == ("Inconclusive", "NoData")
    said = "Latency over time: left out of the parts for their size"
    assert said in as_html(as_report(PLAN, result, verdict))
    whole = merge(PLAN, [WHOLE])
    assert said not in as_html(as_report(PLAN, whole, judge(PLAN, whole)))


def test_what_one_runner_has_lost_all_have_lost() -> None:
    """The other's latencies over time would pass for those of both; in any order."""
    plan = a_plan(runners={"count": 2}, thresholds=WINDOWED)
    series = sliced(plan, [Second([5] * 9), Second(failed=1), Second([7] * 9)])
    parts = [a_part(plan, {0: series}, index=index) for index in range(2)]
    bare = decode_part(fitted(plan, parts[1], 1))
    for both in ([parts[0], bare], [bare, parts[0]]):
        (step,) = merge(plan, both).windows[0].steps
        assert [(one.completed, one.failed, one.latency.count) for one in step.slices] == [(18, 0, 0), (0, 2, 0), (18, 0, 0)]
    (step,) = merge(plan, parts).windows[0].steps
    assert [one.latency.count for one in step.slices] == [18, 0, 18]


def test_the_operator_takes_what_a_runner_may_leave() -> None:
    """With room for totals that alone are larger."""
    assert 2 * PART_BYTES <= PART_LIMIT
