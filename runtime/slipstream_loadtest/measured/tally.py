"""What happened to the calls of one step in one phase: every offered call ends as exactly one of completed, failed, dropped, censored.
Pure: is told durations, reads no clock, judges nothing.

Three durations under three names, in nanoseconds:
  service    from the actual start of a call to the last byte of a right answer
  latency    from the intended start (open model only): what a caller would have seen who doesn't wait for the one before (corrected)
  errorAfter from the actual start to the failure; never mixed into the other two, so that failing fast improves nothing
Censored calls were still running when the drain ended: their elapsed time is a lower bound, kept apart in `censoredAfter`.
"""

from __future__ import annotations

from typing import Final

from slipstream_loadtest.http.cache_status import HIT, NOT_READ
from slipstream_loadtest.measured.histogram import Histogram, merged
from slipstream_loadtest.measured.part import SeriesPart
from slipstream_loadtest.measured.slices import Slices
from slipstream_loadtest.measured.timings import CallTimings, TimingsTally

MAX_KINDS: Final = 32  # error kinds, cache outcomes and statuses are few; what exceeds this is somebody's id
OTHER: Final = "Other"

WRONG: Final = "Wrong"  # an answer came, with the right status, and wasn't the answer to this request
TIMEOUT: Final = "Timeout"
CONNECT: Final = "Connect"
TLS: Final = "Tls"  # connected, yet no agreement on TLS: an unknown certificate, another name
RESOLVE: Final = "Resolve"
RESET: Final = "Reset"
MALFORMED: Final = "Malformed"
LOCAL_PORTS: Final = "LocalPorts"  # the generator ran out of ports or descriptors: its own error, not the target's
GENERATOR_ERRORS: Final = frozenset({LOCAL_PORTS})
NOT_CONNECTED: Final = frozenset({CONNECT, RESOLVE, TLS, LOCAL_PORTS})  # calls that had no connection: neither opened nor reused


class AccountingError(AssertionError):
    """A call got lost or was counted twice: a defect of the engine, never of a target."""


class Counts:
    """Counts by name, bounded: names beyond the first MAX_KINDS are counted together as Other."""

    __slots__ = ("by_name",)

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}

    def add(self, name: str, n: int = 1) -> None:
        by_name = self.by_name
        if name in by_name:
            by_name[name] += n
        elif len(by_name) < MAX_KINDS:
            by_name[name] = n
        else:
            by_name[OTHER] = by_name.get(OTHER, 0) + n


class Series:
    """One step in one phase. `begin`, `until`: the phase on the run's clock; completions after it don't count as throughput.
    `slice_seconds`: length of the slices that are kept over time, 0: none are."""

    __slots__ = (
        "_at_end",
        "_corrected",
        "_corrected_before",
        "_slice_end",
        "_slices",
        "_split",
        "_split_before",
        "_timings",
        "_waits",
        "_whole",
        "_whole_before",
        "cache",
        "censored",
        "censored_after",
        "completed",
        "dropped",
        "error_after",
        "errors",
        "failed",
        "offered",
        "opened",
        "reused",
        "scenario",
        "step",
        "until",
        "wrong",
    )

    def __init__(self, scenario: str, step: str, until: float, *, corrected: bool, begin: float = 0.0, slice_seconds: float = 0.0) -> None:
        self.scenario = scenario
        self.step = step
        self.until = until
        self.offered = self.completed = self.failed = self.dropped = self.censored = 0
        self.wrong = self.opened = self.reused = 0
        # Of the open slice and of those before: service times of answers in one piece, of the others, and latencies from intended starts.
        self._whole, self._whole_before = Histogram(), Histogram()
        self._split, self._split_before = Histogram(), Histogram()
        self._corrected = Histogram() if corrected else None
        self._corrected_before = Histogram()
        self._waits = Histogram() if corrected else None
        self._timings = TimingsTally()
        self._slices = Slices(begin, until, slice_seconds) if slice_seconds else None
        self._slice_end = self._slices.end if self._slices is not None else until
        self._at_end: int | None = None
        self.error_after = Histogram()
        self.censored_after = Histogram()
        self.errors = Counts()
        self.cache = Counts()

    @property
    def in_flight(self) -> int:
        return self.offered - self.completed - self.failed - self.dropped - self.censored

    @property
    def in_window(self) -> int:
        """Right answers within the phase."""
        return self.completed if self._at_end is None else self._at_end

    @property
    def service(self) -> Histogram:
        """From actual starts, of all right answers so far."""
        return merged((self._whole, self._whole_before, self._split, self._split_before))

    @property
    def latency(self) -> Histogram | None:
        """From intended starts, in the open model."""
        return None if self._corrected is None else merged((self._corrected, self._corrected_before))

    def drop(self, now: float | None = None) -> None:
        """An arrival that found no room: offered, never started."""
        if now is not None and now > self._slice_end:
            self._next_slice(now)
        self.offered += 1
        self.dropped += 1

    def complete(self, intended: float, started: float, now: float, timings: CallTimings | None = None) -> None:
        """A right answer at `now`. Without `timings` all of its time was the wait for its first byte."""
        if now > self._slice_end:
            self._next_slice(now)
        self.completed += 1
        service = int((now - started) * 1e9)
        waits = self._waits
        if timings is not None:
            self._split.record(service)
            self._timings.record(service, nanoseconds(intended, started) if waits is not None else 0, timings)
        else:
            self._whole.record(service)
            if waits is not None:
                waits.record(nanoseconds(intended, started))
        if self._corrected is not None:
            self._corrected.record(nanoseconds(intended, now))

    def fail(self, kind: str, started: float, now: float) -> None:
        """A failed call, or a wrong answer."""
        if now > self._slice_end:
            self._next_slice(now)
        self.failed += 1
        if kind == WRONG:
            self.wrong += 1
        self.errors.add(kind)
        self.error_after.record(nanoseconds(started, now))

    def censor(self, intended: float, started: float, now: float) -> None:
        """A call that was cut off: from its intended start it has taken at least this long."""
        self.censored += 1
        self.censored_after.record(nanoseconds(intended if self._corrected is not None else started, now))

    def close(self) -> SeriesPart:
        """The part, once nothing is running any more. Raises AccountingError when the sums don't hold."""
        if self.in_flight:
            raise AccountingError(f"{self.scenario}/{self.step}: {self.in_flight} of {self.offered} offered calls have no end")
        self._close_slice(self.until)
        return self.snapshot()

    def snapshot(self) -> SeriesPart:
        """The figures so far; calls in flight are counted as censored by whoever ends the run."""
        return SeriesPart(
            scenario=self.scenario,
            step=self.step,
            offered=self.offered,
            completed=self.completed,
            failed=self.failed,
            dropped=self.dropped,
            censored=self.censored,
            in_window=self.in_window,
            wrong=self.wrong,
            opened=self.opened,
            reused=self.reused,
            service=self.service.encode(),
            latency=latency.encode() if (latency := self.latency) is not None else None,
            error_after=self.error_after.encode(),
            censored_after=self.censored_after.encode(),
            errors=dict(self.errors.by_name),
            cache=dict(self.cache.by_name),
            timings=self._timings.part(merged((self._whole, self._whole_before)), self._waits),
            slices=self._slices.parts() if self._slices is not None else (),
        )

    def _next_slice(self, now: float) -> None:
        """Something ends at `now`, after the open slice: that one is complete."""
        self._close_slice(now)
        if now > self.until and self._at_end is None:
            self._at_end = self.completed
        self._slice_end = self._slices.end if self._slices is not None else float("inf")

    def _close_slice(self, now: float) -> None:
        if self._slices is None or self._at_end is not None:
            return
        latency = self._corrected if self._corrected is not None else merged((self._whole, self._split))
        cache = self.cache.by_name
        hits, reads = cache.get(HIT, 0), sum(cache.values()) - cache.get(NOT_READ, 0)
        ends = (self.completed, self.failed, self.dropped, self.wrong, self.opened, self.reused, hits, reads)  # as part.SLICED
        self._slices.close(now, ends, latency)
        self._whole_before.add(self._whole)
        self._split_before.add(self._split)
        self._whole, self._split = Histogram(), Histogram()
        if self._corrected is not None:
            self._corrected_before.add(self._corrected)
            self._corrected = Histogram()


def nanoseconds(start: float, end: float) -> int:
    """A duration between two readings of one monotonic clock; an intended start may lie a rounding error after the actual one."""
    return int((end - start) * 1e9) if end > start else 0
