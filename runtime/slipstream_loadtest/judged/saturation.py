"""How far the generator itself stood in the way: what makes a run worthless, and what a single figure may owe to it. Pure.

A lagging generator makes latencies look longer and throughput smaller, never the other way round. So beyond a limit nothing counts; below
it a pass stands, and a failure or a change counts only where the lag at the same quantile can't explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from slipstream_loadtest.judged.metrics import QUANTILES, latency, pool
from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.result import Window
from slipstream_loadtest.plan.units import show_ms

LAG_SHARE: Final = 0.1  # of the measured p95: a larger lag is a visible part of what was measured
LAG_FLOOR_MS: Final = 25.0  # a quarter of the period (100 ms) in which the kernel grants a container with a CPU limit its share
CPU_LIMIT: Final = 90.0  # percent of one core: beyond, calls queue in the generator


def saturation(windows: Sequence[Window]) -> str:
    """Why these windows measured the generator rather than the target; empty when they didn't."""
    busiest = max((w.cpu_percent for w in windows), default=0.0)
    if busiest > CPU_LIMIT:
        return f"a runner used {busiest:.0f}% of a core"
    p95 = latency(pool(windows)).quantile(Fraction(95, 100))
    allowed = max(LAG_FLOOR_MS, LAG_SHARE * (p95 or 0) / 1e6)
    for name, lag in zip(("loop", "start"), _lags(windows), strict=True):
        p99 = _p99(lag)
        if p99 is not None and p99 / 1e6 > allowed:
            return f"p99 of the runners' {name} lag is {show_ms(p99 / 1e6)}, more than {show_ms(allowed)}"
    return ""


def lag_ms(windows: Sequence[Window], metric: str) -> float:
    """What the generator may have added to a latency metric: its own lag at the same quantile; 0 for other metrics."""
    family, _, name = metric.partition(".")
    if family not in ("latency", "serviceTime"):
        return 0.0
    figures = [lag.mean() if name == "mean" else lag.quantile(QUANTILES[name]) for lag in _lags(windows)]
    return max((figure / 1e6 for figure in figures if figure is not None), default=0.0)


def _p99(lag: Histogram) -> int | None:
    """The 99th percentile; of fewer than a hundred probes the second largest, since one late probe is no saturated generator."""
    return lag.quantile(Fraction(lag.count - max(1, lag.count // 100), lag.count)) if lag.count else None


def _lags(windows: Sequence[Window]) -> tuple[Histogram, Histogram]:
    """Loop lag and start lag of all windows together."""
    return (
        merged(Histogram.decode(w.generator.loop_lag) for w in windows),
        merged(Histogram.decode(w.generator.start_lag) for w in windows),
    )
