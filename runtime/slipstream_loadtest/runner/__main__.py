"""One runner: a pod of the Indexed Job (`python -m slipstream_loadtest.runner`), or with --local a process of the standalone command.

    Preparing ──▶ Ready ──start──▶ Running ──▶ Draining ──▶ Done     part printed and served, until the operator has it (bounded)
        └───────────┴────────abort or SIGTERM──┴───────────▶ Aborted   the same, with what there is

The exit code says whether something was measured: 0 a part was left, 1 the target can't be measured, 2 the pod was made wrong.
Never judges; never keeps the only copy of a part to itself: it is in the log before it is served.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from slipstream_api.clock import Clock, MonotonicClock
from slipstream_loadtest.engine.driver import Driver, TargetUnusable
from slipstream_loadtest.engine.engine import Engine
from slipstream_loadtest.engine.progress import Progress
from slipstream_loadtest.http.resolve import drivers_for
from slipstream_loadtest.measured.fitting import fitted
from slipstream_loadtest.measured.part import digest, frame
from slipstream_loadtest.probing.probing import Probing
from slipstream_loadtest.runner.local import quiet_collector
from slipstream_loadtest.runner.server import RunnerPhase, RunnerServer
from slipstream_loadtest.runner.settings import RunnerSettings, SettingsInvalid, from_environment

MEASURED: Final = 0
NOT_MEASURABLE: Final = 1
MADE_WRONG: Final = 2
_SIDECAR_POLL: Final = 0.25


class Runner:
    """The lifecycle of one runner; RunnerServer is its HTTP side."""

    def __init__(self, settings: RunnerSettings, drivers: Mapping[str, Driver], clock: Clock, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._clock = clock
        self._engine = Engine(
            settings.plan, settings.index, clock, drivers, run=settings.run, attempt=settings.attempt, on_progress=self._on_progress
        )
        self._probing = Probing(settings.plan, settings.index, clock, environ, run=settings.run)
        self._phase: RunnerPhase = "Preparing"
        self._progress: Progress | None = None
        self._start_at: float | None = None
        self._told = asyncio.Event()  # started or aborted
        self._why = ""
        self._part: tuple[bytes, str] | None = None
        self._handed_over = asyncio.Event()

    def state(self) -> dict[str, Any]:
        phase: str = "Draining" if self._phase == "Running" and self._why else self._phase
        return {
            "phase": phase,
            "run": self._settings.run,
            "index": self._settings.index,
            "attempt": self._settings.attempt,
            "startAt": self._start_at,
            "digest": self._part[1] if self._part is not None else None,
            "progress": msgspec.to_builtins(self._progress) if self._progress is not None else None,
        }

    def start(self, at: float) -> float | None:
        if self._start_at is None and self._phase == "Ready" and not self._why:
            self._start_at = at
            self._told.set()
        return self._start_at

    def abort(self, reason: str) -> None:
        if not self._why:
            self._why = reason
            self._engine.abort(reason)
            self._probing.abort(reason)
            self._told.set()

    def part(self) -> tuple[bytes, str] | None:
        return self._part

    def snapshot(self, since: int) -> tuple[bytes, str] | None:
        if self._part is not None:  # the run is over: there is a last word
            return self._part
        if self._phase != "Running":
            return None
        data = fitted(self._settings.plan, self._probing.so_far(self._engine.snapshot(since)))
        return data, digest(data)

    def acknowledge(self, name: str) -> bool:
        if self._part is None or self._part[1] != name:
            return False
        self._handed_over.set()
        return True

    def leave(self) -> None:
        """SIGTERM: end early, and don't wait for anybody to fetch the part."""
        self.abort("the pod was told to stop")
        self._handed_over.set()

    async def run(self) -> None:
        """From Preparing to the end of the hand-over. Raises TargetUnusable."""
        preparing = asyncio.create_task(self._prepare())
        aborted = asyncio.create_task(self._told.wait())
        await asyncio.wait({preparing, aborted}, return_when=asyncio.FIRST_COMPLETED)
        aborted.cancel()
        if self._why:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)
        else:
            await preparing
            self._phase = "Ready"
            await self._wait_for_start()
        await self._measure()
        await self._hand_over()

    async def _prepare(self) -> None:
        plan, timeout = self._settings.plan, self._settings.start_timeout
        try:
            async with asyncio.timeout(timeout):
                if any(target.name == "Layers" and target.env for target in plan.targets):
                    await _sidecar_ready(self._settings.sidecar)
                await self._engine.prepare()
        except TimeoutError:
            raise TargetUnusable(f"not ready within {timeout:.0f}s: the sidecar or the target doesn't answer") from None
        quiet_collector()

    async def _wait_for_start(self) -> None:
        try:
            await asyncio.wait_for(self._told.wait(), self._settings.start_timeout)
        except TimeoutError:
            self.abort(f"no start came within {self._settings.start_timeout:.0f}s")

    async def _measure(self) -> None:
        if self._start_at is None:
            part = self._engine.part()
        else:
            self._phase = "Running"
            # The one use of the wall clock: from here on only the monotonic clock counts, whatever happens to the other.
            start = self._clock.now() + (self._start_at - time.time())
            self._probing.begin(start)
            try:
                part = await self._probing.end(await self._engine.run(start))
            finally:
                await self._probing.close()
        data = fitted(self._settings.plan, part)
        self._part = (data, digest(data))
        for line in frame(data):
            print(line, flush=True)  # noqa: T201 - the log is the fallback for handing the part over
        self._phase = "Aborted" if part.aborted else "Done"

    async def _hand_over(self) -> None:
        assert self._part is not None
        _write_termination(self._settings.termination_log, f"part {self._part[1]}")
        try:
            await asyncio.wait_for(self._handed_over.wait(), self._settings.hand_over_timeout)
        except TimeoutError:
            return

    def _on_progress(self, progress: Progress) -> None:
        self._progress = progress


async def serve(settings: RunnerSettings, environ: Mapping[str, str]) -> int:
    """A runner pod from its first to its last second; the exit code."""
    runner = Runner(settings, drivers_for(settings.plan, environ), MonotonicClock(), environ)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.leave)
    site_runner = web.AppRunner(RunnerServer(runner, settings.audience, settings.keys).application(), access_log=None)
    await site_runner.setup()
    try:
        site = web.TCPSite(site_runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsInvalid(f"{settings.host}:{settings.port} can't be listened on: {error}") from None
        print(f"runner {settings.index} of {settings.plan.runners} listens on {site_runner.addresses[0]}", flush=True)  # noqa: T201 - log
        await runner.run()
    finally:
        await site_runner.cleanup()
    return MEASURED


async def _sidecar_ready(url: str) -> None:
    """Waits until the sidecar serves: before, calls through the layers would fail for no fault of theirs."""
    async with ClientSession(timeout=ClientTimeout(total=2)) as session:
        while True:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except (ClientError, TimeoutError):
                pass
            await asyncio.sleep(_SIDECAR_POLL)


def raise_descriptor_limit() -> None:
    """A connection per user: as many descriptors as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _write_termination(path: str, message: str) -> None:
    try:
        Path(path).write_text(message[:4000], encoding="utf-8")
    except OSError as error:
        print(f"{path} can't be written: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the log has the digest as well


def main() -> int:
    """Entry of the process."""
    raise_descriptor_limit()
    if sys.argv[1:2] == ["--local"]:
        from slipstream_loadtest.runner.local_child import run_child

        path, run, index, *live = sys.argv[2:6]
        return uvloop.run(run_child(Path(path).read_bytes(), run, index, *live))
    try:
        settings = from_environment(os.environ)
    except SettingsInvalid as error:
        return _give_up(MADE_WRONG, os.environ.get("SLIPSTREAM_TERMINATION_LOG", "/dev/termination-log"), str(error))
    try:
        return uvloop.run(serve(settings, os.environ))
    except TargetUnusable as error:
        return _give_up(NOT_MEASURABLE, settings.termination_log, str(error))
    except SettingsInvalid as error:
        return _give_up(MADE_WRONG, settings.termination_log, str(error))


def _give_up(code: int, termination_log: str, message: str) -> int:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the pod's log
    _write_termination(termination_log, message)
    return code


if __name__ == "__main__":
    sys.exit(main())
