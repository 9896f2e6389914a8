"""A runner process of the standalone command: takes its orders from standard input, prints progress and its part. Never judges.

When standard input ends, the command has gone: the run ends too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import msgspec

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.engine import Engine
from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.http.resolve import drivers_for
from slipstream_loadtest.measured.part import encode_part, frame
from slipstream_loadtest.plan.model import decode_plan
from slipstream_loadtest.probing.probing import Probing
from slipstream_loadtest.runner.local import quiet_collector
from slipstream_loadtest.runner.wire import ABORT_WORD, LIVE_MARK, PROGRESS_MARK, READY_LINE, START_WORD


class _Teller:
    """Tells each second how the run goes and, as often as the parent wants it, what has ended; phases that are settled are told once."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._told = 0
        self._since = 0
        self.engine: Engine | None = None

    def __call__(self, progress: Progress) -> None:
        self._told += 1
        if self._told % self._every == 0 and self.engine is not None:
            since, self._since = self._since, self.engine.unsettled
            for line in frame(encode_part(self.engine.snapshot(since))):
                _say(LIVE_MARK + line)
        _say(PROGRESS_MARK + msgspec.json.encode(progress).decode())  # last: who hears it looks at the snapshots


async def run_child(plan_json: bytes, run: str, index: str, every: str) -> int:
    """Runs one share of a plan; the exit code is 1 when the target can't be measured, and standard error says why. `every`: seconds between
    snapshots of what has ended."""
    clock = MonotonicClock()
    plan = decode_plan(plan_json)
    teller = _Teller(int(every))
    try:
        drivers = drivers_for(plan, os.environ)
        engine = Engine(plan, int(index), clock, drivers, run=run, attempt=str(os.getpid()), on_progress=teller)
        teller.engine = engine
        probing = Probing(plan, int(index), clock, os.environ, run=run)
        await engine.prepare()
    except TargetUnusable as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    quiet_collector()
    start: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _abort, engine, probing, start, "interrupted")
    orders = asyncio.create_task(_obey(engine, probing, start))
    _say(READY_LINE)
    at = await start
    if at:
        begin = clock.now() + (at - time.time())
        probing.begin(begin)
        part = await probing.end(await engine.run(begin))
    else:
        part = engine.part()
    orders.cancel()
    for line in frame(encode_part(part)):
        _say(line)
    return 0


async def _obey(engine: Engine, probing: Probing, start: asyncio.Future[float]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for raw in reader:
        word, _, rest = raw.decode().strip().partition(" ")
        if word == START_WORD and not start.done():
            start.set_result(float(rest))
        elif word == ABORT_WORD:
            _abort(engine, probing, start, rest)
    _abort(engine, probing, start, "the command has gone")


def _abort(engine: Engine, probing: Probing, start: asyncio.Future[float], reason: str) -> None:
    engine.abort(reason)
    probing.abort(reason)
    if not start.done():
        start.set_result(0.0)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the protocol between the two processes
