"""Serves a configuration on this machine and reloads it when a file changes; ends on a signal. Compiles and watches; the runtime serves."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import uvloop
from watchfiles import awatch

from slipstream_api.clock import MonotonicClock
from slipstream_api.config import RuntimeConfig
from slipstream_cli.changes import changes
from slipstream_cli.console import err, escape, warn
from slipstream_cli.sources import Source, SourceError, compile_source, findings_of, load, problems_of
from slipstream_runtime.control.descriptors import default_connections, raise_descriptors
from slipstream_runtime.local import LocalServer
from slipstream_runtime.observe.access_writer import to_stdout
from slipstream_runtime.observe.logs import configure_logs
from slipstream_runtime.observe.traces import TracesError, endpoint_of, to_collector
from slipstream_runtime.runtime import ConfigRefused, Runtime

DRAIN_SECONDS = 25.0
SETTLE_MS = 100  # an editor writes a file in several steps


class Signals:
    """SIGINT and SIGTERM: the first ends, the second ends at once."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._came)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class Options(NamedTuple):
    """What `slipstream run` was told besides its files. `access_log`: the share of answers that get a line on stdout; `max_connections`:
    of all pools together, 0 for what file descriptors allow; `traces`: where spans are sent."""

    socket: Path
    tls_dir: Path = Path()
    access_log: float = 0.0
    max_connections: int = 0
    traces: str = ""
    verbose: bool = False


def serve(source: Source, config: RuntimeConfig, options: Options) -> bool:
    """Until SIGINT or SIGTERM; whether it went well."""
    if options.verbose:
        configure_logs("INFO")
    else:
        logging.disable(logging.WARNING)  # what a person needs to know is said in words below, and by `slipstream status`
    return uvloop.run(_serve(source, config, options))


async def _serve(source: Source, config: RuntimeConfig, options: Options) -> bool:
    signals = Signals()
    runtime = Runtime(MonotonicClock(), tls_folder=str(options.tls_dir))
    descriptors = raise_descriptors()
    runtime.context.budget.limit = options.max_connections or default_connections(descriptors)
    logged = to_stdout(options.access_log)
    if logged is not None:
        runtime.context.access = logged[0]
    try:
        tracing = runtime.context.tracing = to_collector(endpoint_of(options.traces), "slipstream")
        await runtime.start(None)
        await runtime.apply(config, "Local")
        server = await LocalServer.open(runtime, options.socket)
    except (ConfigRefused, OSError, TracesError) as error:
        await runtime.drain(0)
        err.print(f"[red]error:[/red] {escape(str(error))}")
        return False
    _say_where(config, options.socket)
    watcher = asyncio.create_task(_watch(runtime, source, config))
    ended = asyncio.create_task(signals.first.wait())
    try:
        await asyncio.wait({watcher, ended}, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done():
            watcher.result()  # a watch that dies would leave a server that ignores its files
        return True
    finally:
        for task in (watcher, ended):
            task.cancel()
        await asyncio.gather(watcher, ended, return_exceptions=True)
        await _drain(runtime, signals)
        await server.close()
        if logged is not None:
            await asyncio.to_thread(logged[1].stop)
        if tracing is not None:
            await asyncio.to_thread(tracing.close)


async def _drain(runtime: Runtime, signals: Signals) -> None:
    """Lets what is under way end, unless a second signal says that there is no time for it."""
    err.print("draining: requests in flight may finish; Ctrl-C again cuts them")
    draining, cut = asyncio.create_task(runtime.drain(DRAIN_SECONDS)), asyncio.create_task(signals.second.wait())
    await asyncio.wait({draining, cut}, return_when=asyncio.FIRST_COMPLETED)
    late = not draining.done()
    for task in (draining, cut):
        task.cancel()
    await asyncio.gather(draining, cut, return_exceptions=True)
    if late:
        await runtime.drain(0)


async def _watch(runtime: Runtime, source: Source, config: RuntimeConfig) -> None:
    """Reloads when a file changes; what can't be used is reported and leaves the configuration in force."""
    async for _ in _changed(source):
        try:
            config = await _reload(runtime, source, config)
        except (SourceError, ConfigRefused) as error:
            err.print(f"[red]not reloaded:[/red] {escape(str(error))}\nthe configuration before stays in force")


async def _reload(runtime: Runtime, source: Source, before: RuntimeConfig) -> RuntimeConfig:
    """Puts in force what the files say now; the configuration in force."""
    loaded = load(source)
    if loaded.problems:
        raise SourceError(problems_of(loaded))
    compiled = compile_source(source, loaded)
    await runtime.apply(compiled.config, "Local")
    for found in findings_of(loaded, compiled):
        warn(f"{found.kind} {found.name}: {found.message}")
    for line in changes(before, compiled.config):
        err.print(f"[green]reloaded:[/green] {escape(line)}")
    return compiled.config


def _changed(source: Source) -> AsyncIterator[object]:
    folders = {path if path.is_dir() else path.parent for path in source.paths}
    return awatch(*folders, recursive=False, debounce=SETTLE_MS, step=50)


def _say_where(config: RuntimeConfig, socket: Path) -> None:
    for pool in config.pools:
        for bind in pool.binds:
            err.print(f"pool {pool.name}: http://{bind.address}:{bind.port} → {pool.upstream.host}:{pool.upstream.port}")
    rules = sum(len(p.cache_rules) + len(p.breaker_rules) for p in config.pools)
    err.print(f"{len(config.pools)} pools, {rules} rules in force; socket {socket}; Ctrl-C ends")
