"""Live progress: where a run is, what is left, and one line every five seconds where nobody watches a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from slipstream_api.clock import ManualClock
from slipstream_cli.progress import Timeline, bar, line, lines, progress, view
from slipstream_loadtest.engine.progress import Progress as Moment
from slipstream_loadtest.engine.progress import combine
from slipstream_loadtest.plan.model import Plan
from tests.fakes.loadtest_plans import a_plan
from tests.fakes.loadtest_slices import times

WIDTH = 80


def two_stages() -> Plan:
    """3 s of warm-up, 10 s of two users, 10 s of 50 arrivals a second, each followed by a drain of a second."""
    stages = [{"name": "c2", "users": 2, "duration": "10s"}, {"name": "r50", "ratePerSecond": 50, "duration": "10s"}]
    return a_plan(stages=stages, warmup="3s", drain_ms=1000)


def at_phase(plan: Plan, number: int, **figures: Any) -> Moment:
    phase = plan.phases[number]
    return Moment(phases=len(plan.phases), phase=number, kind=phase.kind, stage=phase.stage, target=phase.target, **figures)


def console(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    said = io.StringIO()
    return Console(file=said, force_terminal=terminal, width=WIDTH, highlight=False, color_system=None), said


def number_of(plan: Plan, kind: str, stage: str) -> int:
    return next(n for n, p in enumerate(plan.phases) if (p.kind, p.stage) == (kind, stage))


def test_time_follows_from_the_first_report_of_each_phase() -> None:
    """Never past the phase's end, however long it goes on without news; a phase begun earlier than thought corrects what was thought."""
    plan, clock = two_stages(), ManualClock()
    timeline = Timeline(plan, clock)
    assert timeline.at(Moment()) == 0
    hold = number_of(plan, "Hold", "c2")
    assert timeline.at(at_phase(plan, hold)) == 3
    clock.advance(4)
    assert timeline.at(at_phase(plan, hold)) == 7
    clock.advance(100)
    assert timeline.at(at_phase(plan, hold)) == 13
    assert timeline.at(at_phase(plan, number_of(plan, "Hold", "r50"))) == plan.phases[number_of(plan, "Hold", "r50")].end_ms / 1000


def test_a_line_tells_place_figures_and_what_is_left() -> None:
    """Of an open stage the planned rate, of a closed one its users."""
    plan, clock = two_stages(), ManualClock()
    timeline = Timeline(plan, clock)
    closed = at_phase(plan, number_of(plan, "Hold", "c2"), rps=1234, p95_ms=12.3, failed=3, dropped=0, in_flight=2)
    assert line(timeline, closed, 3.0) == (
        f"{closed.phase + 1}/{closed.phases} Hold c2 Direct: "
        f"2 users, 1234 rps, p95 12.3ms, 3 errors, 0 dropped, 2 in flight, {timeline.whole - 3:.0f}s left"
    )
    assert "50 planned/s" in line(timeline, at_phase(plan, number_of(plan, "Hold", "r50")), 15.0)
    assert line(timeline, Moment(), 0.0).startswith("preparing")


def test_a_log_gets_one_line_every_five_seconds() -> None:
    """Reports come each second; the first is said at once."""
    plan, clock = two_stages(), ManualClock()
    shown, said = console()
    report = lines(Timeline(plan, clock), shown, clock)
    for _ in range(12):
        report(at_phase(plan, 1))
        clock.advance(1)
    assert len(said.getvalue().splitlines()) == 3
    assert "\x1b" not in said.getvalue()


def test_names_are_no_markup() -> None:
    """Brackets of a stage's name are shown."""
    plan, clock = two_stages(), ManualClock()
    shown, said = console()
    lines(Timeline(plan, clock), shown, clock)(Moment(phases=9, phase=1, kind="Hold", stage="[bold]x[/nothing]"))
    assert "[bold]x[/nothing]" in said.getvalue()


def test_the_bar_fills_and_judged_phases_are_thick() -> None:
    """From nothing to all of it; never longer than it may be."""
    plan = two_stages()
    whole = plan.duration_ms / 1000
    filled = [
        sum(span.end - span.start for span in bar(plan, at, 60).spans if span.style != "bright_black") for at in (0.0, whole / 2, whole)
    ]
    assert filled == [0, 30, 60]
    text = bar(plan, 0.0, 60).plain
    assert len(text) == 60
    assert text.startswith("─")
    assert text.count("━") > text.count("─")
    assert text.count("╺") == 2


@pytest.mark.parametrize("width", [30, 80, 200])
def test_the_view_is_three_lines_at_any_width(width: int) -> None:
    """None of them folds, which would make the terminal jump."""
    plan, clock = two_stages(), ManualClock()
    said = io.StringIO()
    shown = Console(file=said, force_terminal=True, width=width, color_system=None)
    shown.print(view(Timeline(plan, clock), at_phase(plan, 1, rps=1e6, p95_ms=5.0, failed=10**7), width))
    assert len(said.getvalue().splitlines()) == 3
    assert max(map(len, said.getvalue().splitlines())) <= width


def test_a_terminal_is_drawn_once_a_report_and_left_clean() -> None:
    """No thread draws by itself; quiet says nothing at all."""
    plan, clock = two_stages(), ManualClock()
    shown, said = console(terminal=True)
    with progress(plan, shown, clock) as report:
        before = said.getvalue().count("Hold c2")
        report(at_phase(plan, number_of(plan, "Hold", "c2")))
        assert said.getvalue().count("Hold c2") == before + 1
    quiet, nothing = console(terminal=True)
    with progress(plan, quiet, clock, quiet=True) as report:
        report(at_phase(plan, 1))
    assert nothing.getvalue() == ""


def test_several_runners_are_shown_together() -> None:
    """Sums, and the p95 of all answers together: two slow ones of a hundred aren't in it."""
    plan, clock = two_stages(), ManualClock()
    quick, slow = times([5.0] * 98).encode(), times([900.0] * 2).encode()
    both = combine([at_phase(plan, 1, rps=10, failed=1, latency=quick), at_phase(plan, 1, rps=20, failed=2, latency=slow)])
    said = line(Timeline(plan, clock), both, 5.0)
    assert "30 rps, p95 5.01ms, 3 errors" in said
    assert said.startswith("2/")
