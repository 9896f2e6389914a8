"""Runs one runner's share of a plan: phases in their fixed windows, progress each second, what there is at any time, and a part at the
end, also of an aborted run.

Drives loads (loads.py) and a probe (probe.py) by one injected clock; reads no plan's URL, resolves nothing, judges nothing.

    prepare ──▶ [common start] ──▶ WarmUp ──▶ Ramp ──▶ Settle ──▶ Hold ──▶ Drain ──▶ … ──▶ part
                                      └──────────── abort ─▶ drain (bounded) ─▶ part with `aborted`
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil
from typing import Final

from slipstream_api.clock import Clock
from slipstream_loadtest.engine.closed import ClosedLoad
from slipstream_loadtest.engine.driver import Driver
from slipstream_loadtest.engine.loads import Load, Matrix, OpenLoad
from slipstream_loadtest.engine.probe import Probe
from slipstream_loadtest.engine.progress import Progress, ended, measure
from slipstream_loadtest.engine.record import Record
from slipstream_loadtest.measured.part import LIVE, Part, PhasePart
from slipstream_loadtest.measured.tally import Series
from slipstream_loadtest.plan.model import Phase, Plan, Stage, plan_hash
from slipstream_loadtest.plan.schedule import ClosedSchedule, OpenSchedule
from slipstream_loadtest.plan.shares import numbers, share
from slipstream_loadtest.plan.stages import arrivals_before

OPENING_AT_ONCE: Final = 64  # connections dialled at the same time before the start: below every default backlog
LIKELY_SECONDS: Final = Fraction(1, 10)  # how long a call of an open stage is expected to take at most
PROGRESS_INTERVAL: Final = 1.0
_DRAIN_POLL: Final = 0.005
_GRAIN: Final = 1e-5  # seconds: less isn't worth a timer, and rounding must never make a wait that doesn't end

Report = Callable[[Progress], None]


class Aborted(Exception):  # noqa: N818 - a way to end, not a malfunction
    """The run was told to end early; caught within the engine."""


class Engine:
    """One run of one runner. prepare(), then run(start); abort() and snapshot() at any time; part() gives what there is
    at the end."""

    def __init__(
        self,
        plan: Plan,
        index: int,
        clock: Clock,
        drivers: Mapping[str, Driver],
        *,
        run: str = "local",
        attempt: str = "0",
        on_progress: Report | None = None,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._plan = plan
        self._index = index
        self._clock = clock
        self._drivers = drivers
        self._identity = (run, attempt)
        self._on_progress = on_progress
        self._probe = Probe(clock, cpu)
        self._closed = {name: ClosedLoad(plan, driver, clock, self._probe) for name, driver in drivers.items()}
        self._open = {name: OpenLoad(plan, driver, clock, self._probe) for name, driver in drivers.items()}
        self._records: list[Record] = []
        self._before = arrivals_before(plan.phases, plan.stages)
        self._hash = plan_hash(plan)
        self._stop = asyncio.Event()
        self._why = ""
        self._skew_ms = 0
        self._progress = Progress(phases=len(plan.phases), stage="", target="", kind="Preparing")
        self._timers: list[asyncio.TimerHandle] = []
        self.draining = False

    def abort(self, reason: str) -> None:
        """Ends the run early; the first reason stays. The part follows within the plan's drain window."""
        if not self._why:
            self._why = reason
            self._stop.set()

    async def prepare(self) -> None:
        """Everything that may fail or take time before the start: names, connections. Raises TargetUnusable.

        A connection that can't be opened yet isn't an error here: it will be one, and counted, when it is used.
        """
        for driver in self._drivers.values():
            await driver.prepare()
        gate = asyncio.Semaphore(OPENING_AT_ONCE)

        async def dial(load: Load, at: int) -> None:
            async with gate:
                await load.users[at].channel.open()

        try:
            async with asyncio.TaskGroup() as tasks:
                for load in self._populate():
                    for at in range(len(load.users)):
                        tasks.create_task(dial(load, at))
        except BaseException:
            self._release()
            raise

    async def run(self, start: float) -> Part:
        """Runs all phases from `start` (the clock's own seconds) on. A cancelled run lets go of everything; part() still answers."""
        self._skew_ms = max(0, round((self._clock.now() - start) * 1000))
        self._probe.start()
        self._every(self._sweep_interval(), self._sweep)
        self._every(PROGRESS_INTERVAL, self._report)
        try:
            for number, phase in enumerate(self._plan.phases):
                await self._run_phase(number, phase, start)
        except Aborted:
            await self._drain_now()
        finally:
            self._release()
        return self.part()

    def part(self) -> Part:
        """What has been measured so far, as a part; call it when nothing is running any more."""
        return self._part(self._why, tuple(record.close() for record in self._records))

    def snapshot(self, since: int = 0) -> Part:
        """What has ended so far, at any time, as a part that says so in `aborted`; without calls in flight, and without the phases before
        `since`."""
        now = self._clock.now()
        return self._part(LIVE, tuple(record.snapshot(now, self._probe.figures) for record in self._records[since:]))

    @property
    def unsettled(self) -> int:
        """The first phase whose figures may still change: who has had a snapshot needs no earlier one again."""
        return next((record.number for record in self._records if not record.settled), len(self._records))

    def _part(self, aborted: str, phases: tuple[PhasePart, ...]) -> Part:
        run, attempt = self._identity
        return Part(
            plan_hash=self._hash,
            run=run,
            index=self._index,
            attempt=attempt,
            aborted=aborted,
            start_skew_ms=self._skew_ms,
            phases=phases,
        )

    async def _run_phase(self, number: int, phase: Phase, start: float) -> None:
        begin, end = start + phase.start_ms / 1000, start + phase.end_ms / 1000
        await self._until(begin)
        load: Load = self._load_of(phase)
        record = Record(number, phase, self._begin(number, phase, begin, end), begin)
        self._records.append(record)
        self._progress = Progress(phases=len(self._plan.phases), phase=number, kind=phase.kind, stage=phase.stage, target=phase.target)
        try:
            await self._until(end)
            if phase.kind == "Drain":
                load.censor(self._clock.now())
        finally:
            record.end(self._clock.now(), self._probe.take())

    def _begin(self, number: int, phase: Phase, begin: float, end: float) -> Matrix:
        """Sets the phase's load going; a drain only ends the one before, and where nothing is sent there are no series."""
        load = self._load_of(phase)
        self.draining = phase.kind == "Drain"
        if phase.kind in ("Drain", "Idle"):
            load.end()
            return ()
        stage = self._plan.stage(phase.stage)
        series = self._matrix(stage, begin, end)
        runners = self._plan.runners
        if isinstance(load, ClosedLoad):
            load.begin(_users(stage, phase, self._index, runners), series, begin, end)
        elif isinstance(load, OpenLoad):
            schedule = _arrivals(stage, phase, self._index, runners, self._before[number])
            room = share(stage.max_in_flight, self._index, runners) - share(stage.connections, self._index, runners)
            connections = numbers(stage.connections, self._index, runners)
            load.begin(schedule, series, begin, end, connections=connections, room=max(0, room))
        return series

    def _load_of(self, phase: Phase) -> ClosedLoad | OpenLoad:
        loads = self._closed if self._plan.stage(phase.stage).model == "Closed" else self._open
        return loads[phase.target]

    def _matrix(self, stage: Stage, begin: float, until: float) -> Matrix:
        corrected, length = stage.model == "Open", self._plan.slice_ms / 1000
        return tuple(
            tuple(Series(s.name, step.name, until, corrected=corrected, begin=begin, slice_seconds=length) for step in s.steps)
            for s in self._plan.scenarios
        )

    def _populate(self) -> list[Load]:
        """The users of every closed stage, and as many connections as an open one needs for calls of a tenth of a second: none of these
        is opened while something is measured. An open stage dials further ones when it needs them."""
        for phase in self._plan.phases:
            stage = self._plan.stage(phase.stage)
            likely = min(stage.connections, ceil(stage.exact_rate * LIKELY_SECONDS))
            self._load_of(phase).ensure(numbers(stage.users if stage.model == "Closed" else likely, self._index, self._plan.runners))
        return [load for load in (*self._closed.values(), *self._open.values()) if load.users]

    async def _until(self, when: float) -> None:
        """Waits for a moment on the clock; raises Aborted as soon as the run is told to end."""
        while not self._stop.is_set():
            wait = when - self._clock.now()
            if wait <= _GRAIN:
                return
            try:
                await asyncio.wait_for(self._stop.wait(), wait)
            except TimeoutError:
                continue
        raise Aborted

    async def _drain_now(self) -> None:
        """An aborted run: no more starts, what is running may end within the plan's drain, the rest is censored."""
        self.draining = True
        for load in self._loads():
            load.end()
        deadline = self._clock.now() + self._plan.drain_ms / 1000
        while not all(load.idle for load in self._loads()):
            if self._clock.now() >= deadline:
                return
            await asyncio.sleep(_DRAIN_POLL)

    def _release(self) -> None:
        self._probe.stop()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        now = self._clock.now()
        for load in self._loads():
            load.end()
            load.censor(now)
            load.close()

    def _loads(self) -> list[Load]:
        return [*self._closed.values(), *self._open.values()]

    def _sweep_interval(self) -> float:
        """Timeouts end within a twentieth of their length, and no sweep is felt: 10 to 250 ms."""
        return min(0.25, max(0.01, self._plan.timeout_ms / 20_000))

    def _sweep(self) -> None:
        now, timeout = self._clock.now(), self._plan.timeout_ms / 1000
        for load in self._loads():
            load.sweep(now, timeout)

    def _report(self) -> None:
        if self._on_progress is not None and self._records:
            record = self._records[-1]
            in_flight = sum(load.in_flight() for load in self._loads())
            ends = ended(one for each in self._records for scenario in each.series for one in scenario)
            self._progress = measure(self._progress, record.series, in_flight, record.held(self._clock.now()), ends)
            self._on_progress(self._progress)

    def _every(self, interval: float, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        at = len(self._timers)

        def fire() -> None:
            self._timers[at] = loop.call_later(interval, fire)
            action()

        self._timers.append(loop.call_later(interval, fire))


async def run(
    plan: Plan,
    index: int,
    clock: Clock,
    drivers: Mapping[str, Driver],
    *,
    run_id: str = "local",
    attempt: str = "0",
    on_progress: Report | None = None,
) -> Part:
    """Prepares and runs at once: the whole of an engine for who needs no barrier and no abort."""
    engine = Engine(plan, index, clock, drivers, run=run_id, attempt=attempt, on_progress=on_progress)
    await engine.prepare()
    return await engine.run(clock.now())


def _users(stage: Stage, phase: Phase, index: int, runners: int) -> ClosedSchedule:
    begin = phase.users_from if phase.kind == "Ramp" else stage.users
    return ClosedSchedule(begin, stage.users, Fraction(phase.duration_ms, 1000), index, runners)


def _arrivals(stage: Stage, phase: Phase, index: int, runners: int, before: Fraction) -> OpenSchedule:
    begin = Fraction(phase.rate_from) if phase.kind == "Ramp" else None
    return OpenSchedule(stage.exact_rate, Fraction(phase.duration_ms, 1000), index, runners, rate_from=begin, before=before)


__all__ = ["Aborted", "Engine", "Progress", "run"]
