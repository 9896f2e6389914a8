"""The generator's own health while it measures: loop lag, start lag, CPU, garbage collection, memory. Judges nothing; the verdict does.

Loop lag is how long one whole turn of the event loop takes (what an answer that has just arrived waits for), or how late a timer fires
beyond the loop's own grain, whichever is more: turns show a busy loop, late timers show one that stood still.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import Callable
from typing import Final, Literal

from slipstream_api.clock import Clock
from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import GeneratorPart
from slipstream_loadtest.measured.tally import nanoseconds

INTERVAL: Final = 0.02  # seconds between probes: 50 a second, a fraction of a percent of the loop
TIMER_GRAIN: Final = 0.002  # uvloop's timers count whole milliseconds, and round


def resident() -> int:
    """Bytes of this process that are in memory now; the most there ever were where the system doesn't say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Probe:
    """Samples the loop from start() to stop(); figures() are those since the last take(), which begins anew."""

    def __init__(self, clock: Clock, cpu: Callable[[], float], memory: Callable[[], int] = resident) -> None:
        self._clock = clock
        self._cpu = cpu
        self._memory = memory
        self._collection = 0.0  # when the running one began
        self._paused = self._longest = 0.0
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        self._turn = 0.0
        self.start_lag = Histogram()
        self._loop_lag = Histogram()
        self._since = clock.now()
        self._cpu_since = cpu()

    def start(self) -> None:
        self.take()
        gc.callbacks.append(self._collected)
        self._schedule()

    def stop(self) -> None:
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def figures(self) -> GeneratorPart:
        return self._until(self._clock.now(), self._cpu())

    def take(self) -> GeneratorPart:
        now, cpu = self._clock.now(), self._cpu()
        taken = self._until(now, cpu)
        self._paused = self._longest = 0.0
        self._loop_lag, self.start_lag = Histogram(), Histogram()
        self._since, self._cpu_since = now, cpu
        return taken

    def _until(self, now: float, cpu: float) -> GeneratorPart:
        return GeneratorPart(
            loop_lag=self._loop_lag.encode(),
            start_lag=self.start_lag.encode(),
            cpu_ms=round((cpu - self._cpu_since) * 1000),
            wall_ms=round((now - self._since) * 1000),
            gc_ms=round(self._paused * 1000),
            gc_longest_us=round(self._longest * 1e6),
            memory_bytes=self._memory(),
        )

    def _collected(self, phase: Literal["start", "stop"], info: dict[str, int]) -> None:
        """The collector begins or ends; nothing else runs between the two."""
        now = self._clock.now()
        if phase == "start":
            self._collection = now
        else:
            took = max(0.0, now - self._collection)
            self._paused += took
            self._longest = max(self._longest, took)

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
