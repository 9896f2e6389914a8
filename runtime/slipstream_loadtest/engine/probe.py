"""The generator's own health while it measures: loop lag, start lag, CPU. Judges nothing; the verdict does.

Loop lag is how long one whole turn of the event loop takes (what an answer that has just arrived waits for), or how late a timer fires
beyond the loop's own grain, whichever is more: turns show a busy loop, late timers show one that stood still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from slipstream_api.clock import Clock
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import GeneratorPart
from slipstream_loadtest.measured.tally import nanoseconds

INTERVAL: Final = 0.02  # seconds between probes: 50 a second, a fraction of a percent of the loop
TIMER_GRAIN: Final = 0.002  # uvloop's timers count whole milliseconds, and round


class Probe:
    """Samples the loop from start() to stop(); take() gives the figures since the last take()."""

    def __init__(self, clock: Clock, cpu: Callable[[], float]) -> None:
        self._clock = clock
        self._cpu = cpu
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        self._turn = 0.0
        self.start_lag = Histogram()
        self._loop_lag = Histogram()
        self._since = clock.now()
        self._cpu_since = cpu()

    def start(self) -> None:
        self.take()
        self._schedule()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take(self) -> GeneratorPart:
        now, cpu = self._clock.now(), self._cpu()
        taken = GeneratorPart(
            loop_lag=self._loop_lag.encode(),
            start_lag=self.start_lag.encode(),
            cpu_ms=round((cpu - self._cpu_since) * 1000),
            wall_ms=round((now - self._since) * 1000),
        )
        self._loop_lag, self.start_lag = Histogram(), Histogram()
        self._since, self._cpu_since = now, cpu
        return taken

    def _schedule(self) -> None:
        self._due = self._clock.now() + INTERVAL
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._fired)

    def _fired(self) -> None:
        late = self._clock.now() - self._due - TIMER_GRAIN
        self._timer = asyncio.get_running_loop().call_soon(self._turn_begins, max(0.0, late))

    def _turn_begins(self, late: float) -> None:
        self._turn = self._clock.now()
        self._timer = asyncio.get_running_loop().call_soon(self._turn_ends, late)

    def _turn_ends(self, late: float) -> None:
        self._loop_lag.record(nanoseconds(0.0, max(late, self._clock.now() - self._turn)))
        self._schedule()
