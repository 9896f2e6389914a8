"""What all runners measured together: one window per phase of the plan, figures added up, nothing judged. Pure data."""

from __future__ import annotations

from typing import Final

import msgspec

from slipstream_loadtest.histogram import Histogram, HistogramData
from slipstream_loadtest.part import GeneratorPart, SeriesPart
from slipstream_loadtest.planmodel import PhaseKind, TargetName

RESULT_VERSION: Final = 1


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


def add_series(a: SeriesPart, b: SeriesPart) -> SeriesPart:
    """Both together; the names are the first one's."""
    return SeriesPart(
        scenario=a.scenario,
        step=a.step,
        offered=a.offered + b.offered,
        completed=a.completed + b.completed,
        failed=a.failed + b.failed,
        dropped=a.dropped + b.dropped,
        censored=a.censored + b.censored,
        in_window=a.in_window + b.in_window,
        wrong=a.wrong + b.wrong,
        opened=a.opened + b.opened,
        reused=a.reused + b.reused,
        service=_add(a.service, b.service),
        latency=None if a.latency is None or b.latency is None else _add(a.latency, b.latency),
        error_after=_add(a.error_after, b.error_after),
        censored_after=_add(a.censored_after, b.censored_after),
        errors=_sum(a.errors, b.errors),
        cache=_sum(a.cache, b.cache),
    )


def add_generators(a: GeneratorPart, b: GeneratorPart) -> GeneratorPart:
    return GeneratorPart(
        loop_lag=_add(a.loop_lag, b.loop_lag),
        start_lag=_add(a.start_lag, b.start_lag),
        cpu_ms=a.cpu_ms + b.cpu_ms,
        wall_ms=a.wall_ms + b.wall_ms,
    )


def total(steps: tuple[SeriesPart, ...]) -> SeriesPart:
    """All steps as one series."""
    if not steps:
        return SeriesPart(scenario="", step="")
    whole = steps[0]
    for step in steps[1:]:
        whole = add_series(whole, step)
    return msgspec.structs.replace(whole, scenario="", step="")


def _add(a: HistogramData, b: HistogramData) -> HistogramData:
    one = Histogram.decode(a)
    one.add(Histogram.decode(b))
    return one.encode()


def _sum(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in sorted({*a, *b})}
