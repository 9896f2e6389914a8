"""What a run says of itself each second while it runs; never what is judged. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from slipstream_loadtest.measured.histogram import merged
from slipstream_loadtest.measured.tally import Series


class Progress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A moment of a run. `rps`: completions since the last report; `p95_ms`: of the phase so far, None before the first answer."""

    phases: int = 0
    phase: int = 0
    kind: str = "Preparing"
    stage: str = ""
    target: str = ""
    offered: int = 0
    completed: int = 0
    failed: int = 0
    dropped: int = 0
    in_flight: int = 0
    rps: float = 0.0
    p95_ms: float | None = None


def measure(last: Progress, matrix: Iterable[Iterable[Series]], in_flight: int) -> Progress:
    """The next moment, one second after `last`; a drain has no series and keeps the figures of what it drains."""
    series = [one for scenario in matrix for one in scenario]
    if not series:
        return msgspec.structs.replace(last, in_flight=in_flight, rps=0.0)
    completed = sum(s.completed for s in series)
    p95 = merged(s.latency if s.latency is not None else s.service for s in series).quantile(Fraction(95, 100))
    return msgspec.structs.replace(
        last,
        offered=sum(s.offered for s in series),
        completed=completed,
        failed=sum(s.failed for s in series),
        dropped=sum(s.dropped for s in series),
        in_flight=in_flight,
        rps=float(max(0, completed - last.completed)),
        p95_ms=None if p95 is None else p95 / 1e6,
    )


def combine(moments: Iterable[Progress]) -> Progress:
    """One moment of several runners: sums; the slowest p95, since quantiles don't add up."""
    several = list(moments)
    first = min(several, key=lambda p: p.phase)
    p95s = [p.p95_ms for p in several if p.p95_ms is not None]
    return msgspec.structs.replace(
        first,
        offered=sum(p.offered for p in several),
        completed=sum(p.completed for p in several),
        failed=sum(p.failed for p in several),
        dropped=sum(p.dropped for p in several),
        in_flight=sum(p.in_flight for p in several),
        rps=sum(p.rps for p in several),
        p95_ms=max(p95s) if p95s else None,
    )
