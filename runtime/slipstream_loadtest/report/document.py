"""A judged run as the stored report: gathers its figures, writes and reads the JSON document. Pure; judges nothing."""

from __future__ import annotations

from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from slipstream_loadtest.judged.metrics import METRICS, Pooled, pool
from slipstream_loadtest.judged.verdict import Verdict
from slipstream_loadtest.measured.histogram import CODEC_VERSION, Histogram
from slipstream_loadtest.measured.result import READABLE_RESULTS, Result, Window, levels
from slipstream_loadtest.plan.model import PLAN_VERSION, Plan
from slipstream_loadtest.report.bounded import CONFIG_MAP_BYTES, fitted, plain
from slipstream_loadtest.report.model import (
    REPORT_VERSION,
    CacheFigures,
    ConnectionFigures,
    PhaseFigures,
    Quantiles,
    RepeatFigures,
    Report,
    Runners,
    StageFigures,
    StepFigures,
    Versions,
)
from slipstream_loadtest.report.status import summary

TOP_ERRORS: Final = 5
P99: Final = Fraction(99, 100)


class NoReport(ValueError):  # noqa: N818 - names what it is
    """Something that isn't the report of a load test; the message says what it is instead."""


def as_report(plan: Plan, result: Result, verdict: Verdict, *, finished_at: str | None = None, unenforced: tuple[str, ...] = ()) -> Report:
    """Everything of a run. `finished_at`: RFC 3339, if the caller has a wall clock; `unenforced`: fields set without effect."""
    return Report(
        schema_version=REPORT_VERSION,
        name=plan.name,
        namespace=plan.namespace,
        run=result.run,
        finished_at=finished_at,
        plan_hash=result.plan_hash,
        seed=plan.seed,
        versions=Versions(slipstream=_release(), plan=plan.version, result=result.version, histogram=CODEC_VERSION),
        result=verdict.result,
        reasons=verdict.reasons,
        summary=summary(plan, result, verdict),
        runners=Runners(
            wanted=result.runners,
            received=result.received,
            lost=result.lost,
            superseded=result.superseded,
            start_skew_ms=result.start_skew_ms,
            known=result.known,
        ),
        stages=tuple(_level(plan, target, stage, windows) for target, stage, windows in levels(result)),
        thresholds=verdict.thresholds,
        comparison=verdict.comparison,
        checks=verdict.checks,
        phases=tuple(map(_phase, result.windows)),
        unenforced=unenforced,
        omitted=(),
        plan=plan,
        measured=result,
    )


def as_json(plan: Plan, result: Result, verdict: Verdict, *, max_bytes: int = CONFIG_MAP_BYTES) -> dict[str, Any]:
    """The report as plain JSON values, without NaN, of at most `max_bytes`: small enough for a ConfigMap."""
    return plain(fitted(as_report(plan, result, verdict), max_bytes))


def read_report(text: str | bytes) -> Report:
    """A stored report. Raises NoReport with what is wrong with it."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoReport("no JSON") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != REPORT_VERSION:
        raise NoReport(f"no result of a load test that this version knows (schemaVersion {REPORT_VERSION})")
    try:
        return msgspec.convert(_of_this_version(document), Report)
    except msgspec.ValidationError as error:
        raise NoReport(f"it says schemaVersion {REPORT_VERSION} but isn't whole: {error}") from None


def _of_this_version(document: dict[str, Any]) -> dict[str, Any]:
    """Figures of every release are readable; a plan or a result of another version can't be computed with, and is left out by name."""
    readable = {"plan": (PLAN_VERSION,), "measured": tuple(sorted(READABLE_RESULTS))}
    found = {name: document[name].get("version") for name in readable if isinstance(document.get(name), dict)}
    other = [name for name, number in found.items() if number not in readable[name]]
    said = [f"{name} (of version {found[name]}, this one reads {' and '.join(map(str, readable[name]))})" for name in other]
    omitted = document.get("omitted")
    return document | dict.fromkeys(other) | {"omitted": [*omitted, *said] if isinstance(omitted, list) else omitted}


def _release() -> str:
    try:
        return version("slipstream")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"


def _level(plan: Plan, target: str, stage: str, windows: list[Window]) -> StageFigures:
    """One stage on one target over all of its repeats. A closed stage has no corrected latency, and says so by null."""
    pooled, planned = pool(windows), plan.stage(stage)
    series, closed = pooled.series, planned.model == "Closed"
    return StageFigures(
        target=windows[0].target,
        stage=stage,
        model=planned.model,
        users=planned.users if closed else None,
        rate_per_second=None if closed else float(planned.exact_rate),
        repeats=len(windows),
        offered=series.offered,
        completed=series.completed,
        failed=series.failed,
        dropped=series.dropped,
        censored=series.censored,
        wrong=series.wrong,
        throughput=_value("throughput", pooled),
        errors_percent=_value("errors.percent", pooled),
        latency_ms=_quantiles("latency", pooled) if series.latency is not None else None,
        service_time_ms=_quantiles("serviceTime", pooled),
        connections=ConnectionFigures(opened=series.opened, reused=series.reused, reuse_percent=_value("connections.reusePercent", pooled)),
        cache=CacheFigures(hit_percent=_value("cache.hitPercent", pooled), outcomes=series.cache),
        errors=dict(sorted(series.errors.items(), key=lambda kind: (-kind[1], kind[0]))[:TOP_ERRORS]),
        steps=tuple(_step(windows, at) for at in range(len(windows[0].steps))),
        repeat_values=tuple(
            RepeatFigures(throughput=w.throughput, p95_ms=_value("latency.p95", pool([w])), held_ms=w.held_ms) for w in windows
        ),
    )


def _step(windows: list[Window], at: int) -> StepFigures:
    pooled = pool([msgspec.structs.replace(w, steps=w.steps[at : at + 1]) for w in windows if w.steps])
    first, series = windows[0].steps[at], pooled.series
    return StepFigures(
        scenario=first.scenario,
        step=first.step,
        offered=series.offered,
        completed=series.completed,
        failed=series.failed,
        dropped=series.dropped,
        censored=series.censored,
        wrong=series.wrong,
        p50_ms=_value("latency.p50", pooled),
        p95_ms=_value("latency.p95", pooled),
        p99_ms=_value("latency.p99", pooled),
        p999_ms=_value("latency.p999", pooled),
    )


def _value(metric: str, pooled: Pooled) -> float | None:
    return METRICS[metric].of(pooled).value


def _quantiles(family: str, pooled: Pooled) -> Quantiles:
    names = ("p50", "p90", "p95", "p99", "p999", "max", "mean")
    measures = {name: METRICS[f"{family}.{name}"].of(pooled) for name in names}
    bounds = tuple(name for name in names if measures[name].lower_bound)
    return Quantiles(**{name: measure.value for name, measure in measures.items()}, samples=measures["max"].samples, lower_bounds=bounds)


def _phase(window: Window) -> PhaseFigures:
    """Every phase is listed, judged or not; the generator's health beside it."""
    generator = window.generator
    return PhaseFigures(
        kind=window.kind,
        judged=window.judged,
        target=window.target,
        stage=window.stage,
        repeat=window.repeat,
        planned_ms=window.planned_ms,
        held_ms=window.held_ms,
        offered=sum(step.offered for step in window.steps),
        censored=sum(step.censored for step in window.steps),
        cpu_percent=round(window.cpu_percent, 1),
        gc_ms=generator.gc_ms,
        memory_bytes=generator.memory_bytes,
        loop_lag_p99_ms=_ms(Histogram.decode(generator.loop_lag).quantile(P99)),
        start_lag_p99_ms=_ms(Histogram.decode(generator.start_lag).quantile(P99)),
    )


def _ms(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6
