"""What charts show: gaps where nothing was answered, ticks that people would choose, curves that end where the samples do."""

from __future__ import annotations

from fractions import Fraction

import pytest
from msgspec.structs import replace

from slipstream_loadtest.report.html.scale import Scale, clock, latency_scale, linear, logarithmic, time_scale
from slipstream_loadtest.report.html.series import MAX_POINTS, PERCENTILES, curves, over_time, spent, stretches, tail
from slipstream_loadtest.report.model import Report
from tests.fakes.loadtest_reports import STALL, compared_report


def whole(report: Report) -> tuple:
    assert report.plan is not None
    assert report.measured is not None
    return report.plan, report.measured


def test_a_stall_is_a_gap_and_not_a_line() -> None:
    """Between the last answer before and the first one after; the rate, which is known, is 0 there."""
    plan, result = whole(compared_report())
    moments = [m for m in over_time(plan, result) if plan.phases[m.phase].kind == "Hold"][:8]
    assert [m.p95_ms is None for m in moments] == [n == STALL for n in range(8)]
    assert [len(run) for run in stretches(moments, "p95_ms")] == [STALL, 8 - STALL - 1]
    assert [m.completed for m in moments] == [0 if n == STALL else 100 for n in range(8)]
    assert [m.failed for m in moments] == [4 if n == STALL + 1 else 0 for n in range(8)]


def test_moments_lie_where_the_plan_says() -> None:
    """In ms since the common start, each phase in its own window."""
    plan, result = whole(compared_report())
    for moment in over_time(plan, result):
        phase = plan.phases[moment.phase]
        assert phase.start_ms <= moment.start_ms < moment.end_ms <= phase.end_ms


def test_a_long_run_has_few_points_and_loses_no_call() -> None:
    """Slices are added up, never dropped."""
    plan, result = whole(compared_report())
    long = replace(plan, slice_ms=10)
    for windows in (result.windows, tuple(replace(w, held_ms=w.planned_ms) for w in result.windows)):
        moments = over_time(long, replace(result, windows=windows))
        assert len(moments) <= MAX_POINTS + len(windows)
        counted = sum(m.completed * (m.end_ms - m.start_ms) / 1000 for m in moments)
        assert counted == pytest.approx(sum(s.completed for w in windows for step in w.steps for s in step.slices))


def test_a_run_without_slices_has_no_curve_over_time() -> None:
    """Nothing is made up."""
    plan, result = whole(compared_report())
    bare = tuple(replace(w, steps=tuple(replace(s, slices=()) for s in w.steps)) for w in result.windows)
    assert over_time(plan, replace(result, windows=bare)) == []


def test_a_percentile_curve_rises_and_ends_where_one_call_is_left() -> None:
    """p99.9 of 1,000 calls would be a single one of them; p99.99 none."""
    for curve in curves(whole(compared_report())[1]):
        values = [ms for _, ms in curve.points]
        assert values == sorted(values)
        last = curve.points[-1][0]
        assert (1 - last) * curve.samples >= 1
        assert all((1 - q) * curve.samples < 1 for q in PERCENTILES if q > last)


def test_each_nine_has_the_same_room() -> None:
    """As HdrHistogram plots it."""
    at = [tail(Fraction(text)) for text in ("0", "0.9", "0.99", "0.999")]
    assert at == pytest.approx([0, 1, 2, 3])


def test_shares_of_a_call_make_a_whole() -> None:
    """Of the mean: 5 % queue, 80 % first byte, the rest; connecting hardly counts, since few calls did it."""
    for one in spent(whole(compared_report())[1]):
        shares = {name: share for name, _, share in one.parts}
        assert sum(shares.values()) == pytest.approx(100)
        assert shares["first_byte"] == pytest.approx(80, abs=1)
        assert shares["connect"] < 1


@pytest.mark.parametrize(
    ("values", "high", "ticks"), [([37], 40, (0, 10, 20, 30, 40)), ([0.9], 1.0, (0, 0.25, 0.5, 0.75, 1)), ([], 1, (0, 1)), ([0], 1, (0, 1))]
)
def test_linear_ticks_are_round(values: list[float], high: float, ticks: tuple[float, ...]) -> None:
    """From 0 to a round number."""
    made = linear(values)
    assert (made.low, made.high) == (0, pytest.approx(high))
    assert made.ticks == pytest.approx(ticks)


def test_a_wide_range_is_logarithmic_and_holds_every_value() -> None:
    """More than 30 times from the least to the greatest."""
    assert not latency_scale([1, 29]).log
    wide = latency_scale([0.4, 900])
    assert wide.log
    assert wide.low <= 0.4
    assert wide.high >= 900
    assert all(0 <= wide.at(value) <= 1 for value in (0, 0.4, 5, 900, 10_000))
    assert [wide.at(tick) for tick in wide.ticks] == sorted(wide.at(tick) for tick in wide.ticks)
    assert logarithmic([5.0]).ticks == (1.0, 2.0, 5.0, 10.0)


@pytest.mark.parametrize(("duration", "ticks"), [(8_000, 5), (60_000, 7), (600_000, 6), (86_400_000, 7), (1, 2)])
def test_time_ticks_are_few_and_whole(duration: int, ticks: int) -> None:
    """At most eight, from the start."""
    made = time_scale(duration)
    assert made.ticks[0] == 0
    assert len(made.ticks) == ticks
    assert max(made.ticks) <= duration


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0"), (500, "500ms"), (1500, "1.5s"), (30_000, "30s"), (90_000, "1:30"), (3_720_000, "1:02:00")]
)
def test_moments_are_short(ms: float, text: str) -> None:
    """As a clock shows them."""
    assert clock(ms) == text


def test_what_lies_outside_is_drawn_at_the_edge() -> None:
    """Never outside the chart."""
    scale = Scale(0, 10, (0, 10))
    assert (scale.at(-5), scale.at(5), scale.at(50)) == (0, 0.5, 1)
    assert Scale(3, 3, ()).at(3) == 0.5
