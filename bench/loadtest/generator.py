"""One run of our generator in a process of its own: reads what to do as JSON, prints what it measured as JSON; judges nothing.

    python -m loadtest.generator '{"url": …, "users": 64, "rate": 0, "seconds": 5, "raw": false}'

`rate` above 0: the open model. `raw`: keeps every service time beside the histogram, to compare the two.
"""

from __future__ import annotations

import json
import resource
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from loadgen import plan_for
from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.engine import run
from slipstream_loadtest.http.driver import HttpDriver
from slipstream_loadtest.http.resolve import resolver
from slipstream_loadtest.measured.histogram import Histogram, HistogramData
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.measured.timings import CallTimings
from slipstream_loadtest.plan.model import Plan, Stage
from slipstream_loadtest.runner.__main__ import raise_descriptor_limit
from slipstream_loadtest.runner.local import quiet_collector

QUANTILES: Final = {"p50": Fraction(50, 100), "p95": Fraction(95, 100), "p99": Fraction(99, 100), "p99.9": Fraction(999, 1000)}
CONNECTIONS: Final = 200  # of an open stage
IN_FLIGHT: Final = 5_000


def plan_of(url: str, users: int, rate: int, seconds: float) -> Plan:
    plan = plan_for(url, users, seconds)
    if not rate:
        return plan
    held = plan.stages[0].duration_ms
    stage = Stage(name="s", model="Open", rate=f"{rate}/1", max_in_flight=IN_FLIGHT, connections=CONNECTIONS, duration_ms=held)
    return msgspec.structs.replace(plan, stages=(stage,))


class Raw:
    """Every service time of the judged phase, besides what the series does with it."""

    def __init__(self) -> None:
        self.by_series: dict[int, list[int]] = {}
        complete = Series.complete

        def noting(series: Series, intended: float, started: float, now: float, timings: CallTimings | None = None) -> None:
            self.by_series.setdefault(id(series), []).append(int((now - started) * 1e9))
            complete(series, intended, started, now, timings)

        Series.complete = noting  # type: ignore[method-assign]  # this process measures nothing else

    def errors(self, service: HistogramData) -> dict[str, float]:
        """How far each quantile of the histogram is off the exact one, in percent."""
        values = next(sorted(v) for v in self.by_series.values() if len(v) == service.count and sum(v) == service.sum)
        measured = Histogram.decode(service)
        exact = {name: values[max(1, ceil(q * len(values))) - 1] for name, q in QUANTILES.items()}
        return {name: abs((measured.quantile(q) or 0) - exact[name]) / exact[name] * 100 for name, q in QUANTILES.items()}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def waited_for_cpu() -> float:
    """Seconds for which this process could have run and something else did."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


async def measure(url: str, users: int, rate: int, seconds: float, raw: bool) -> dict[str, Any]:
    plan = plan_of(url, users, rate, seconds)
    noted = Raw() if raw else None
    quiet_collector()
    before, waited = cpu(), waited_for_cpu()
    part = await run(plan, 0, MonotonicClock(), {"Direct": HttpDriver(plan, url, resolver("System"))})
    used = cpu() - before
    window = next(w for w in merge(plan, [part]).windows if w.judged)
    series, generator = window.steps[0], window.generator
    lag = Histogram.decode(generator.start_lag)
    return {
        "rate": window.throughput,
        "cpu_us": used / part.offered * 1e6,
        "offered": series.offered,
        "completed": series.completed,
        "failed": series.failed,
        "dropped": series.dropped,
        "start_lag_ms": {name: (lag.quantile(q) or 0) / 1e6 for name, q in QUANTILES.items()},
        "waited_for_cpu": waited_for_cpu() - waited,
        "cpu_percent": window.cpu_percent,
        "quantile_errors": noted.errors(series.service) if noted is not None else {},
    }


if __name__ == "__main__":
    raise_descriptor_limit()
    print(json.dumps(uvloop.run(measure(**json.loads(sys.argv[1])))), flush=True)
