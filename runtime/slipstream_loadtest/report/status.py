"""A judged run as the short texts of a LoadTest's status and columns: bounded, the worst first where not all fit. Pure; no new figure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from slipstream_loadtest.judged.metrics import METRICS, Pooled, pool
from slipstream_loadtest.judged.verdict import CheckRow, Verdict
from slipstream_loadtest.measured.result import Result, Window, levels
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_change

MAX_STAGES: Final = 50
MAX_ROWS: Final = 32  # of each other list: the status is an API object that is read and written often; the rest is in the report
MAX_TEXT: Final = 64
_THRESHOLD_RANK: Final = {"Failed": 0, "NoData": 1, "LowerBound": 1}
_COMPARISON_RANK: Final = {"Regressed": 0, "Inconclusive": 1, "NoChange": 2}
_NEVER: Final = "-"


class Summary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Texts for columns: `1.2k`, `11.8ms`, `0.02%`, `-31%`; a dash where there is nothing to show, `≥` before a lower bound."""

    runners: str
    rps: str
    p50: str
    p95: str
    p99: str
    errors: str
    delta: str
    hit_percent: str
    requests: int
    wrong: int


def summary(plan: Plan, result: Result, verdict: Verdict) -> Summary:
    """The candidate's windows together, and the worst change of p95 over the stages."""
    pooled = pool([w for w in result.windows if w.judged and w.target == plan.candidate])
    changes = [row.change for row in verdict.comparison if row.metric == "latency.p95" and row.change is not None]
    return Summary(
        runners=f"{len(result.received)}/{result.runners}",
        rps=shown("throughput", pooled),
        p50=shown("latency.p50", pooled),
        p95=shown("latency.p95", pooled),
        p99=shown("latency.p99", pooled),
        errors=shown("errors.percent", pooled),
        delta=show_change(max(changes) if changes else None),
        hit_percent=shown("cache.hitPercent", pooled),
        requests=pooled.series.offered,
        wrong=pooled.series.wrong,
    )


def as_status(plan: Plan, result: Result, verdict: Verdict) -> dict[str, Any]:
    """The members `summary`, `runners`, `stages`, `thresholds`, `checks` and `comparison` of a LoadTest's status, without empty ones."""
    texts = msgspec.to_builtins(summary(plan, result, verdict))
    runners = texts.pop("runners")
    status: dict[str, Any] = {
        "summary": {name: text for name, text in texts.items() if text != _NEVER},
        "runners": {"desired": result.runners, "succeeded": len(result.received), "failed": len(result.lost), "summary": runners},
        "stages": [_stage(target, stage, windows) for target, stage, windows in _worst(levels(result))],
        "thresholds": [
            {
                "name": row.name,
                "observed": ("≥" if row.result == "LowerBound" else "") + show(row.observed, row.unit),
                "limit": row.limit,
                "result": "NoData" if row.result == "LowerBound" else row.result,
            }
            for row in sorted(verdict.thresholds, key=lambda row: _THRESHOLD_RANK.get(row.result, 9))[:MAX_ROWS]
        ],
        "checks": [_check(row) for row in verdict.checks],
        "comparison": [
            {
                "metric": row.metric,
                "stage": row.stage,
                "baseline": show(row.baseline, row.unit),
                "candidate": show(row.candidate, row.unit),
                "change": show_change(row.change),
                "interval": _NEVER if row.interval is None else f"{show_change(row.interval[0])}..{show_change(row.interval[1])}",
                "p": _NEVER if row.p is None else f"{row.p:.3f}",
                "result": row.result,
            }
            for row in sorted(verdict.comparison, key=lambda row: _COMPARISON_RANK.get(row.result, 9))[:MAX_ROWS]
        ],
    }
    return {name: _short(member) for name, member in status.items() if member}


def _check(row: CheckRow) -> dict[str, str]:
    """Without the message, which is in the reasons if it decides anything; without texts that are empty, as of a check that saw nothing."""
    texts = {"observed": row.observed, "limit": row.limit, "detectable": row.detectable}
    return {"name": row.name, "result": row.result, "control": row.control, **{name: text for name, text in texts.items() if text}}


def _worst(several: list[tuple[str, str, list[Window]]]) -> list[tuple[str, str, list[Window]]]:
    """All of them in the plan's order where they fit; else the worst ones, the worst first: most errors, then the slowest."""
    if len(several) <= MAX_STAGES:
        return several

    def badness(level: tuple[str, str, list[Window]]) -> tuple[float, float]:
        pooled = pool(level[2])
        return (METRICS["errors.percent"].of(pooled).value or 0.0, METRICS["latency.p95"].of(pooled).value or 0.0)

    return sorted(several, key=badness, reverse=True)[:MAX_STAGES]


def _short(member: Any) -> Any:
    """Every text within what the API server takes."""
    if isinstance(member, str):
        return member if len(member) <= MAX_TEXT else member[: MAX_TEXT - 1] + "…"
    if isinstance(member, dict):
        return {name: _short(inner) for name, inner in member.items()}
    return [_short(inner) for inner in member] if isinstance(member, list) else member


def shown(metric: str, pooled: Pooled) -> str:
    """A metric as a column shows it."""
    measure = METRICS[metric].of(pooled)
    return ("≥" if measure.lower_bound else "") + show(measure.value, METRICS[metric].unit)


def _stage(target: str, stage: str, windows: list[Window]) -> dict[str, Any]:
    pooled = pool(windows)
    metrics = {"rps": "throughput", "p50": "latency.p50", "p95": "latency.p95", "p99": "latency.p99", "errors": "errors.percent"}
    return {
        "name": stage,
        "target": target,
        **{name: shown(metric, pooled) for name, metric in metrics.items()},
        "requests": pooled.series.offered,
    }
