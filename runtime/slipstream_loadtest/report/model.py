"""The stored report of a run as data: the published JSON document, version 1. Pure data; computes and judges nothing.

Members are only ever added within a version, so readers must pass over what they don't know. Durations end in Ms, shares in Percent (of
100), rates are per second; null is "there is none", never 0. The plan and what was measured are there too, so that a later run can be held
against it; where a report has to be small, some of that is left out and `omitted` names it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from slipstream_loadtest.judged.comparison import ComparisonRow
from slipstream_loadtest.judged.thresholds import ThresholdRow
from slipstream_loadtest.judged.verdict import CheckRow, Outcome, Reason
from slipstream_loadtest.measured.result import Known, Result
from slipstream_loadtest.plan.model import PhaseKind, Plan, TargetName
from slipstream_loadtest.report.status import Summary

REPORT_VERSION: Final = 1


class ReportPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: immutable, camelCase in the document."""


class Versions(ReportPart, frozen=True, kw_only=True):
    """What made the figures: the release, and the versions of the plan, the result and the histograms in them."""

    slipstream: str
    plan: int
    result: int
    histogram: int


class Runners(ReportPart, frozen=True, kw_only=True):
    """Which of the runners' parts are in the figures. `known`: what lost ones had done by their last word, which is in none."""

    wanted: int
    received: tuple[int, ...]
    lost: tuple[int, ...]
    superseded: int
    start_skew_ms: int
    known: tuple[Known, ...] = ()


class Quantiles(ReportPart, frozen=True, kw_only=True):
    """Nearest-rank quantiles of right answers and cut-off calls. `lowerBounds`: those that are only known to be at least so long."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    mean: float | None
    samples: int
    lower_bounds: tuple[str, ...]
    p999: float | None = None  # documents of before have none


class ConnectionFigures(ReportPart, frozen=True, kw_only=True):
    opened: int
    reused: int
    reuse_percent: float | None


class CacheFigures(ReportPart, frozen=True, kw_only=True):
    """`outcomes`: answers by what their Cache-Status (RFC 9211) says."""

    hit_percent: float | None
    outcomes: dict[str, int]


class StepFigures(ReportPart, frozen=True, kw_only=True):
    scenario: str
    step: str
    offered: int
    completed: int
    failed: int
    dropped: int
    censored: int
    wrong: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None = None


class RepeatFigures(ReportPart, frozen=True, kw_only=True):
    throughput: float
    p95_ms: float | None
    held_ms: int


class StageFigures(ReportPart, frozen=True, kw_only=True):
    """One stage on one target over all of its repeats: offered = completed + failed + dropped + censored. `latencyMs` is from the intended
    start, which only the open model has; `serviceTimeMs` from the actual one."""

    target: TargetName
    stage: str
    model: Literal["Closed", "Open"]
    users: int | None
    rate_per_second: float | None
    repeats: int
    offered: int
    completed: int
    failed: int
    dropped: int
    censored: int
    wrong: int
    throughput: float | None
    errors_percent: float | None
    latency_ms: Quantiles | None
    service_time_ms: Quantiles
    connections: ConnectionFigures
    cache: CacheFigures
    errors: dict[str, int]
    steps: tuple[StepFigures, ...]
    repeat_values: tuple[RepeatFigures, ...]

    @property
    def times(self) -> Quantiles:
        """What a caller would have seen: corrected where there is a correction."""
        return self.latency_ms if self.latency_ms is not None else self.service_time_ms

    @property
    def load(self) -> str:
        return f"{self.users} users" if self.rate_per_second is None else f"{self.rate_per_second:g}/s"


class PhaseFigures(ReportPart, frozen=True, kw_only=True):
    """A phase of the run, judged or not, and the health of the generator in it."""

    kind: PhaseKind
    judged: bool
    target: TargetName
    stage: str
    repeat: int
    planned_ms: int
    held_ms: int
    offered: int
    censored: int
    cpu_percent: float
    gc_ms: int
    memory_bytes: int
    loop_lag_p99_ms: float | None
    start_lag_p99_ms: float | None


class PolicyInForce(ReportPart, frozen=True, kw_only=True):
    """A policy on the pool that the load went through. `hash`: of its spec, so that a change and back again are told apart from none."""

    kind: str
    name: str
    generation: int
    hash: str = ""


class SidecarCounters(ReportPart, frozen=True, kw_only=True):
    """What the runners' sidecars have counted by name, added up: at the common start, at the end, and in between."""

    before: dict[str, int] = {}
    after: dict[str, int] = {}
    difference: dict[str, int] = {}


class Report(ReportPart, frozen=True, kw_only=True):
    """The document. `unenforced`: fields of the LoadTest that were set and had no effect. Only the operator knows `trigger` (why the run
    began), `policies` in force and `sidecars`, and adds them with its `status`."""

    schema_version: Literal[1]
    name: str
    namespace: str
    run: str
    finished_at: str | None
    plan_hash: str
    seed: int
    versions: Versions
    result: Outcome
    reasons: tuple[Reason, ...]
    summary: Summary
    runners: Runners
    stages: tuple[StageFigures, ...]
    thresholds: tuple[ThresholdRow, ...]
    comparison: tuple[ComparisonRow, ...]
    checks: tuple[CheckRow, ...]
    phases: tuple[PhaseFigures, ...]
    unenforced: tuple[str, ...]
    omitted: tuple[str, ...]
    plan: Plan | None
    measured: Result | None
    trigger: str | msgspec.UnsetType = msgspec.UNSET
    policies: tuple[PolicyInForce, ...] | msgspec.UnsetType = msgspec.UNSET
    sidecars: SidecarCounters | msgspec.UnsetType = msgspec.UNSET
    status: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
