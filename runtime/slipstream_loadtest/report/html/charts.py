"""Sections with charts: over time, percentile curves, comparison, phases of a call, memory. Pure; figures come from series.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.result import Result
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_change, show_number
from slipstream_loadtest.report.html.parts import Cell, Html, drawn_rows, figure, section, table, with_message
from slipstream_loadtest.report.html.scale import Scale, clock, duration, latency_scale, linear, time_scale
from slipstream_loadtest.report.html.series import PERCENTILES, Curve, Moment, Spent, curves, over_time, spent, stretches, tail
from slipstream_loadtest.report.html.svg import Band, Line, interval, line_chart, stacked
from slipstream_loadtest.report.model import Report
from slipstream_loadtest.report.text import interval as shown_interval
from slipstream_loadtest.report.text import probability

MAX_LINES: Final = 6  # that can be told apart by colour and dashes
_CALL: Final = {"queue": "Queue", "connect": "Connect", "tls": "TLS", "first_byte": "First byte", "last_byte": "Last byte"}


def time_section(plan: Plan, result: Result) -> str:
    """Latency and answers over the whole run, phases above; nothing where no runner kept slices."""
    moments = over_time(plan, result)
    if not moments:
        return ""
    note = "Grey phases are shown and not judged. A gap: nothing was answered right in that time."
    return section("Over time", _latency_chart(plan, moments), _rate_chart(plan, moments), intro=note)


def _bands(plan: Plan) -> list[Band]:
    """The phases, those of zero length left out."""
    made = []
    for phase in plan.phases:
        held = phase.kind == "Hold"
        name = " ".join(filter(None, (phase.stage, phase.target if len(plan.targets) > 1 else ""))) if held else phase.kind
        style = f"held{int(phase.target != plan.candidate)}" if held else "unjudged"
        title = f"{phase.kind} {phase.stage} {phase.target}, {clock(phase.start_ms)} to {clock(phase.end_ms)}"
        made += [Band(name, phase.start_ms, phase.end_ms, style, title)] if phase.duration_ms else []
    return made


def _targets(plan: Plan) -> list[str]:
    """The one that is judged first."""
    return sorted({target.name for target in plan.targets}, key=lambda name: name != plan.candidate)


def _of(plan: Plan, name: str, target: str) -> str:
    return f"{name}, {target}" if len(plan.targets) > 1 else name


def _latency_chart(plan: Plan, moments: Sequence[Moment]) -> str:
    lines = [
        Line(_of(plan, name, target), f"c{number} {dash}", stretches([m for m in moments if m.target == target], figure_name))
        for number, target in enumerate(_targets(plan))
        for name, figure_name, dash in (("p95", "p95_ms", "d0"), ("p50", "p50_ms", "d1"))
    ]
    y = latency_scale([value for m in moments for value in (m.p50_ms, m.p95_ms) if value is not None])
    chart = line_chart("Latency over time: p50 and p95", time_scale(plan.duration_ms), y, lines, clock, duration, _bands(plan))
    rows = [
        (f"{clock(m.start_ms)}–{clock(m.end_ms)}", m.target, plan.phases[m.phase].kind, show(m.p50_ms, "ms"), show(m.p95_ms, "ms"))
        for m in moments
    ]
    data = table("Latency over time", ("time", "target", "phase", "p50", "p95"), rows, frozenset({1, 2}))
    scale = "logarithmic scale" if y.log else "linear scale"
    return figure("Latency", f"Of right answers, by the moment of their end; {scale}", chart, data)


def _rate_chart(plan: Plan, moments: Sequence[Moment]) -> str:
    kinds = (("completed", "c2 d0"), ("failed", "c4 d1"), ("dropped", "c5 d2"))
    shown = [(name, style) for name, style in kinds if name == "completed" or any(getattr(m, name) for m in moments)]
    lines = [Line(name, style, stretches(moments, name)) for name, style in shown]
    y = linear([getattr(m, name) for m in moments for name, _ in shown])
    chart = line_chart("Calls per second over time", time_scale(plan.duration_ms), y, lines, clock, show_number, _bands(plan))
    rows = [
        (f"{clock(m.start_ms)}–{clock(m.end_ms)}", m.target, *(show_number(v) for v in (m.completed, m.failed, m.dropped))) for m in moments
    ]
    data = table("Calls per second over time", ("time", "target", "completed", "failed", "dropped"), rows, frozenset({1}))
    return figure("Calls per second", "By the moment of their end", chart, data)


def percentile_section(plan: Plan, result: Result) -> str:
    """One curve a stage and target; the axis gives each further nine the same room."""
    found = curves(result)
    if not found:
        return ""
    drawn = found[:MAX_LINES]
    lines = [Line(_of(plan, c.stage, c.target), f"c{n} d{n}", (tuple((tail(q), ms) for q, ms in c.points),)) for n, c in enumerate(drawn)]
    y = latency_scale([ms for c in drawn for _, ms in c.points])
    ticks = [q for q in PERCENTILES if q in _NINES and tail(q) <= max(tail(c.points[-1][0]) for c in drawn)]
    x = Scale(0.0, max(tail(c.points[-1][0]) for c in drawn) or 1.0, tuple(map(tail, ticks)))
    names = {tail(q): f"p{float(q * 100):g}" for q in ticks}
    chart = line_chart("Latency by percentile", x, y, lines, lambda at: names[at], duration)
    more = f" The first {MAX_LINES} of {len(found)} are drawn, the table has all." if len(found) > MAX_LINES else ""
    note = f"Each curve ends where fewer than one call would lie beyond; {'logarithmic' if y.log else 'linear'} scale.{more}"
    return section("Latency by percentile", figure("From the fastest call to the slowest", note, chart, _curve_table(plan, found)))


_NINES: Final = frozenset(q for q in PERCENTILES if str(float(q * 100)) in ("0.0", "50.0", "90.0", "99.0", "99.9", "99.99"))


def _curve_table(plan: Plan, found: Sequence[Curve]) -> str:
    columns = ("stage", "samples", *("min" if q == 0 else f"p{float(q * 100):g}" for q in PERCENTILES))
    rows: list[Sequence[Cell]] = []
    for one in found:
        known = dict(one.points)
        rows.append((_of(plan, one.stage, one.target), one.samples, *(show(known.get(q), "ms") for q in PERCENTILES)))
    return table("Latency by percentile", columns, rows)


def comparison_section(report: Report) -> str:
    """Each metric's ratio to the baseline with its interval, on one axis; noise band and "no change" behind."""
    rows = report.comparison
    if not rows:
        return ""
    noise = (report.plan.comparison.noise_percent if report.plan else 0.0) / 100
    ratios = [r for row in rows for r in (row.change, *(row.interval or ())) if r is not None and r > 0]
    x = _around_one([*ratios, 1 - noise, 1 + noise])
    drawn = [(f"{row.stage}, {row.metric}", _said(row), Html(_interval(x, row, noise))) for row in rows]
    intro = (
        "The change is the ratio of the medians over all repeats. It counts only where it leaves the noise band (shaded), the rank test "
        "shows it and its interval leaves out no change (dashed line)."
    )
    chart = drawn_rows(drawn, f"Logarithmic scale {_ends(x)}")
    return section("Comparison with the baseline", figure("", "", chart, _comparison_table(report)), intro=intro)


def _said(row: ComparisonRow) -> Html:
    """The change beside its result, and why it doesn't count."""
    return Html(f"{show_change(row.change)} {with_message(row.result, row.message).text}")


def _interval(x: Scale, row: ComparisonRow, noise: float) -> str:
    low, high = row.interval or (None, None)
    label = f"{row.metric} {row.stage}: {show_change(row.change)}, interval {shown_interval(row)}"
    return interval(label, x, low, row.change, high, noise)


def _comparison_table(report: Report) -> str:
    confidence = f"{report.plan.comparison.confidence:.0%} " if report.plan else ""
    rows: list[Sequence[Cell]] = [
        (
            row.stage,
            row.metric,
            *(show(row.baseline, row.unit), show(row.candidate, row.unit), show_change(row.change), shown_interval(row)),
            probability(row),
            row.repeats,
        )
        for row in report.comparison
    ]
    columns = ("stage", "metric", "baseline", "this run", "change", f"{confidence}interval", "p (Holm)", "repeats")
    return table("Comparison", columns, rows, frozenset({1}))


def _around_one(ratios: Sequence[float]) -> Scale:
    reach = max((max(r, 1 / r) for r in ratios if r > 0), default=1.1) * 1.05
    return Scale(1 / reach, reach, (1 / reach, reach), log=True)


def _ends(x: Scale) -> str:
    return f"from {show_change(x.low)} to {show_change(x.high)}"


def call_section(plan: Plan, result: Result) -> str:
    """Where the time of a call went, as shares of its mean."""
    found = spent(result)
    if not found:
        return ""
    letters = "".join(f"<li><i>{letter}</i>{name}</li>" for letter, name in zip("ABCDE", _CALL.values(), strict=True))
    rows = [(_of(plan, one.stage, one.target), f"{one.scenario} / {one.step}", Html(_bar(one))) for one in found]
    bars = f'<ul class="letters">{letters}</ul>{drawn_rows(rows)}'
    columns = ("stage", "step", "phase", "calls", "mean", "p50", "p95", "p99", "share")
    data: list[Sequence[Cell]] = [
        (_of(plan, one.stage, one.target), f"{one.scenario} / {one.step}", _CALL[name], h.count, *_times(h), f"{share:.1f}%")
        for one in found
        for name, h, share in one.parts
        if h.count
    ]
    note = "Queue: waiting for a free connection. Connect and TLS: only of calls that had to open one. First byte: the target's own time."
    return section(
        "Where the time of a call went",
        figure("Shares of the mean latency", note, bars, table("Phases of a call", columns, data, frozenset({1, 2}))),
    )


def _bar(one: Spent) -> str:
    shares = [(_CALL[name], share) for name, _, share in one.parts]
    return stacked(", ".join(f"{name} {share:.0f}%" for name, share in shares), shares)


def _times(h: Histogram) -> tuple[str, ...]:
    values = (h.mean(), h.quantile(0.5), h.quantile(0.95), h.quantile(0.99))
    return tuple(show(None if value is None else value / 1e6, "ms") for value in values)


def memory_section(plan: Plan, result: Result) -> str:
    """The target's resident memory, where the run has read it."""
    if not result.memory:
        return ""
    points = tuple((float(s.at_ms), s.bytes / 2**20) for s in sorted(result.memory, key=lambda s: s.at_ms))
    x = time_scale(max(plan.duration_ms, *(s.at_ms for s in result.memory)))
    y = linear([mib for _, mib in points])
    chart = line_chart("Memory of the target over time", x, y, [Line("memory", "c3 d0", (points,))], clock, _mib, _bands(plan))
    stride = max(1, len(points) // 60)
    data = table("Memory of the target", ("time", "memory"), [(clock(at), f"{mib:.1f} MiB") for at, mib in points[::stride]])
    return section("Memory of the target", figure("Resident memory", "As the target itself reports it", chart, data))


def _mib(value: float) -> str:
    return f"{value:g} MiB"
