"""A runner process of the standalone command: takes its orders from standard input, prints progress and its part. Never judges.

When standard input ends, the command has gone: the run ends too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor

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


class Voice:
    """Standard output from a thread of its own: the parent may be slow to read, and no call waits for that."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._last: Future[None] | None = None

    @property
    def busy(self) -> bool:
        return self._last is not None and not self._last.done()

    def say(self, line: str) -> None:
        self._last = self._thread.submit(print, line, flush=True)

    async def close(self) -> None:
        """Once all has been said."""
        await asyncio.to_thread(self._thread.shutdown)


class _Teller:
    """Tells each second how the run goes and, where the parent wants it, what has ended; phases that are settled are told once. While the
    parent still reads the last snapshot there is no further one."""

    def __init__(self, voice: Voice, live: bool) -> None:
        self._voice = voice
        self._live = live
        self._since = 0
        self.measuring: tuple[Engine, Probing] | None = None

    def __call__(self, progress: Progress) -> None:
        if self._live and self.measuring is not None and not self._voice.busy:
            engine, probing = self.measuring
            since, self._since = self._since, engine.unsettled
            self._voice.say(LIVE_MARK + encode_part(probing.so_far(engine.snapshot(since))).decode())
        self._voice.say(PROGRESS_MARK + msgspec.json.encode(progress).decode())  # last: who hears it looks at the snapshots


async def run_child(plan_json: bytes, run: str, index: str, live: str = "") -> int:
    """Runs one share of a plan; the exit code is 1 when the target can't be measured, and standard error says why. `live`: not empty where
    the parent wants to know each second what has ended."""
    clock = MonotonicClock()
    plan = decode_plan(plan_json)
    voice = Voice()
    teller = _Teller(voice, bool(live))
    try:
        drivers = drivers_for(plan, os.environ)
        engine = Engine(plan, int(index), clock, drivers, run=run, attempt=str(os.getpid()), on_progress=teller)
        probing = Probing(plan, int(index), clock, os.environ, run=run)
        teller.measuring = engine, probing
        await engine.prepare()
    except TargetUnusable as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    quiet_collector()
    start: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _abort, engine, probing, start, "interrupted")
    orders = asyncio.create_task(_obey(engine, probing, start))
    voice.say(READY_LINE)
    at = await start
    if at:
        begin = clock.now() + (at - time.time())
        probing.begin(begin)
        part = await probing.end(await engine.run(begin))
    else:
        part = engine.part()
    orders.cancel()
    for line in frame(encode_part(part)):
        voice.say(line)
    await voice.close()
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
