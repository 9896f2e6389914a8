"""Users and arrivals of one target: who starts what next, on which channel, counted where. Owns no socket; decides nothing about a run.

Open model (the closed one is in closed.py): arrivals come at their intended times whatever happens; one that finds every connection busy
waits, one that finds `max_in_flight` unfinished is dropped, and both are counted.
A call belongs to the phase in which it was meant to start, also when it ends in a later one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from slipstream_api.clock import Clock
from slipstream_loadtest.engine.driver import Driver
from slipstream_loadtest.engine.probe import Probe
from slipstream_loadtest.engine.users import User, session_of
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.draws import Weighted, draw, stream
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.plan.rows import has_turns, with_turn
from slipstream_loadtest.plan.schedule import OpenSchedule

_OPEN_STREAM: Final = 2
_BATCH: Final = 256  # arrivals started in a row before answers are read again
_SHORTEST_WAIT: Final = 0.001  # the grain of uvloop's timers; a shorter one would spin

Matrix = tuple[tuple[Series, ...], ...]  # by scenario, then step


@dataclass(slots=True)
class _Waiting:
    """An arrival that no connection was free for."""

    series: Series
    scenario: int
    iteration: int
    drawn: int
    intended: float


class Load:
    """What both models share: the users, the phase they work in, sweeping, censoring."""

    def __init__(self, plan: Plan, driver: Driver, clock: Clock, probe: Probe) -> None:
        self.now = clock.now
        self.users: list[User] = []
        self.until = 0.0
        self._series: Matrix = ()
        self._plan = plan
        self._driver = driver
        self._probe = probe
        self._weighted = Weighted(tuple(s.weight for s in plan.scenarios))
        self._only = len(plan.scenarios) == 1
        self._drawless = self._only and not plan.data
        self._turns = has_turns(plan.data)

    def ensure(self, numbers: range) -> list[User]:
        """Users with these numbers, made on first need. Numbers of one runner begin and step alike in every stage (shares.py)."""
        for number in numbers[len(self.users) :]:
            self.users.append(User(self, number, session_of(self._plan, number), self._driver, self._plan.seed))
        return self.users[: len(numbers)]

    def finished(self, user: User, now: float, *, failed: bool) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """Nothing new from now on."""
        raise NotImplementedError

    @property
    def idle(self) -> bool:
        return not any(user.busy for user in self.users)

    def in_flight(self) -> int:
        return sum(user.busy for user in self.users)

    def sweep(self, now: float, timeout: float) -> None:
        """Ends the calls that have taken too long."""
        for user in self.users:
            if user.busy and now - user.started >= timeout:
                user.give_up(now, timed_out=True)

    def censor(self, now: float) -> None:
        """Ends everything that is still running."""
        for user in self.users:
            user.give_up(now, timed_out=False)

    def close(self) -> None:
        for user in self.users:
            user.channel.close()

    def _goes_on(self, user: User, now: float, *, failed: bool) -> bool:
        """The next step of the same iteration, if there is one and the last went well."""
        steps = self._series[user.scenario]
        if failed or user.step + 1 >= len(steps) or now >= self.until:
            return False
        user.step += 1
        steps[user.step].offered += 1
        user.start(steps[user.step], now, now)
        return True


class OpenLoad(Load):
    """Arrivals at a rate, constant or in a ramp."""

    def __init__(self, plan: Plan, driver: Driver, clock: Clock, probe: Probe) -> None:
        super().__init__(plan, driver, clock, probe)
        self._stream = stream(plan.seed, _OPEN_STREAM)
        self._free: list[User] = []
        self._waiting: deque[_Waiting] = deque()
        self._room = 0
        self._connections = range(0)
        self._next = self._count = 0
        self._start = 0.0
        self._timer: asyncio.Handle | None = None
        self._due: Callable[[int], float] = float
        self._number: Callable[[int], int] = int

    def begin(self, schedule: OpenSchedule, series: Matrix, start: float, until: float, *, connections: range, room: int) -> None:
        """A phase from `start` on. `room`: how many arrivals may wait beyond the connections. Arrivals of the phase before that still wait
        or run keep their place, and are counted there."""
        self.end()
        self._series = series
        self.until = until
        self._start = start
        self._room = room
        self._next, self._count = 0, schedule.count()
        self._due, self._number = schedule.due, schedule.number
        self._connections = connections
        self._free = [user for user in self.users[: len(connections)] if not user.busy]
        while self._waiting and (self._free or self._grow()):
            self._take(self._free.pop(), self._waiting.popleft(), self.now())
        self._pump()

    def end(self) -> None:
        """Arrivals that were due are offered still; those after now never were."""
        if self._timer is not None:
            self._stop_pump()
            self._offer_due(self._count)
        self.until = float("-inf")

    @property
    def idle(self) -> bool:
        return super().idle and not self._waiting

    def censor(self, now: float) -> None:
        while self._waiting:
            arrival = self._waiting.popleft()
            arrival.series.censor(arrival.intended, arrival.intended, now)
        super().censor(now)

    def finished(self, user: User, now: float, *, failed: bool) -> None:
        if self._goes_on(user, now, failed=failed):
            return
        if user.number >= self._connections.stop:  # of a phase before, which had more connections
            return
        if self._waiting:
            self._take(user, self._waiting.popleft(), now)
        else:
            self._free.append(user)

    def _pump(self) -> None:
        self._timer = None
        self._offer_due(_BATCH)
        if self._next >= self._count:
            return
        wait = self._start + self._due(self._next) - self.now()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_soon(self._pump) if wait <= 0 else loop.call_later(max(wait, _SHORTEST_WAIT), self._pump)

    def _stop_pump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _offer_due(self, most: int) -> None:
        for _ in range(most):
            if self._next >= self._count:
                return
            intended = self._start + self._due(self._next)
            now = self.now()
            if intended > now:
                return
            self._probe.start_lag.record(int((now - intended) * 1e9))
            self._arrive(self._number(self._next), intended, now)
            self._next += 1

    def _arrive(self, iteration: int, intended: float, now: float) -> None:
        drawn = draw(self._stream, iteration)
        scenario = 0 if self._only else self._weighted.pick(drawn)
        series = self._series[scenario][0]
        if self._turns:
            drawn = with_turn(drawn, iteration)
        arrival = _Waiting(series, scenario, iteration, drawn, intended)
        if self._free or self._grow():
            series.offered += 1
            self._take(self._free.pop(), arrival, now)
        elif len(self._waiting) < self._room:
            series.offered += 1
            self._waiting.append(arrival)
        else:
            series.drop(now)

    def _grow(self) -> bool:
        """One more connection, while the stage has more than have been needed so far."""
        n = len(self.users)
        if n >= len(self._connections):
            return False
        self._free.append(self.ensure(self._connections[: n + 1])[-1])
        return True

    def _take(self, user: User, arrival: _Waiting, now: float) -> None:
        user.scenario, user.step = arrival.scenario, 0
        user.iteration, user.drawn = arrival.iteration, arrival.drawn
        user.start(arrival.series, arrival.intended, now)
