"""What all runners measured together: one window per phase of the plan, figures added up, nothing judged. Pure data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from slipstream_loadtest.measured.histogram import Histogram, HistogramData, merged
from slipstream_loadtest.measured.part import COUNTS, SLICED, GeneratorPart, IsolationPart, MemorySample, SeriesPart, SlicePart, TimingsPart
from slipstream_loadtest.plan.model import PhaseKind, TargetName

RESULT_VERSION: Final = 3
READABLE_RESULTS: Final = frozenset({2, RESULT_VERSION})  # as of parts: what a slice of version 2 lacks is 0 in it
_TIMED: Final = ("queue", "connect", "tls", "first_byte", "last_byte")
MAX_EXAMPLES: Final = 5


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


class Refused(ResultPart, frozen=True, kw_only=True):
    """A part that takes no part. `name`: `runner 3`, or the digest in its log where nobody knows whose it is."""

    name: str
    why: str


class Known(ResultPart, frozen=True, kw_only=True):
    """What a lost runner had done by its last word, in all phases. In no figure of the run: of what was under way when it was lost, and of
    what came after that, nothing is known, and calls that have an end are the quick ones."""

    index: int
    until_ms: int  # since the common start
    offered: int
    completed: int
    failed: int
    dropped: int


class Result(ResultPart, frozen=True, kw_only=True):
    """The merge of a run. `lost`: indexes of which no usable part has come; `known`: what some of those had done; `cut`: those whose part
    ended early; `superseded`: late or early parts of attempts that another one replaced; `foreign`: parts of other runs; `refused`: broken
    or unlike ones. The same part twice is none of these: it is counted once and changes nothing."""

    version: int = RESULT_VERSION
    plan_hash: str
    run: str
    runners: int
    received: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    known: tuple[Known, ...] = ()
    cut: tuple[int, ...] = ()
    superseded: int = 0
    foreign: int = 0
    refused: tuple[Refused, ...] = ()
    aborted: str = ""
    start_skew_ms: int = 0
    windows: tuple[Window, ...] = ()
    memory: tuple[MemorySample, ...] = ()
    memory_error: str = ""
    isolation: IsolationPart | None = None


def levels(result: Result) -> list[tuple[str, str, list[Window]]]:
    """Target, stage and the windows of all repeats, for every stage that is judged."""
    held = [w for w in result.windows if w.judged]
    keys = dict.fromkeys((w.target, w.stage) for w in held)
    return [(target, stage, [w for w in held if (w.target, w.stage) == (target, stage)]) for target, stage in keys]


def sum_series(several: Sequence[SeriesPart], *, sliced: bool = True) -> SeriesPart:
    """All of them together, under the first one's names. Where only some have a corrected latency (closed and open stages), the service
    time of the others takes part in it. `sliced` False: of different phases, whose slices have nothing to do with each other."""
    if not several:
        return SeriesPart(scenario="", step="")
    if len(several) == 1 and (sliced or not several[0].slices):
        return several[0]
    corrected = any(one.latency is not None for one in several)
    timed = [one.timings for one in several if one.timings is not None]
    return SeriesPart(
        scenario=several[0].scenario,
        step=several[0].step,
        **{name: sum(getattr(one, name) for one in several) for name in COUNTS},
        service=_merged(one.service for one in several),
        latency=_merged(one.latency if one.latency is not None else one.service for one in several) if corrected else None,
        error_after=_merged(one.error_after for one in several),
        censored_after=_merged(one.censored_after for one in several),
        errors=_sum([one.errors for one in several]),
        cache=_sum([one.cache for one in several]),
        timings=TimingsPart(**{name: _merged(getattr(one, name) for one in timed) for name in _TIMED}) if timed else None,
        slices=sum_slices(several) if sliced else (),
    )


def sum_slices(several: Sequence[SeriesPart]) -> tuple[SlicePart, ...]:
    """Slices of series of one phase, those of the same number together, by rising number. Where one has lost its latencies for its size
    (fitting.py), the others' are no longer those of all."""
    by_number: dict[int, list[SlicePart]] = {}
    for series in several:
        for one in series.slices:
            by_number.setdefault(one.number, []).append(one)
    return tuple(
        SlicePart(
            number=number,
            **{name: sum(getattr(one, name) for one in same) for name in SLICED},
            latency=_merged(one.latency for one in same)
            if all(one.latency.count or not one.completed for one in same)
            else HistogramData(),
        )
        for number, same in sorted(by_number.items())
    )


def _timed(one: SlicePart) -> bool:
    return bool(one.latency.count or not one.completed)


def sum_generators(several: Sequence[GeneratorPart]) -> GeneratorPart:
    """The health of all of them together; the longest pause and the most memory are those of one of them."""
    return GeneratorPart(
        loop_lag=_merged(one.loop_lag for one in several),
        start_lag=_merged(one.start_lag for one in several),
        cpu_ms=sum(one.cpu_ms for one in several),
        wall_ms=sum(one.wall_ms for one in several),
        gc_ms=sum(one.gc_ms for one in several),
        gc_longest_us=max((one.gc_longest_us for one in several), default=0),
        memory_bytes=max((one.memory_bytes for one in several), default=0),
    )


def sum_isolation(several: Sequence[IsolationPart]) -> IsolationPart | None:
    """Probes of all sessions; None where nobody probed."""
    if not several:
        return None
    names = ("sessions", "probes", "failed", "crossings", "missing", "control_probes", "control_crossings")
    examples = sorted({example for one in several for example in one.examples})[:MAX_EXAMPLES]
    return IsolationPart(**{name: sum(getattr(one, name) for one in several) for name in names}, examples=tuple(examples))


def _merged(several: Iterable[HistogramData]) -> HistogramData:
    counted = [one for one in several if one.count]
    return merged(map(Histogram.decode, counted)).encode() if len(counted) != 1 else counted[0]


def _sum(several: Sequence[dict[str, int]]) -> dict[str, int]:
    return {name: sum(one.get(name, 0) for one in several) for name in sorted({name for one in several for name in one})}
