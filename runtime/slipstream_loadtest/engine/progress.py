"""What a run says of itself each second while it runs; never what is judged. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from slipstream_loadtest.measured.histogram import Histogram, HistogramData, merged
from slipstream_loadtest.measured.result import Known
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.model import Plan


class Ends(msgspec.Struct, frozen=True, array_like=True):
    """Calls that have ended since the start, in all phases."""

    completed: int = 0
    failed: int = 0
    dropped: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A moment of a run. `held_ms`: how much of the phase has passed; `rps`: completions since the last report; `p95_ms`: of the phase so
    far, None before the first answer; `latency`: of the same answers, since quantiles of several runners come from their merge alone."""

    phases: int = 0
    phase: int = 0
    kind: str = "Preparing"
    stage: str = ""
    target: str = ""
    held_ms: int = 0
    offered: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    in_flight: int = 0
    rps: float = 0.0
    p95_ms: float | None = None
    latency: HistogramData | None = None
    ends: Ends = Ends()


def measure(last: Progress, matrix: Iterable[Iterable[Series]], in_flight: int, held_ms: int, ends: Ends) -> Progress:
    """The next moment, one second after `last`; a drain has no series and keeps the figures of what it drains."""
    series = [one for scenario in matrix for one in scenario]
    if not series:
        return msgspec.structs.replace(last, in_flight=in_flight, held_ms=held_ms, rps=0.0, ends=ends)
    completed = sum(s.completed for s in series)
    latency = merged(s.latency if s.latency is not None else s.service for s in series)
    return msgspec.structs.replace(
        last,
        held_ms=held_ms,
        offered=sum(s.offered for s in series),
        completed=completed,
        failed=sum(s.failed for s in series),
        dropped=sum(s.dropped for s in series),
        in_flight=in_flight,
        rps=float(max(0, completed - last.completed)),
        p95_ms=_p95_ms(latency),
        latency=latency.encode(),
        ends=ends,
    )


def ended(every: Iterable[Series]) -> Ends:
    """Of all series of all phases so far."""
    several = list(every)
    return Ends(sum(s.completed for s in several), sum(s.failed for s in several), sum(s.dropped for s in several))


def combine(moments: Iterable[Progress]) -> Progress:
    """One moment of several runners, which enter each phase together: of those that have told of the latest one. What others last said is
    of a phase that is over, and of a lost runner it stays so."""
    several = list(moments)
    latest = max(p.phase for p in several)
    there = [p for p in several if p.phase == latest and p.phases] or several
    latency = merged(Histogram.decode(p.latency) for p in there if p.latency is not None)
    return msgspec.structs.replace(
        there[0],
        offered=sum(p.offered for p in there),
        completed=sum(p.completed for p in there),
        failed=sum(p.failed for p in there),
        dropped=sum(p.dropped for p in there),
        in_flight=sum(p.in_flight for p in there),
        rps=sum(p.rps for p in there),
        p95_ms=_p95_ms(latency),
        latency=latency.encode(),
    )


def known(plan: Plan, index: int, last: Progress | None) -> Known | None:
    """What a runner had done by what it said last; None of one that said nothing. Calls in flight have no end, and are not in it."""
    if last is None or not last.phases or not 0 <= last.phase < len(plan.phases):
        return None
    until, ends = plan.phases[last.phase].start_ms + last.held_ms, last.ends
    offered = ends.completed + ends.failed + ends.dropped
    return Known(index=index, until_ms=until, offered=offered, completed=ends.completed, failed=ends.failed, dropped=ends.dropped)


def _p95_ms(latency: Histogram) -> float | None:
    quantile = latency.quantile(Fraction(95, 100))
    return None if quantile is None else quantile / 1e6
