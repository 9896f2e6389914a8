"""A judged run as JSON (versioned), and as tables for a terminal. Pure; computes no new figure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import msgspec

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.metrics import METRICS, QUANTILES, Pooled, pool
from slipstream_loadtest.judged.verdict import Verdict
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.result import Result, Window
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_change, show_number
from slipstream_loadtest.report.status import levels, shown, summary

REPORT_VERSION: Final = 1
TOP_ERRORS: Final = 5


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table for a terminal: cells as they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def as_json(plan: Plan, result: Result, verdict: Verdict) -> dict[str, Any]:
    """Everything of a run as plain JSON values; no NaN, no histogram (those are in the parts). Small enough for a ConfigMap."""
    document = {
        "schemaVersion": REPORT_VERSION,
        "name": plan.name,
        "namespace": plan.namespace,
        "run": result.run,
        "planHash": result.plan_hash,
        "seed": plan.seed,
        "result": verdict.result,
        "reasons": verdict.reasons,
        "summary": summary(plan, result, verdict),
        "runners": {
            "wanted": result.runners,
            "received": result.received,
            "lost": result.lost,
            "superseded": result.superseded,
            "startSkewMs": result.start_skew_ms,
        },
        "stages": [_level(plan, target, stage, windows) for target, stage, windows in levels(result)],
        "thresholds": verdict.thresholds,
        "comparison": verdict.comparison,
        "phases": [_phase(window) for window in result.windows],
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def as_text(plan: Plan, result: Result, verdict: Verdict) -> tuple[Table, ...]:
    """Tables for a terminal: stages, comparison, thresholds, verdict; empty ones are left out."""
    tables = (
        _stages_table(plan, result),
        _comparison_table(verdict.comparison),
        _thresholds_table(verdict),
        Table(title=verdict.result, columns=("reason", "message"), rows=tuple((r.code, r.message) for r in verdict.reasons)),
    )
    return tuple(table for table in tables if table.rows)


def _level(plan: Plan, target: str, stage: str, windows: list[Window]) -> dict[str, Any]:
    """One stage on one target over all of its repeats. A closed stage has no corrected latency, and says so by null."""
    pooled, planned = pool(windows), plan.stage(stage)
    series = pooled.series
    return {
        "target": target,
        "stage": stage,
        "model": planned.model,
        "users": planned.users if planned.model == "Closed" else None,
        "ratePerSecond": None if planned.model == "Closed" else float(planned.exact_rate),
        "repeats": len(windows),
        "offered": series.offered,
        "completed": series.completed,
        "failed": series.failed,
        "dropped": series.dropped,
        "censored": series.censored,
        "wrong": series.wrong,
        "throughput": METRICS["throughput"].of(pooled).value,
        "errorsPercent": METRICS["errors.percent"].of(pooled).value,
        "latencyMs": _quantiles("latency", pooled) if series.latency is not None else None,
        "serviceTimeMs": _quantiles("serviceTime", pooled),
        "connections": {
            "opened": series.opened,
            "reused": series.reused,
            "reusePercent": METRICS["connections.reusePercent"].of(pooled).value,
        },
        "cache": {"hitPercent": METRICS["cache.hitPercent"].of(pooled).value, "outcomes": series.cache},
        "errors": dict(sorted(series.errors.items(), key=lambda kind: (-kind[1], kind[0]))[:TOP_ERRORS]),
        "steps": [_step(windows, at) for at in range(len(windows[0].steps))],
        "repeatValues": [
            {"throughput": w.throughput, "p95Ms": METRICS["latency.p95"].of(pool([w])).value, "heldMs": w.held_ms} for w in windows
        ],
    }


def _step(windows: list[Window], at: int) -> dict[str, Any]:
    pooled = pool([msgspec.structs.replace(w, steps=w.steps[at : at + 1]) for w in windows if w.steps])
    first = windows[0].steps[at]
    return {
        "scenario": first.scenario,
        "step": first.step,
        "offered": pooled.series.offered,
        "completed": pooled.series.completed,
        "failed": pooled.series.failed,
        "wrong": pooled.series.wrong,
        "p50Ms": METRICS["latency.p50"].of(pooled).value,
        "p95Ms": METRICS["latency.p95"].of(pooled).value,
    }


def _quantiles(family: str, pooled: Pooled) -> dict[str, Any]:
    names = (*QUANTILES, "mean")
    measures = {name: METRICS[f"{family}.{name}"].of(pooled) for name in names}
    figures: dict[str, Any] = {name: measure.value for name, measure in measures.items()}
    return figures | {"samples": measures["max"].samples, "lowerBounds": [name for name in names if measures[name].lower_bound]}


def _phase(window: Window) -> dict[str, Any]:
    """Every phase is listed, judged or not; the generator's health beside it."""
    lags = {"loopLagP99Ms": window.generator.loop_lag, "startLagP99Ms": window.generator.start_lag}
    return {
        "kind": window.kind,
        "judged": window.judged,
        "target": window.target,
        "stage": window.stage,
        "repeat": window.repeat,
        "plannedMs": window.planned_ms,
        "heldMs": window.held_ms,
        "offered": sum(step.offered for step in window.steps),
        "cpuPercent": round(window.cpu_percent, 1),
        **{name: _ms(Histogram.decode(data).quantile(Fraction(99, 100))) for name, data in lags.items()},
    }


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6


def _stages_table(plan: Plan, result: Result) -> Table:
    rows = []
    for target, stage, windows in levels(result):
        pooled, planned = pool(windows), plan.stage(stage)
        load = f"{planned.users} users" if planned.model == "Closed" else f"{show_number(float(planned.exact_rate))}/s"
        names = ("throughput", "latency.p50", "latency.p95", "latency.p99", "errors.percent", "wrong.count", "cache.hitPercent")
        rows.append((stage, load, target, *(shown(name, pooled) for name in (*names, "connections.reusePercent"))))
    columns = ("stage", "load", "target", "rps", "p50", "p95", "p99", "errors", "wrong", "hits", "reuse")
    return Table(title="Stages", columns=columns, rows=tuple(rows))


def _comparison_table(rows: Sequence[ComparisonRow]) -> Table:
    columns = ("metric", "stage", "baseline", "optimised", "change", "interval", "p", "result")
    return Table(title="Comparison", columns=columns, rows=tuple(_comparison_row(row) for row in rows))


def _comparison_row(row: ComparisonRow) -> tuple[str, ...]:
    interval = "-" if row.interval is None else f"{show_change(row.interval[0])} … {show_change(row.interval[1])}"
    figures = (show(row.baseline, row.unit), show(row.candidate, row.unit), show_change(row.change), interval)
    result = f"{row.result} ({row.message})" if row.message else row.result
    return (row.metric, row.stage, *figures, "-" if row.p is None else f"{row.p:.3f}", result)


def _thresholds_table(verdict: Verdict) -> Table:
    rows = tuple((t.name, t.metric, t.stage or "all", show(t.observed, t.unit), t.limit, t.result) for t in verdict.thresholds)
    return Table(title="Thresholds", columns=("threshold", "metric", "stage", "observed", "limit", "result"), rows=rows)
