"""A report as OpenMetrics text: gauges of the last run, in base units, for a textfile collector or a Pushgateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from slipstream_loadtest.report.escape import clean
from slipstream_loadtest.report.model import Quantiles, Report, StageFigures, StepFigures

QUANTILES: Final = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99", "p999": "0.999"}
OUTCOMES: Final = ("Passed", "Failed", "Inconclusive")
_PREFIX: Final = "slipstream_loadtest_"

Labels = Mapping[str, str]
Sample = tuple[Labels, float | int | None]


def as_prometheus(report: Report) -> str:
    """One gauge a figure; what there is no value for is left out, never 0 or NaN."""
    test = {"namespace": report.namespace, "loadtest": report.name}
    families = "".join(
        _family(name, help_text, [({**test, **labels}, value) for labels, value in samples])
        for name, help_text, samples in _families(report)
    )
    return families + "# EOF\n"


def _families(report: Report) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    yield "result", "1 for the verdict of the last run.", _states([({}, report.result)])
    yield "run_info", "What the last run was.", [({"run": report.run, "plan_hash": report.plan_hash, "seed": str(report.seed)}, 1)]
    yield "runners_wanted", "Runners of the plan.", [({}, report.runners.wanted)]
    yield "runners_lost", "Runners that reported nothing.", [({}, len(report.runners.lost))]
    yield from _stage_families(report.stages)
    yield from _step_families(report.stages)
    thresholds = [({"threshold": t.name}, t.result) for t in report.thresholds]
    yield "threshold_result", "1 for what became of a bound.", _states(thresholds)
    ratios: list[Sample] = [({"stage": row.stage, "metric": row.metric, "result": row.result}, row.change) for row in report.comparison]
    yield "comparison_ratio", "Candidate to baseline; 1 is no change.", ratios
    checks = [({"check": c.name, "control": c.control}, c.result) for c in report.checks]
    yield "check_result", "1 for what became of a check.", _states(checks)


def _states(results: Iterable[tuple[Labels, str]]) -> list[Sample]:
    """One of OUTCOMES is 1: what couldn't be measured is neither passed nor failed."""
    known = [(labels, result if result in OUTCOMES else "Inconclusive") for labels, result in results]
    return [({**labels, "result": one}, int(one == result)) for labels, result in known for one in OUTCOMES]


def _stage_families(stages: tuple[StageFigures, ...]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    def each(name: str) -> list[Sample]:
        return [(_stage(s), getattr(s, name)) for s in stages]

    yield "throughput_per_second", "Right answers per second.", each("throughput")
    yield "errors_ratio", "Failed calls of those that ended.", [(_stage(s), _ratio(s.errors_percent)) for s in stages]
    yield "cache_hit_ratio", "Answers from a cache.", [(_stage(s), _ratio(s.cache.hit_percent)) for s in stages]
    yield "connection_reuse_ratio", "Calls on a reused connection.", [(_stage(s), _ratio(s.connections.reuse_percent)) for s in stages]
    yield "calls", "Calls of judged phases by how they ended.", [sample for s in stages for sample in _ends(_stage(s), s)]
    yield "wrong_answers", "Answers that were not those asked for.", each("wrong")
    corrected = [sample for s in stages if s.latency_ms is not None for sample in _quantiles(_stage(s), s.latency_ms)]
    yield "latency_seconds", "Quantiles from the intended start, of open stages.", corrected
    service = [sample for s in stages for sample in _quantiles(_stage(s), s.service_time_ms)]
    yield "service_time_seconds", "Quantiles from the actual start.", service
    yield "service_time_max_seconds", "The slowest right answer.", [(_stage(s), _seconds(s.service_time_ms.max)) for s in stages]


def _step_families(stages: tuple[StageFigures, ...]) -> Iterator[tuple[str, str, Iterable[Sample]]]:
    steps = [({**_stage(s), "scenario": step.scenario, "step": step.step}, step) for s in stages for step in s.steps]
    yield "step_calls", "Calls of a step by how they ended.", [sample for labels, step in steps for sample in _ends(labels, step)]
    quantiles: list[Sample] = [
        ({**labels, "quantile": q}, _seconds(value))
        for labels, step in steps
        for q, value in (("0.5", step.p50_ms), ("0.95", step.p95_ms), ("0.99", step.p99_ms), ("0.999", step.p999_ms))
    ]
    yield "step_latency_seconds", "Quantiles of a step, from the intended start where there is one.", quantiles


def _stage(stage: StageFigures) -> dict[str, str]:
    return {"stage": stage.stage, "target": stage.target}


def _ends(labels: Labels, counted: StageFigures | StepFigures) -> list[Sample]:
    return [({**labels, "outcome": end}, getattr(counted, end)) for end in ("completed", "failed", "dropped", "censored")]


def _quantiles(labels: Labels, times: Quantiles) -> list[Sample]:
    return [({**labels, "quantile": q}, _seconds(getattr(times, name))) for name, q in QUANTILES.items()]


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _family(name: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"{_PREFIX}{name}{{{_labels(labels)}}} {value:.12g}\n" for labels, value in samples if value is not None]
    return f"# TYPE {_PREFIX}{name} gauge\n# HELP {_PREFIX}{name} {help_text}\n{''.join(lines)}" if lines else ""


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return clean(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", " ")
