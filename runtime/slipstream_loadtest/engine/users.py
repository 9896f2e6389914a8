"""One user: the call in progress on its channel, and its one end. Starts nothing by itself; its load says what comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from slipstream_loadtest.engine.driver import Channel, Driver
from slipstream_loadtest.measured.tally import NOT_CONNECTED, TIMEOUT, Series
from slipstream_loadtest.measured.timings import CallTimings
from slipstream_loadtest.plan.draws import stream
from slipstream_loadtest.plan.model import Plan

_CLOSED_STREAM: Final = 1


class Finisher(Protocol):
    """The load that a user belongs to."""

    now: Callable[[], float]

    def finished(self, user: User, now: float, *, failed: bool) -> None: ...


class User:
    """One user (closed) or one connection's worth of arrivals (open): the iteration in progress on its channel."""

    __slots__ = ("_load", "busy", "channel", "drawn", "intended", "iteration", "number", "scenario", "series", "started", "step", "stream")

    def __init__(self, load: Finisher, number: int, session: str, driver: Driver, seed: int) -> None:
        self._load = load
        self.number = number
        self.busy = False
        self.iteration = 0
        self.scenario = self.step = self.drawn = 0
        self.intended = self.started = 0.0
        self.stream = stream(seed, _CLOSED_STREAM, number)
        self.series: Series | None = None
        self.channel: Channel = driver.channel(number, session, self)

    def start(self, series: Series, intended: float, now: float) -> None:
        """Starts the call that scenario, step, iteration and drawn describe; it has been counted as offered."""
        self.series = series
        self.intended = intended
        self.started = now
        self.busy = True
        self.channel.call(self.scenario, self.step, self.iteration, self.drawn)

    def answered(self, error: str, cache: str, opened: bool, timings: CallTimings | None = None) -> None:
        series = self.series
        if series is None or not self.busy:
            return
        load = self._load
        now = load.now()
        self.busy = False
        if error:
            series.fail(error, self.started, now)
        else:
            series.complete(self.intended, self.started, now, timings)
        if cache:  # after the end, which may begin a slice: what is counted from here on belongs to that
            series.cache.add(cache)
        if opened:
            series.opened += error not in NOT_CONNECTED
        else:
            series.reused += 1
        load.finished(self, now, failed=bool(error))

    def give_up(self, now: float, *, timed_out: bool) -> None:
        """Ends the call in progress: as a timeout, or as one whose end nobody waits for."""
        if self.series is None or not self.busy:
            return
        self.busy = False
        self.channel.cancel()
        if timed_out:
            self.series.fail(TIMEOUT, self.started, now)
            self._load.finished(self, now, failed=True)
        else:
            self.series.censor(self.intended, self.started, now)


def session_of(plan: Plan, user: int) -> str:
    """The session of a user: the same in every repeat and on every target, another one for another seed."""
    return f"s{stream(plan.seed, 0):016x}"[:9] + f"-{user}"
