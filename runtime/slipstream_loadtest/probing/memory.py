"""Reads the target's memory each second of a run, past the layers. Keeps samples and the last error; never judges."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from slipstream_api.clock import Clock
from slipstream_loadtest.measured.part import MemorySample
from slipstream_loadtest.plan.asked import MemoryGrowth
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.probing.client import UNANSWERED, Client
from slipstream_loadtest.probing.gauge import gauge

INTERVAL: Final = 1.0  # seconds
TIMEOUT_MS: Final = 2_000
MOST: Final = 4_096  # samples; then every second one is left out, and half as many are taken


class MemorySampler:
    """Samples from run() until it is cancelled."""

    def __init__(self, plan: Plan, asked: MemoryGrowth, clock: Clock, environ: Mapping[str, str]) -> None:
        past = next((t for t in plan.targets if t.name == "Direct"), plan.targets[0])
        self._asked = asked
        self._clock = clock
        self._client = Client.to(past, environ, TIMEOUT_MS, asked.port)
        self._samples: list[MemorySample] = []
        self._interval = INTERVAL
        self._tries = self._failed = 0
        self._last = ""

    async def run(self, start: float) -> None:
        """From the common start on; ends by cancellation."""
        async with self._client as client:
            due = max(start, self._clock.now())
            while True:
                await asyncio.sleep(max(0.0, due - self._clock.now()))
                await self._sample(client, start)
                due = max(due + self._interval, self._clock.now())

    def samples(self) -> tuple[MemorySample, ...]:
        return tuple(self._samples)

    def error(self) -> str:
        """Why samples are missing; empty where none is."""
        return f"{self._failed} of {self._tries} reads failed, the last one: {self._last}"[:400] if self._failed else ""

    async def _sample(self, client: Client, start: float) -> None:
        self._tries += 1
        at = self._clock.now()
        try:
            status, body = await client.call("GET", self._asked.path)
            if status != 200:
                raise ValueError(f"{self._asked.path} answered {status}")
            found = gauge(body.decode(errors="replace"), self._asked.metric)
        except UNANSWERED as error:
            self._failed += 1
            self._last = str(error) or type(error).__name__
            return
        self._samples.append(MemorySample(at_ms=round((at - start) * 1000), bytes=found))
        if len(self._samples) >= MOST:
            self._samples = self._samples[::2]
            self._interval *= 2
