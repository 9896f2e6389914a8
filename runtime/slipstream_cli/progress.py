"""What is shown of a load test while it runs: on a terminal a timeline and figures, elsewhere a line every five seconds. Judges nothing.

The view is drawn once for each report of the runners (once a second), never by a clock of its own, so that nothing flickers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from slipstream_api.clock import Clock
from slipstream_loadtest.engine.progress import Progress as Moment
from slipstream_loadtest.plan.model import Phase, Plan
from slipstream_loadtest.plan.units import show, show_number

LINE_EVERY: Final = 5.0  # seconds
Report = Callable[[Moment], None]


class Timeline:
    """Where a run is. The first report of a phase tells when it began; what is left follows from the plan."""

    def __init__(self, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self._clock = clock
        self._origin: float | None = None
        self._phase = -1

    def at(self, moment: Moment) -> float:
        """Seconds since the common start; 0 until it has come. Runners report after their first second, so a phase began no later."""
        if not moment.phases:
            return 0.0
        now = self._clock.now()
        phase = self.plan.phases[min(moment.phase, len(self.plan.phases) - 1)]
        if moment.phase != self._phase:
            self._phase = moment.phase
            began = now - phase.start_ms / 1000
            self._origin = began if self._origin is None else min(self._origin, began)
        assert self._origin is not None
        return min(max(now - self._origin, phase.start_ms / 1000), phase.end_ms / 1000)

    @property
    def whole(self) -> float:
        return self.plan.duration_ms / 1000


@contextlib.contextmanager
def progress(plan: Plan, console: Console, clock: Clock, quiet: bool = False) -> Iterator[Report]:
    """What is told of each moment of a run."""
    timeline = Timeline(plan, clock)
    if quiet:
        yield lambda moment: None
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda moment: live.update(view(timeline, moment, console.width), refresh=True)
    else:
        yield lines(timeline, console, clock)


def lines(timeline: Timeline, console: Console, clock: Clock) -> Report:
    """For logs: the first moment, then one line every LINE_EVERY seconds."""
    due = float("-inf")

    def report(moment: Moment) -> None:
        nonlocal due
        at, now = timeline.at(moment), clock.now()
        if now >= due:
            due = now + LINE_EVERY
            console.print(line(timeline, moment, at), markup=False, soft_wrap=True)

    return report


def line(timeline: Timeline, moment: Moment, at: float) -> str:
    """A moment in one line: place, figures, time left."""
    if not moment.phases:
        return f"preparing {len(timeline.plan.phases)} phases, {_time(timeline.whole)}"
    figures = ", ".join(f"{value} {name}" if name != "p95" else f"p95 {value}" for name, value in _figures(timeline.plan, moment))
    return f"{moment.phase + 1}/{moment.phases} {_place(moment)}: {figures}, {_time(timeline.whole - at)} left"


def view(timeline: Timeline, moment: Moment, width: int) -> RenderableType:
    """Three lines: place and time left, the timeline, figures."""
    at = timeline.at(moment)
    if not moment.phases:
        return Text(line(timeline, moment, at), style="dim")
    phase = timeline.plan.phases[min(moment.phase, len(timeline.plan.phases) - 1)]
    within = f"{_time(at - phase.start_ms / 1000)} of {_time(phase.duration_ms / 1000)}"
    left = f"{_time(timeline.whole - at)} left"
    head = Text.assemble((_place(moment), "bold"), (_repeat(timeline.plan, phase), "dim"), f"  {within}", ("  " + left, "dim"))
    figures = Text()
    for name, value in _figures(timeline.plan, moment):
        bad = name in ("errors", "dropped") and value != "0"
        figures.append(f"{name} ", "dim").append(f"{value}   ", "bold red" if bad else "bold")
    rows = Group(head, bar(timeline.plan, at, max(10, min(width, 100) - 1)), figures)
    for row in rows.renderables:
        if isinstance(row, Text):
            row.no_wrap, row.overflow = True, "ellipsis"
    return rows


def bar(plan: Plan, at: float, width: int) -> Text:
    """The whole run: judged phases are thick, others thin; what is over is bright; a half sign begins each stage."""
    whole = max(1, plan.duration_ms)
    cells = [_cell(plan, (cell + 0.5) * whole / width, whole / width, at * 1000) for cell in range(width)]
    drawn = Text()
    for style, several in groupby(cells, key=lambda cell: cell[1]):
        drawn.append("".join(sign for sign, _ in several), style)
    return drawn


def _cell(plan: Plan, moment: float, step: float, now: float) -> tuple[str, str]:
    """Sign and style of the stretch around a moment, in ms."""
    phase = next((p for p in plan.phases if p.start_ms <= moment < p.end_ms), plan.phases[-1])
    held = phase.kind == "Hold"
    first = held and moment - step < phase.start_ms
    sign = "╺" if first else "━" if held else "─"
    return sign, "bright_black" if moment > now else "green" if held else "yellow"


def _place(moment: Moment) -> str:
    return " ".join(filter(None, (moment.kind, moment.stage, moment.target)))


def _repeat(plan: Plan, phase: Phase) -> str:
    repeats = max(one.repeat for one in plan.phases) + 1
    return f"  repeat {phase.repeat + 1}/{repeats}" if repeats > 1 else ""


def _figures(plan: Plan, moment: Moment) -> list[tuple[str, str]]:
    """Name and value; counts are of the phase so far, of all runners."""
    stage = next((one for one in plan.stages if one.name == moment.stage), None)
    load = (
        []
        if stage is None
        else [("users", str(stage.users))]
        if stage.model == "Closed"
        else [("planned/s", f"{float(stage.exact_rate):g}")]
    )
    return [
        *load,
        ("rps", show_number(moment.rps)),
        ("p95", show(moment.p95_ms, "ms")),
        ("errors", str(moment.failed)),
        ("dropped", str(moment.dropped)),
        ("in flight", str(moment.in_flight)),
    ]


def _time(seconds: float) -> str:
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
