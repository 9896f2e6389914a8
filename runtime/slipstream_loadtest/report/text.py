"""A report as tables for a terminal. Pure; computes no new figure."""

from __future__ import annotations

from typing import Final

import msgspec

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.plan.units import Unit, show, show_change, show_ms
from slipstream_loadtest.report.model import Report, StageFigures

_STAGES: Final = ("stage", "load", "target", "rps", "p50", "p95", "p99", "errors", "wrong", "hits", "reuse")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table for a terminal: cells as they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def as_text(report: Report) -> tuple[Table, ...]:
    """Tables for a terminal: stages, comparison, thresholds, checks, verdict; empty ones are left out."""
    thresholds = tuple((t.name, t.metric, scope(t), show(t.observed, t.unit), t.limit, outcome(t)) for t in report.thresholds)
    checks = tuple((c.name, c.observed or "-", c.limit or "-", c.detectable or "-", c.control, c.result) for c in report.checks)
    tables = (
        Table(title="Stages", columns=_STAGES, rows=tuple(map(stage_row, report.stages))),
        comparison_table(report.comparison),
        Table(title="Thresholds", columns=("threshold", "metric", "stage", "observed", "limit", "result"), rows=thresholds),
        Table(title="Checks", columns=("check", "observed", "limit", "detectable", "control", "result"), rows=checks),
        Table(title=report.result, columns=("reason", "message"), rows=tuple((r.code, r.message) for r in report.reasons)),
    )
    return tuple(table for table in tables if table.rows)


def scope(row: ThresholdRow) -> str:
    """What a bound is about: `c10 / read / get, in every 10s`; all where it is about everything."""
    where = " / ".join(filter(None, (row.stage, row.scenario, row.step))) or "all"
    return f"{where}, in every {show_ms(row.window_ms)}" if row.window_ms else where


def outcome(row: ThresholdRow) -> str:
    """A broken bound that fails nothing says so."""
    return row.result if row.enforce else f"{row.result} (reported)"


def stage_row(stage: StageFigures) -> tuple[str, ...]:
    """Load, rate, quantiles and counts of a stage as texts; `≥` before a lower bound."""
    times = stage.times
    return (
        stage.stage,
        stage.load,
        stage.target,
        show(stage.throughput, "perSecond"),
        *(quantile(getattr(times, name), name in times.lower_bounds) for name in ("p50", "p95", "p99")),
        show(stage.errors_percent, "percent"),
        str(stage.wrong),
        show(stage.cache.hit_percent, "percent"),
        show(stage.connections.reuse_percent, "percent"),
    )


def quantile(value: float | None, bound: bool, unit: Unit = "ms") -> str:
    return ("≥" if bound else "") + show(value, unit)


def comparison_table(rows: tuple[ComparisonRow, ...], title: str = "Comparison") -> Table:
    columns = ("metric", "stage", "baseline", "optimised", "change", "interval", "p", "result")
    return Table(title=title, columns=columns, rows=tuple(map(_comparison_row, rows)))


def interval(row: ComparisonRow) -> str:
    return "-" if row.interval is None else f"{show_change(row.interval[0])} … {show_change(row.interval[1])}"


def probability(row: ComparisonRow) -> str:
    """Of the rank test after Holm's correction, which the judgement goes by."""
    p = row.p_adjusted if row.p_adjusted is not None else row.p
    return "-" if p is None else f"{p:.3f}"


def _comparison_row(row: ComparisonRow) -> tuple[str, ...]:
    figures = (show(row.baseline, row.unit), show(row.candidate, row.unit), show_change(row.change), interval(row))
    result = f"{row.result} ({row.message})" if row.message else row.result
    return (row.metric, row.stage, *figures, probability(row), result)
