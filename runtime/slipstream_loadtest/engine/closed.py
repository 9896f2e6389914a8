"""The closed model: a number of users, constant or in a ramp, each of which starts its next iteration when the last one has ended and it
has thought. Owns no socket; decides nothing about a run. Waits are never part of a call: it starts when the wait is over.

A user joins and leaves between two iterations: one that is told to leave ends what it has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from slipstream_api.clock import Clock
from slipstream_loadtest.engine.driver import Driver
from slipstream_loadtest.engine.loads import Load, Matrix
from slipstream_loadtest.engine.probe import Probe
from slipstream_loadtest.engine.users import User
from slipstream_loadtest.engine.waits import SHORTEST, Waits
from slipstream_loadtest.plan.draws import draw
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.rows import with_turn
from slipstream_loadtest.plan.schedule import ClosedSchedule
from slipstream_loadtest.plan.think import thinker


class ClosedLoad(Load):
    """The users of one target."""

    def __init__(self, plan: Plan, driver: Driver, clock: Clock, probe: Probe) -> None:
        super().__init__(plan, driver, clock, probe)
        self._thinks = tuple(thinker(s.think_time) if s.think_time is not None else None for s in plan.scenarios)
        self._waits = Waits(clock.now, self._iterate_if_wanted)
        self._active = 0  # users with a lower number go on
        self._everyone = 0  # users of all runners: how far apart a user's turns are
        self._start = 0.0
        self._changes: Iterator[tuple[float, int]] = iter(())
        self._timer: asyncio.Handle | None = None

    def begin(self, schedule: ClosedSchedule, series: Matrix, start: float, until: float) -> None:
        """A phase from `start` on: users that are in the middle of a call, or think, join when that is over."""
        self._stop_ramp()
        self._series = series
        self.until = until
        self._start = start
        self._everyone = max(schedule.users_from, schedule.users)
        self.ensure(schedule.most)
        self._changes = schedule.changes()
        self._set(schedule.users_from, self.now())
        self._ramp()

    def end(self) -> None:
        self.until = float("-inf")
        self._stop_ramp()
        self._waits.clear()

    def finished(self, user: User, now: float, *, failed: bool) -> None:
        if now >= self.until or self._goes_on(user, now, failed=failed) or user.number >= self._active:
            return
        think = self._thinks[user.scenario]
        if think is None:
            self._iterate(user, now)
        else:
            self._waits.add(user, now + think(user.stream, user.iteration))

    def _iterate_if_wanted(self, user: User, now: float) -> None:
        if now < self.until and user.number < self._active:
            self._iterate(user, now)

    def _iterate(self, user: User, now: float) -> None:
        user.iteration += 1
        drawn = 0 if self._drawless else draw(user.stream, user.iteration)
        user.scenario = scenario = 0 if self._only else self._weighted.pick(drawn)
        user.drawn = with_turn(drawn, (user.iteration - 1) * self._everyone + user.number) if self._turns else drawn
        user.step = 0
        series = self._series[scenario][0]
        series.offered += 1
        user.start(series, now, now)

    def _set(self, active: int, now: float) -> None:
        """From now on users below `active` go on; those of them that do nothing begin."""
        self._active = active
        for user in self.users:
            if user.number >= active:
                return
            if not user.busy and user not in self._waits:
                self._iterate_if_wanted(user, now)

    def _ramp(self) -> None:
        """The next user that joins or leaves, on one timer; changes that are overdue come at once."""
        change = next(self._changes, None)
        if change is None:
            return
        seconds, active = change
        wait = max(self._start + seconds - self.now(), 0.0)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(wait, SHORTEST), self._change, active) if wait else loop.call_soon(self._change, active)

    def _change(self, active: int) -> None:
        self._timer = None
        joined, self._active = active > self._active, active
        if joined and (user := self._of(active - 1)) is not None and not user.busy and user not in self._waits:
            self._iterate_if_wanted(user, self.now())
        self._ramp()

    def _of(self, number: int) -> User | None:
        at = (number - self.users[0].number) // self._plan.runners if self.users else -1
        return self.users[at] if 0 <= at < len(self.users) and self.users[at].number == number else None

    def _stop_ramp(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
