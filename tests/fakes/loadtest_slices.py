"""Builders of series that are kept over time, and of the parts of a run that goes on. Holds no expectations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import LIVE, Part, PhasePart, SeriesPart, SlicePart, TimingsPart
from slipstream_loadtest.plan.model import Plan, plan_hash
from tests.fakes.loadtest_plans import MS, a_series


@dataclass(frozen=True)
class Second:
    """What ended within one slice."""

    latencies_ms: Sequence[float] = ()
    failed: int = 0
    dropped: int = 0
    opened: int = 0
    reused: int = 0
    hits: int = 0
    reads: int = 0


def times(milliseconds: Iterable[float]) -> Histogram:
    histogram = Histogram()
    for one in milliseconds:
        histogram.record(int(one * MS))
    return histogram


def sliced(plan: Plan, seconds: Sequence[Second], *, corrected: bool = False, censored_ms: Sequence[float] = ()) -> SeriesPart:
    """A series of these slices, and its totals."""
    latencies = [latency for second in seconds for latency in second.latencies_ms]
    failed, dropped = sum(s.failed for s in seconds), sum(s.dropped for s in seconds)
    whole = a_series(
        plan, latencies, errors={"Reset": failed} if failed else None, dropped=dropped, corrected=corrected, censored_ms=censored_ms
    )
    slices = tuple(
        SlicePart(
            number=number,
            completed=len(second.latencies_ms),
            failed=second.failed,
            dropped=second.dropped,
            opened=second.opened,
            reused=second.reused,
            hits=second.hits,
            reads=second.reads,
            latency=times(second.latencies_ms).encode(),
        )
        for number, second in enumerate(seconds)
        if second != Second()
    )
    opened, reused = sum(s.opened for s in seconds), sum(s.reused for s in seconds)
    hits, reads = sum(s.hits for s in seconds), sum(s.reads for s in seconds)
    cache = {"hit": hits, "fwd=miss": reads - hits} if reads else {}
    return replace(whole, slices=slices, cache=cache, **({"opened": opened, "reused": reused} if opened or reused else {}))


def timed(series: SeriesPart, **phases_ms: Iterable[float]) -> SeriesPart:
    """A series with timings of its calls' phases."""
    return replace(series, timings=TimingsPart(**{name: times(values).encode() for name, values in phases_ms.items()}))


def live_part(plan: Plan, series: dict[int, SeriesPart], held_ms: int, *, index: int = 0) -> Part:
    """What a runner says while it runs: phases before the last one have held their whole windows."""
    last = max(series)
    phases = tuple(
        PhasePart(phase=number, held_ms=held_ms if number == last else plan.phases[number].duration_ms, series=(one,))
        for number, one in sorted(series.items())
    )
    return Part(plan_hash=plan_hash(plan), run="r", index=index, attempt="a", aborted=LIVE, phases=phases)
