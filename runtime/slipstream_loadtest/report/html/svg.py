"""Charts as inline SVG that keep their text size at every width: positions are percentages, only lines and areas are stretched. Pure.

A series is told apart by its dashes and its name in the legend as well as by colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipstream_loadtest.report.escape import esc
from slipstream_loadtest.report.html.scale import Scale

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """`runs`: stretches of points; between two of them is a gap. `style`: CSS classes, colour and dashes."""

    name: str
    style: str
    runs: tuple[tuple[Point, ...], ...]


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis with a name; `style`: CSS class."""

    name: str
    start: float
    end: float
    style: str
    title: str = ""


def line_chart(
    label: str,
    x: Scale,
    y: Scale,
    lines: Sequence[Line],
    show_x: Callable[[float], str],
    show_y: Callable[[float], str],
    bands: Sequence[Band] = (),
) -> str:
    """Axes, grid, bands and lines. `label`: what a screen reader says; the figures belong into a table beside the chart."""
    grid = "".join(f'<line class="grid" x1="0" x2="1000" y1="{_down(y, t)}" y2="{_down(y, t)}"/>' for t in y.ticks)
    grid += "".join(f'<line class="grid" y1="0" y2="1000" x1="{_across(x, t)}" x2="{_across(x, t)}"/>' for t in x.ticks)
    areas = "".join(
        f'<rect class="{b.style}" x="{_across(x, b.start)}" width="{_across(x, b.end) - _across(x, b.start):.1f}" y="0" height="1000"/>'
        for b in bands
    )
    drawn = "".join(f'<path class="line {line.style}" d="{_path(x, y, line)}"/>' for line in lines)
    inner = f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">{areas}{grid}{drawn}</svg>'
    area = f'<svg class="area" role="img" aria-label="{esc(label)}">{inner}</svg>'
    names = "".join(f'<text x="100%" dx="-8" y="{_down(y, t) / 10:.2f}%" dy="4">{esc(show_y(t))}</text>' for t in y.ticks)
    times = "".join(f'<text x="{_across(x, t) / 10:.2f}%" y="16" class="{_edge(x.at(t))}">{esc(show_x(t))}</text>' for t in _apart(x))
    strip = f'<svg class="strip" aria-hidden="true">{"".join(_segment(x, b) for b in bands)}</svg>' if bands else ""
    return (
        f'{legend(lines)}<div class="plot">{strip}<svg class="yaxis" aria-hidden="true">{names}</svg>{area}'
        f'<svg class="xaxis" aria-hidden="true">{times}</svg></div>'
    )


def legend(lines: Sequence[Line]) -> str:
    keys = "".join(
        f'<li><svg class="key" viewBox="0 0 30 8" aria-hidden="true"><path class="line {line.style}" d="M0 4H30"/></svg>'
        f"{esc(line.name)}</li>"
        for line in lines
    )
    return f'<ul class="legend">{keys}</ul>' if keys else ""


def stacked(label: str, shares: Sequence[tuple[str, float]]) -> str:
    """One bar of parts that make a whole; `shares` in percent. Parts carry a letter where they are wide enough."""
    parts, at = [], 0.0
    for number, (name, share) in enumerate(shares):
        letter = f'<text x="50%" y="15">{"ABCDEFGH"[number]}</text>' if share >= 6 else ""
        parts.append(
            f'<svg x="{at:.3f}%" width="{share:.3f}%" height="22"><title>{esc(name)}: {share:.1f}%</title>'
            f'<rect class="part p{number}" width="100%" height="22"/>{letter}</svg>'
        )
        at += share
    return f'<svg class="bar" role="img" aria-label="{esc(label)}">{"".join(parts)}</svg>'


def interval(label: str, x: Scale, low: float | None, middle: float | None, high: float | None, noise: float) -> str:
    """A ratio with its interval on a logarithmic axis; the band of noise and the line of no change behind it."""
    left, right = x.at(1 - noise) * 100, x.at(1 + noise) * 100
    drawn = f'<rect class="noise" x="{left:.2f}%" width="{right - left:.2f}%" y="0" height="100%"/>'
    drawn += f'<line class="unity" x1="{x.at(1) * 100:.2f}%" x2="{x.at(1) * 100:.2f}%" y1="0" y2="100%"/>'
    if low is not None and high is not None:
        a, b = x.at(low) * 100, x.at(high) * 100
        drawn += f'<line class="whisker" x1="{a:.2f}%" x2="{b:.2f}%" y1="50%" y2="50%"/>'
        drawn += "".join(f'<line class="whisker" x1="{end:.2f}%" x2="{end:.2f}%" y1="30%" y2="70%"/>' for end in (a, b))
    if middle is not None:
        drawn += f'<circle class="median" cx="{x.at(middle) * 100:.2f}%" cy="50%" r="4.5"/>'
    return f'<svg class="interval" role="img" aria-label="{esc(label)}">{drawn}</svg>'


def _segment(x: Scale, band: Band) -> str:
    start, width = _across(x, band.start) / 10, (_across(x, band.end) - _across(x, band.start)) / 10
    needed = 8 + 6.5 * len(band.name)  # pixels; a cut name helps nobody: its title has it
    room = "tiny" if width * 7.5 < needed else "small" if width * 2.6 < needed else "wide"  # of a desk's 750 px and a phone's 260 px
    return (
        f'<svg class="{room}" x="{start:.2f}%" width="{width:.2f}%" height="20"><title>{esc(band.title or band.name)}</title>'
        f'<rect class="{band.style}" width="100%" height="20"/><line class="edge" x1="0" x2="0" y1="0" y2="20"/>'
        f'<text x="5" y="14">{esc(band.name)}</text></svg>'
    )


def _path(x: Scale, y: Scale, line: Line) -> str:
    """A lone point becomes a short dash: it was measured, and a path of one point would not be seen."""
    drawn = []
    for run in line.runs:
        spots = [(_across(x, a), _down(y, b)) for a, b in run]
        if len(spots) == 1:
            spots = [(spots[0][0] - 1, spots[0][1]), (spots[0][0] + 1, spots[0][1])]
        drawn.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in spots))
    return "".join(drawn)


def _apart(x: Scale) -> list[float]:
    """Ticks whose labels don't touch each other on a phone."""
    kept: list[float] = []
    for tick in x.ticks:
        if not kept or x.at(tick) - x.at(kept[-1]) >= 0.14:
            kept.append(tick)
    return kept


def _edge(at: float) -> str:
    return "first" if at < 0.04 else "last" if at > 0.94 else "mid"


def _across(x: Scale, value: float) -> float:
    return round(x.at(value) * 1000, 1)


def _down(y: Scale, value: float) -> float:
    return round(1000 - y.at(value) * 1000, 1)
