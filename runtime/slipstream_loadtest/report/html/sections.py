"""Sections of tables: verdict, thresholds, checks, stages, generator, and what was not measured. Pure; computes no new figure."""

from __future__ import annotations

from collections.abc import Sequence

from slipstream_loadtest.judged.said import done
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.plan.units import show, show_number
from slipstream_loadtest.report.escape import esc
from slipstream_loadtest.report.html.parts import Cell, Html, bullets, folded, mark, section, table, with_message
from slipstream_loadtest.report.html.scale import clock
from slipstream_loadtest.report.model import PhaseFigures, Report, StageFigures
from slipstream_loadtest.report.text import quantile, scope

_MIB = 2**20
_QUANTILES = ("p50", "p90", "p95", "p99", "p999", "max")


def verdict_block(report: Report) -> str:
    """The result and every reason, the deciding one first."""
    reasons = "".join(f"<li><b>{esc(reason.code)}</b> {esc(reason.message)}</li>" for reason in report.reasons)
    return f'<div class="verdict {esc(report.result)}"><strong>{mark(report.result).text}</strong><ul>{reasons}</ul></div>'


def summary_figures(report: Report) -> str:
    """The candidate's figures over all judged stages."""
    s = report.summary
    shown = (
        ("Requests", f"{s.requests:,}"),
        ("Right answers/s", s.rps),
        ("p50", s.p50),
        ("p95", s.p95),
        ("p99", s.p99),
        ("Errors", s.errors),
        ("Wrong answers", f"{s.wrong:,}"),
        ("Cache hits", s.hit_percent),
        ("Change of p95", s.delta),
    )
    items = "".join(f"<div><dt>{name}</dt><dd>{esc(value)}</dd></div>" for name, value in shown if value != "-")
    return f'<dl class="figures">{items}</dl>'


def threshold_section(report: Report) -> str:
    rows = [
        (t.name, t.metric, scope(t), with_message(t.result, _why(t)), show(t.observed, t.unit), t.limit, f"{t.samples:,}")
        for t in report.thresholds
    ]
    columns = ("threshold", "metric", "of", "result", "observed", "limit", "samples")
    return section("Thresholds", table("Bounds of this test", columns, rows, frozenset({1, 2, 3, 5})) if rows else "")


def _why(row: ThresholdRow) -> str:
    """Since when a window was broken, and that a bound is only reported."""
    broken = f"{row.broken_stretches} of {row.stretches} stretches" if row.broken_stretches else ""
    since = f"first at {clock(row.first_breach_at_ms)}" if row.first_breach_at_ms is not None else ""
    return "; ".join(filter(None, (row.message, broken, since, "" if row.enforce else "reported, fails nothing")))


def check_section(report: Report) -> str:
    """Each with its control: a check that doesn't find what is broken on purpose says nothing."""
    rows = [
        (c.name, with_message(c.result, c.message), c.observed or "-", c.limit or "-", c.detectable or "-", mark(c.control))
        for c in report.checks
    ]
    columns = ("check", "result", "observed", "limit", "smallest it could find", "control")
    intro = "The control is the same judgement on something broken on purpose; it must be caught."
    return section("Checks", table("Checks", columns, rows, frozenset({1, 2, 3, 4, 5})), intro=intro) if rows else ""


def stage_section(report: Report) -> str:
    """Load, accounting and quantiles; steps and errors folded below."""
    if not report.stages:
        return ""
    rows = [_stage(stage) for stage in report.stages]
    columns = ("stage", "target", "load", "rps", "p50", "p90", "p95", "p99", "p99.9", "max", "errors", "hits", "reuse")
    counts: list[Sequence[Cell]] = [
        (s.stage, s.target, *(f"{n:,}" for n in (s.offered, s.completed, s.failed, s.dropped, s.censored, s.wrong)), s.repeats)
        for s in report.stages
    ]
    counted = ("stage", "target", "offered", "completed", "failed", "dropped", "censored", "wrong", "repeats")
    return section(
        "Stages",
        table("Rates and latency", columns, rows, frozenset({1, 2})),
        table("Every call: offered = completed + failed + dropped + censored", counted, counts, frozenset({1})),
        _service_note(report),
        _steps(report),
        _errors(report),
        intro=_latency_note(report),
    )


def _latency_note(report: Report) -> str:
    models = {stage.model for stage in report.stages}
    opened = "In open stages latency counts from the intended start, so that a call that had to wait is not made to look fast."
    closed = "In closed stages users wait for each answer; latency is the service time, which a stalled target hides in part."
    return " ".join(text for model, text in (("Open", opened), ("Closed", closed)) if model in models)


def _stage(s: StageFigures) -> tuple[str | int | Html, ...]:
    times = s.times
    quantiles = (quantile(getattr(times, name), name in times.lower_bounds) for name in _QUANTILES)
    shares = (show(s.errors_percent, "percent"), show(s.cache.hit_percent, "percent"), show(s.connections.reuse_percent, "percent"))
    return (s.stage, s.target, f"{s.model}, {s.load}", show(s.throughput, "perSecond"), *quantiles, *shares)


def _service_note(report: Report) -> str:
    rows = [
        (s.stage, s.target, *(show(getattr(s.service_time_ms, name), "ms") for name in _QUANTILES))
        for s in report.stages
        if s.latency_ms is not None
    ]
    columns = ("stage", "target", "p50", "p90", "p95", "p99", "p99.9", "max")
    return (
        folded("Service time of open stages (from the actual start)", table("Service time", columns, rows, frozenset({1}))) if rows else ""
    )


def _steps(report: Report) -> str:
    rows = [
        (s.stage, s.target, f"{step.scenario} / {step.step}", *(f"{n:,}" for n in (step.offered, step.completed, step.failed, step.wrong)),
         *(show(ms, "ms") for ms in (step.p50_ms, step.p95_ms, step.p99_ms, step.p999_ms)))
        for s in report.stages
        for step in s.steps
    ]  # fmt: skip
    columns = ("stage", "target", "step", "offered", "completed", "failed", "wrong", "p50", "p95", "p99", "p99.9")
    return folded("By scenario and step", table("By scenario and step", columns, rows, frozenset({1, 2}))) if rows else ""


def _errors(report: Report) -> str:
    rows = [(kind, s.stage, s.target, f"{n:,}") for s in report.stages for kind, n in s.errors.items()]
    return table("Errors by kind", ("error", "stage", "target", "calls"), rows, frozenset({1, 2})) if rows else ""


def generator_section(report: Report) -> str:
    """How far the generator itself stood in the way."""
    rows = [
        (
            f"{p.kind} {p.stage}",
            p.target,
            "judged" if p.judged else "not judged",
            clock(p.held_ms),
            f"{p.cpu_percent:g}%",
            show(p.loop_lag_p99_ms, "ms"),
            show(p.start_lag_p99_ms, "ms"),
            f"{p.gc_ms} ms" if p.gc_ms else "-",
            f"{p.memory_bytes / _MIB:.0f} MiB" if p.memory_bytes else "-",
        )
        for p in report.phases
    ]
    columns = ("phase", "target", "verdict", "held", "CPU", "loop lag p99", "start lag p99", "GC", "memory")
    intro = (
        "A generator that is too slow measures itself. Beyond 90% of a core, or with a lag that is a visible part of the latency, "
        "a run is inconclusive."
    )
    return section("Health of the generator", table("By phase", columns, rows, frozenset({1, 2})) if rows else "", intro=intro)


def unmeasured_section(report: Report) -> str:
    """What a reader might take for measured and judged, and isn't."""
    return section("What was not measured", bullets(_unmeasured(report)))


def _unmeasured(report: Report) -> list[str]:
    apart: dict[str, list[PhaseFigures]] = {}
    for phase in report.phases:
        if not phase.judged and phase.planned_ms:
            apart.setdefault(phase.kind, []).append(phase)
    said = [
        f"{kind}: {len(phases)} × {clock(sum(p.held_ms for p in phases) / len(phases))} on average, "
        f"{sum(p.offered for p in phases):,} calls, in no figure and no verdict."
        for kind, phases in apart.items()
    ]
    short = [p for p in report.phases if p.judged and p.held_ms < p.planned_ms]
    said += [f"{p.kind} {p.stage} ({p.target}): ended after {clock(p.held_ms)} of {clock(p.planned_ms)}." for p in short]
    lost = report.runners.lost
    said += (
        [f"Lost runners: {', '.join(map(str, lost))} of {report.runners.wanted}; their load is missing from all figures."] if lost else []
    )
    said += [f"Of a lost one is known: {done(one)}." for one in report.runners.known]
    if report.measured is not None:
        cut, refused = report.measured.cut, report.measured.refused
        said += [f"Runners {', '.join(map(str, cut))} ended early: only what they had measured by then is in the figures."] if cut else []
        said += [f"A part of {one.name} takes no part: {one.why}." for one in refused]
    for name, why in (
        ("censored", "calls were still running at the end: their time is only known to be at least what it was by then"),
        ("dropped", "calls of the planned load were never sent"),
    ):
        count = sum(getattr(stage, name) for stage in report.stages)
        said += [f"{show_number(count)} {why}."] if count else []
    said += [f"{path}: was set in the LoadTest and is not enforced by this version." for path in report.unenforced]
    said += [f"{path}: not in this report." for path in report.omitted]
    steps = [step for window in (report.measured.windows if report.measured else ()) for step in window.steps]
    if steps and not report.omitted and not any(step.slices for step in steps):
        said.append("Figures over time: no runner kept any.")
    if any(one.completed and not one.latency.count for step in steps for one in step.slices):
        said.append("Latency over time: left out of the parts for their size, wholly or of some stages.")
    if any(stage.model == "Closed" for stage in report.stages):
        said.append("Corrected latency of closed stages: there is no intended start to count from.")
    return said


def provenance_section(report: Report) -> str:
    v = report.versions
    facts = (
        ("LoadTest", f"{report.namespace}/{report.name}"),
        ("Run", report.run),
        *((("Began by", report.trigger),) if report.trigger else ()),
        ("Finished", report.finished_at or "not recorded"),
        ("Plan", f"sha256 {report.plan_hash}"),
        ("Seed", report.seed),
        ("Runners", f"{len(report.runners.received)} of {report.runners.wanted}, start skew {report.runners.start_skew_ms} ms"),
        ("Slipstream", v.slipstream),
        ("Formats", f"report {report.schema_version}, plan {v.plan}, result {v.result}, histogram {v.histogram}"),
    )
    listed = f'<dl class="facts">{"".join(f"<dt>{name}</dt><dd>{esc(value)}</dd>" for name, value in facts)}</dl>'
    return section("What was run", listed, _policies(report), _sidecars(report))


def _policies(report: Report) -> str:
    if not report.policies:
        return ""
    rows = [(p.name, p.kind, p.generation, p.hash or "-") for p in report.policies]
    return table("Policies in force", ("policy", "kind", "generation", "hash of its spec"), rows, frozenset({1, 3}))


def _sidecars(report: Report) -> str:
    if not report.sidecars:
        return ""
    before, after, between = report.sidecars.before, report.sidecars.after, report.sidecars.difference
    rows = [(name, *(f"{counted.get(name, 0):,}" for counted in (before, after, between))) for name in between]
    return table("Counters of the runners' sidecars", ("counter", "at the start", "at the end", "in between"), rows)
