"""What a runner does beside and after its load, as one thing to start and end: memory during the run, isolation after it. Never judges.

begin(start) ──load──▶ end(part): memory stops, isolation is probed (bounded, abort() ends it) ──▶ the part with both in it
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from slipstream_api.clock import Clock
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.users import session_of
from slipstream_loadtest.measured.part import Part
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.probing.client import UNANSWERED, Client
from slipstream_loadtest.probing.isolation import IsolationProbe
from slipstream_loadtest.probing.memory import MemorySampler


class Probing:
    """One run's; raises nothing for a target that doesn't answer, that is what the part says then."""

    def __init__(self, plan: Plan, index: int, clock: Clock, environ: Mapping[str, str], *, run: str) -> None:
        self._plan = plan
        self._index = index
        self._clock = clock
        self._environ = environ
        self._run = run
        self._sampler: MemorySampler | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._why = ""
        self._unusable = ""

    def begin(self, start: float) -> None:
        """Starts what is done beside the load; runner 0 does it for all."""
        asked = self._plan.checks.memory_growth
        if asked is None or self._index:
            return
        try:
            self._sampler = MemorySampler(self._plan, asked, self._clock, self._environ)
        except TargetUnusable as error:
            self._unusable = str(error)
            return
        self._sampling = asyncio.create_task(self._sampler.run(start))

    def abort(self, reason: str) -> None:
        """Ends the probes early; the first reason stays."""
        if not self._why:
            self._why = reason
            self._stop.set()

    def so_far(self, part: Part) -> Part:
        """The part with the memory that has been read until now: a bound on it may end the run. Any time after begin()."""
        if self._sampler is None:
            return msgspec.structs.replace(part, memory_error=self._unusable) if self._unusable else part
        return msgspec.structs.replace(part, memory=self._sampler.samples(), memory_error=self._sampler.error())

    async def end(self, part: Part) -> Part:
        """The part with what was found; an aborted run isn't probed."""
        await self.close()
        part = self.so_far(part)
        asked = self._plan.checks.isolation
        if asked is None or part.aborted:
            return part
        probe = IsolationProbe(self._plan, asked, self._index, self._run, lambda number: session_of(self._plan, number))
        await self._probe(probe)
        return msgspec.structs.replace(part, isolation=probe.part(), aborted=self._why)

    async def close(self) -> None:
        """Stops the sampler; also for a run that was cancelled."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)
            self._sampling = None

    async def _probe(self, probe: IsolationProbe) -> None:
        """Until it is done, aborted, or out of time: what is missing then counts as without an answer."""
        limit = (self._plan.longest_ms - self._plan.duration_ms) / 1000
        probing = asyncio.create_task(self._probe_target(probe))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({probing, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            probing.cancel()
            stopping.cancel()
            await asyncio.gather(probing, stopping, return_exceptions=True)

    async def _probe_target(self, probe: IsolationProbe) -> None:
        try:
            target = self._plan.target(self._plan.candidate)
            async with Client.to(target, self._environ, self._plan.timeout_ms) as client:
                await probe.run(client)
        except UNANSWERED:
            return  # nothing came: the counts say so
