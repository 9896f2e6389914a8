"""What all runners measured together: one window per phase of the plan, figures added up, nothing judged. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from slipstream_loadtest.measured.histogram import Histogram, HistogramData, merged
from slipstream_loadtest.measured.part import GeneratorPart, IsolationPart, MemorySample, SeriesPart
from slipstream_loadtest.plan.model import PhaseKind, TargetName

RESULT_VERSION: Final = 2
_COUNTS: Final = ("offered", "completed", "failed", "dropped", "censored", "in_window", "wrong", "opened", "reused")


class ResultPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Base: immutable, camelCase on the wire, unknown fields refused."""


class Window(ResultPart, frozen=True, kw_only=True):
    """One phase, of all runners. `throughput`: right answers a second within the window; each runner's own over its own fixed window,
    then summed, so that runners that began apart don't dilute it."""

    phase: int
    kind: PhaseKind
    target: TargetName
    repeat: int
    stage: str
    planned_ms: int
    held_ms: int  # the longest of any runner
    throughput: float = 0.0
    cpu_percent: float = 0.0  # the busiest runner's
    steps: tuple[SeriesPart, ...] = ()
    generator: GeneratorPart = GeneratorPart()

    @property
    def judged(self) -> bool:
        return self.kind == "Hold"


class Result(ResultPart, frozen=True, kw_only=True):
    """The merge of a run. `lost`: indexes of which no part has come; `superseded`: parts of attempts that another one replaced."""

    version: int = RESULT_VERSION
    plan_hash: str
    run: str
    runners: int
    received: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    superseded: int = 0
    aborted: str = ""
    start_skew_ms: int = 0
    windows: tuple[Window, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    memory_error: str = ""
    isolation: IsolationPart | None = None


def sum_series(several: Sequence[SeriesPart]) -> SeriesPart:
    """All of them together, under the first one's names. Where only some have a corrected latency (closed and open stages), the service
    time of the others takes part in it."""
    if len(several) < 2:
        return several[0] if several else SeriesPart(scenario="", step="")
    corrected = any(one.latency is not None for one in several)
    return SeriesPart(
        scenario=several[0].scenario,
        step=several[0].step,
        **{name: sum(getattr(one, name) for one in several) for name in _COUNTS},
        service=_merged(one.service for one in several),
        latency=_merged(one.latency if one.latency is not None else one.service for one in several) if corrected else None,
        error_after=_merged(one.error_after for one in several),
        censored_after=_merged(one.censored_after for one in several),
        errors=_sum([one.errors for one in several]),
        cache=_sum([one.cache for one in several]),
    )


def sum_generators(several: Sequence[GeneratorPart]) -> GeneratorPart:
    """The health of all of them together."""
    return GeneratorPart(
        loop_lag=_merged(one.loop_lag for one in several),
        start_lag=_merged(one.start_lag for one in several),
        cpu_ms=sum(one.cpu_ms for one in several),
        wall_ms=sum(one.wall_ms for one in several),
    )


def _merged(several: Iterable[HistogramData]) -> HistogramData:
    counted = [one for one in several if one.count]
    return merged(map(Histogram.decode, counted)).encode() if len(counted) != 1 else counted[0]


def _sum(several: Sequence[dict[str, int]]) -> dict[str, int]:
    return {name: sum(one.get(name, 0) for one in several) for name in sorted({name for one in several for name in one})}
