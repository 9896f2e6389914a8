"""What a run has measured so far: the runners' unfinished parts, merged, as live figures and for bounds that end a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from slipstream_loadtest.measured.histogram import Histogram, Unlike, merged
from slipstream_loadtest.measured.merge import check_part, merge
from slipstream_loadtest.measured.part import decode_part
from slipstream_loadtest.measured.result import Result, Window, sum_series
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.units import show, show_number
from slipstream_operator.loadtests.client import Progress
from slipstream_operator.loadtests.judging import aborts


@dataclass(frozen=True, slots=True)
class Live:
    """Texts for columns, empty where nothing is known; `broken`: a threshold with `abort` that is broken, in words."""

    progress: str = ""
    rps: str = ""
    p95: str = ""
    errors: str = ""
    broken: str = ""

    def summary(self) -> dict[str, str]:
        """The members of status.summary."""
        return {name: value for name in ("rps", "p95", "errors") if (value := getattr(self, name))}


NOTHING: Final = Live()


def live(plan: Plan, run: str, encoded: Iterable[bytes], moments: Sequence[Progress], elapsed_ms: int) -> Live:
    """`moments`: what the runners say of themselves; the p95 of their parts is exact, theirs alone is not."""
    result = so_far(plan, run, encoded)
    window = current(result, elapsed_ms, plan) if result is not None else None
    rps, done, failed = (sum(getattr(m, name) for m in moments) for name in ("rps", "completed", "failed"))
    p95 = _p95(window) if window is not None else max((m.p95_ms for m in moments if m.p95_ms is not None), default=None)
    if not moments:
        return NOTHING
    first = moments[0]
    words = (first.kind, first.stage, first.target, f"{rps:.0f}/s")
    return Live(
        progress=" ".join(word for word in words if word),
        rps=show_number(float(rps)),
        p95=show(p95, "ms") if p95 is not None else "",
        errors=show(failed * 100 / (done + failed), "percent") if done + failed else "",
        broken=aborts(plan, result, elapsed_ms) if result is not None else "",
    )


def so_far(plan: Plan, run: str, encoded: Iterable[bytes]) -> Result | None:
    """The merge of what there is; one that can't be read is left out, since the next one comes in a second."""
    parts = []
    for data in encoded:
        try:
            part = decode_part(data)
            check_part(plan, part)
        except Unlike:
            continue
        parts.append(part)
    return merge(plan, parts, run) if parts else None


def current(result: Result, elapsed_ms: int, plan: Plan) -> Window | None:
    """The phase that is going on, else the last one that began."""
    begun = [w for w in result.windows if w.steps and plan.phases[w.phase].start_ms <= elapsed_ms]
    return begun[-1] if begun else None


def _p95(window: Window) -> float | None:
    series = sum_series(window.steps)
    told = series.latency if series.latency is not None else series.service
    quantile = merged([Histogram.decode(told)]).quantile(Fraction(95, 100)) if told.count else None
    return None if quantile is None else quantile / 1e6
