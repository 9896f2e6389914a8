"""Runs a plan on this machine: in this process, or one process per runner. The same parts and the same merge as in a cluster.

Ctrl-C and any other cancellation is an abort: the runners drain, and what there is gets merged. Judges nothing.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from slipstream_api.clock import MonotonicClock
from slipstream_loadtest.engine.driver import TargetUnusable
from slipstream_loadtest.engine.engine import Engine
from slipstream_loadtest.engine.progress import Progress, combine, known
from slipstream_loadtest.http.resolve import drivers_for
from slipstream_loadtest.measured.merge import gather
from slipstream_loadtest.measured.part import MAX_PART, Found, Part, encode_part, find_parts
from slipstream_loadtest.measured.result import Known, Result
from slipstream_loadtest.plan.model import Plan, encode_plan
from slipstream_loadtest.probing.probing import Probing
from slipstream_loadtest.runner.live import Live
from slipstream_loadtest.runner.wire import LIVE_MARK, PROGRESS_MARK, READY_LINE, abort_line, start_line

READY_TIMEOUT: Final = 60.0  # seconds for a child to start, resolve and connect
START_LEAD: Final = 0.2  # how far ahead the common start lies
EXIT_GRACE: Final = 10.0  # beyond the plan's own end, before a child is given up

Report = Callable[[Progress], None]
Watch = Callable[[list[Part]], None]


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What a local run left: the parts, encoded as they came, and their merge."""

    result: Result
    parts: tuple[bytes, ...]


class Stop(asyncio.Event):
    """Set, it ends a run early. `reason`: what the parts will say of it; the first one stays."""

    reason = "interrupted"

    def end(self, reason: str) -> None:
        if not self.is_set():
            self.reason = reason
            self.set()


async def run_local(
    plan: Plan,
    *,
    in_process: bool | None = None,
    environ: Mapping[str, str] | None = None,
    on_progress: Report | None = None,
    on_parts: Watch | None = None,
    abort: Stop | None = None,
) -> LocalRun:
    """Runs `plan`: in this process when it has one runner (or `in_process` says so and it has one), else in a process per runner. Who
    watches the parts takes time, which no runner may be short of: then the runner is a process of its own, too.

    `on_parts` is told each second what every runner has measured so far; setting `abort` ends the run early with the parts there are.
    Raises TargetUnusable when nothing could be sent at all.
    """
    run = uuid4().hex
    env = os.environ if environ is None else environ
    alone = (plan.runners == 1 and on_parts is None) if in_process is None else in_process
    if alone and plan.runners != 1:
        raise ValueError(f"one process can't be {plan.runners} runners: build the plan for one")
    stop = abort if abort is not None else Stop()
    told = _Told(on_progress, on_parts)
    found, heard = await (_run_here(plan, run, env, told, stop) if alone else _run_children(plan, run, env, told, stop))
    parts = tuple(found.parts.values())
    return LocalRun(gather(plan, parts, run, found.broken, heard), parts)


@dataclass(frozen=True, slots=True)
class _Told:
    """Who wants to know what, each second."""

    progress: Report | None
    parts: Watch | None

    def moment(self, progress: Progress, parts: Callable[[], list[Part]]) -> None:
        if self.progress is not None:
            self.progress(progress)
        if self.parts is not None:
            self.parts(parts())


async def _run_here(plan: Plan, run: str, environ: Mapping[str, str], told: _Told, stop: Stop) -> tuple[Found, list[Known]]:
    clock = MonotonicClock()

    def report(progress: Progress) -> None:
        told.moment(progress, lambda: [probing.so_far(engine.snapshot())])

    engine = Engine(plan, 0, clock, drivers_for(plan, environ), run=run, on_progress=report)
    probing = Probing(plan, 0, clock, environ, run=run)
    await engine.prepare()
    quiet_collector()
    watcher = asyncio.create_task(_abort_when(stop, engine, probing))
    try:
        start = clock.now()
        probing.begin(start)
        return Found(parts={"": encode_part(await probing.end(await engine.run(start)))}), []
    finally:
        watcher.cancel()
        await probing.close()
        gc.unfreeze()


async def _abort_when(stop: Stop, engine: Engine, probing: Probing) -> None:
    await stop.wait()
    engine.abort(stop.reason)
    probing.abort(stop.reason)


def quiet_collector() -> None:
    """What was made before the start isn't looked at again by the garbage collector: its pauses would be measured as latency."""
    gc.collect()
    gc.freeze()


@dataclass(slots=True)
class _Child:
    """One runner process and what it has said."""

    index: int
    process: asyncio.subprocess.Process
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    progress: Progress = field(default_factory=Progress)
    lines: list[str] = field(default_factory=list)
    live: Live = field(default_factory=Live)
    errors: bytes = b""
    over: bool = False  # it says nothing any more

    def tell(self, line: bytes) -> None:
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(line)


async def _run_children(plan: Plan, run: str, environ: Mapping[str, str], told: _Told, stop: Stop) -> tuple[Found, list[Known]]:
    """What the children left, and what each was last heard of."""
    with tempfile.TemporaryDirectory(prefix="slipstream-") as folder:
        path = Path(folder) / "plan.json"
        path.write_bytes(encode_plan(plan))
        live = ("live",) if told.parts is not None else ()
        children = [await _spawn((str(path), run, str(index), *live), index, environ) for index in range(plan.runners)]
        listeners = [asyncio.create_task(_listen(child, children, told)) for child in children]
        try:
            await _start(children)
            await _finish(plan, children, listeners, stop)
        finally:
            await _end(children, listeners)
    heard = (known(plan, child.index, child.progress) for child in children)
    return find_parts(line for child in children for line in child.lines), [one for one in heard if one is not None]


async def _spawn(arguments: tuple[str, ...], index: int, environ: Mapping[str, str]) -> _Child:
    command, pipe = (sys.executable, "-m", "slipstream_loadtest.runner", "--local", *arguments), asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(environ), limit=MAX_PART)
    return _Child(index, process)


async def _listen(child: _Child, children: list[_Child], told: _Told) -> None:
    """Reads what a child says until it ends; a child that ends before it is ready says why on stderr."""
    assert child.process.stdout is not None
    assert child.process.stderr is not None
    async for raw in child.process.stdout:
        if not raw.endswith(b"\n"):  # it was killed within a word
            break
        line = raw.decode(errors="replace").strip()
        if line == READY_LINE:
            child.ready.set()
        elif line.startswith(PROGRESS_MARK):
            child.progress = msgspec.json.decode(line[len(PROGRESS_MARK) :], type=Progress)
            if child is next(one for one in children if not one.over):  # once a second, whoever is lost
                told.moment(combine(c.progress for c in children), lambda: [c.live.part for c in children if c.live.part is not None])
        elif line.startswith(LIVE_MARK):
            child.live.hear(line[len(LIVE_MARK) :].encode())
        else:
            child.lines.append(line)
    child.over, child.progress = True, msgspec.structs.replace(child.progress, rps=0.0, in_flight=0)  # its counts stay
    child.errors = await child.process.stderr.read()
    child.ready.set()
    await child.process.wait()


async def _start(children: list[_Child]) -> None:
    """Waits until all are ready, then names the common start. Raises TargetUnusable with what the first failed one said."""
    try:
        async with asyncio.timeout(READY_TIMEOUT):
            for child in children:
                await child.ready.wait()
    except TimeoutError:
        raise TargetUnusable(f"a runner wasn't ready within {READY_TIMEOUT:.0f}s") from None
    for child in children:
        if child.process.returncode is not None or child.errors:
            raise TargetUnusable(child.errors.decode(errors="replace").strip().rsplit("\n", 1)[-1] or "a runner ended before the start")
    start = start_line(time.time() + START_LEAD)
    for child in children:
        child.tell(start)


async def _finish(plan: Plan, children: list[_Child], listeners: list[asyncio.Task[None]], stop: Stop) -> None:
    """Until every child has ended, or is overdue; passes an abort on."""
    whole: asyncio.Future[list[None]] = asyncio.gather(*listeners)
    stopping: asyncio.Future[bool] = asyncio.create_task(stop.wait())
    try:
        limit = START_LEAD + plan.longest_ms / 1000 + EXIT_GRACE
        waited: set[asyncio.Future[Any]] = {whole, stopping}
        done, _ = await asyncio.wait(waited, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if whole not in done:
            for child in children:
                child.tell(abort_line(stop.reason if stop.is_set() else "overdue"))
            await asyncio.wait({whole}, timeout=plan.drain_ms / 1000 + EXIT_GRACE)
        if whole.done():
            whole.result()  # who is told of the run may fail; a runner is not lost by that
    finally:
        stopping.cancel()


async def _end(children: list[_Child], listeners: list[asyncio.Task[None]]) -> None:
    """No child outlives the run."""
    for child in children:
        if child.process.returncode is None:
            child.process.send_signal(signal.SIGKILL)
    for child in children:
        await child.process.wait()
    for listener in listeners:
        listener.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
