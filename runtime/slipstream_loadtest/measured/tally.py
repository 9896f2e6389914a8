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

from slipstream_loadtest.measured.histogram import Histogram
from slipstream_loadtest.measured.part import SeriesPart

MAX_KINDS: Final = 32  # error kinds, cache outcomes and statuses are few; what exceeds this is somebody's id
OTHER: Final = "Other"

WRONG: Final = "Wrong"  # an answer came, with the right status, and wasn't the answer to this request
TIMEOUT: Final = "Timeout"
CONNECT: Final = "Connect"
RESOLVE: Final = "Resolve"
RESET: Final = "Reset"
MALFORMED: Final = "Malformed"
LOCAL_PORTS: Final = "LocalPorts"  # the generator ran out of ports or descriptors: its own error, not the target's
GENERATOR_ERRORS: Final = frozenset({LOCAL_PORTS})


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
    """One step in one phase. `until`: end of the phase on the run's clock; completions after it don't count as throughput."""

    __slots__ = (
        "cache",
        "censored",
        "censored_after",
        "completed",
        "dropped",
        "error_after",
        "errors",
        "failed",
        "in_window",
        "latency",
        "offered",
        "opened",
        "reused",
        "scenario",
        "service",
        "step",
        "until",
        "wrong",
    )

    def __init__(self, scenario: str, step: str, until: float, *, corrected: bool) -> None:
        self.scenario = scenario
        self.step = step
        self.until = until
        self.offered = self.completed = self.failed = self.dropped = self.censored = 0
        self.in_window = self.wrong = self.opened = self.reused = 0
        self.service = Histogram()
        self.latency = Histogram() if corrected else None
        self.error_after = Histogram()
        self.censored_after = Histogram()
        self.errors = Counts()
        self.cache = Counts()

    @property
    def in_flight(self) -> int:
        return self.offered - self.completed - self.failed - self.dropped - self.censored

    def drop(self) -> None:
        """An arrival that found no room: offered, never started."""
        self.offered += 1
        self.dropped += 1

    def complete(self, intended: float, started: float, now: float) -> None:
        """A right answer at `now`."""
        self.completed += 1
        if now <= self.until:
            self.in_window += 1
        self.service.record(int((now - started) * 1e9))
        if self.latency is not None:
            self.latency.record(nanoseconds(intended, now))

    def fail(self, kind: str, started: float, now: float) -> None:
        """A failed call, or a wrong answer."""
        self.failed += 1
        if kind == WRONG:
            self.wrong += 1
        self.errors.add(kind)
        self.error_after.record(nanoseconds(started, now))

    def censor(self, intended: float, started: float, now: float) -> None:
        """A call that was cut off: from its intended start it has taken at least this long."""
        self.censored += 1
        self.censored_after.record(nanoseconds(intended if self.latency is not None else started, now))

    def close(self) -> SeriesPart:
        """The part, once nothing is running any more. Raises AccountingError when the sums don't hold."""
        if self.in_flight:
            raise AccountingError(f"{self.scenario}/{self.step}: {self.in_flight} of {self.offered} offered calls have no end")
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
            latency=self.latency.encode() if self.latency is not None else None,
            error_after=self.error_after.encode(),
            censored_after=self.censored_after.encode(),
            errors=dict(self.errors.by_name),
            cache=dict(self.cache.by_name),
        )


def nanoseconds(start: float, end: float) -> int:
    """A duration between two readings of one monotonic clock; an intended start may lie a rounding error after the actual one."""
    return int((end - start) * 1e9) if end > start else 0
