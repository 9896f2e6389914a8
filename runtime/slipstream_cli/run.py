"""`slipstream run`: the layers on this machine, reloaded when a file changes. Compiles and watches; the runtime serves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from slipstream_runtime.local import LocalServer
from slipstream_runtime.runtime import ConfigRefused, Runtime
from watchfiles import awatch

from slipstream_api.clock import MonotonicClock
from slipstream_api.compile import Compiled
from slipstream_api.config import RuntimeConfig
from slipstream_cli import admin
from slipstream_cli.changes import changes
from slipstream_cli.console import err, escape, fail, warn
from slipstream_cli.sources import Source, SourceError, compile_source, findings_of, load, parse_listens, parse_upstreams

DRAIN_SECONDS = 25.0


def run(
    files: Annotated[list[Path], typer.Option("-f", "--filename", help="File or folder; watched, and reloaded when it changes.")],
    workload: Annotated[str, typer.Option("--workload", help="Whose pools, when the files name several workloads.")] = "",
    upstream: Annotated[
        list[str] | None, typer.Option("--upstream", metavar="POOL=HOST:PORT", help="Where a pool's upstream is on this machine.")
    ] = None,
    listen: Annotated[
        list[str] | None, typer.Option("--listen", metavar="POOL=PORT", help="Port of 127.0.0.1 for a pool, instead of its listen.port.")
    ] = None,
    socket: Annotated[Path | None, typer.Option("--socket", help="Unix socket for status, explain and loadtest.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Structured logs on stderr.")] = False,
) -> None:
    """Runs the layers of the policies in FILES on this machine: one port on 127.0.0.1 for each pool.

    A changed file is compiled and put in force without losing a connection; one with problems is reported and changes nothing.
    Ctrl-C lets requests in flight finish.

    Example: slipstream run -f manifests/samples --upstream memory=127.0.0.1:8080
    """
    try:
        source = Source(tuple(files), workload, parse_upstreams(upstream or []), parse_listens(listen or []))
        loaded = load(source)
        if loaded.problems:
            fail("\n".join(map(str, loaded.problems)))
        compiled = compile_source(source, loaded)
    except SourceError as error:
        fail(str(error))
    for found in findings_of(loaded, compiled):
        warn(f"{found.kind} {found.name}: {found.message}")
    code = uvloop.run(_serve(source, compiled, socket or admin.default_socket(), verbose))
    raise typer.Exit(code)


async def _serve(source: Source, compiled: Compiled, socket: Path, verbose: bool) -> int:
    """Until SIGINT or SIGTERM; the exit code."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    runtime = Runtime(MonotonicClock())
    try:
        await runtime.start(None)
        await runtime.apply(compiled.config, "Local")
        server = await LocalServer.open(runtime, socket)
    except (ConfigRefused, OSError) as error:
        await runtime.drain(0)
        err.print(f"[red]error:[/red] {escape(str(error))}")
        return 1
    _say_where(compiled.config, socket)
    watcher = asyncio.create_task(_watch(runtime, source, compiled.config))
    try:
        await over.wait()
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        err.print("draining: requests in flight may finish")
        await runtime.drain(DRAIN_SECONDS)
        await server.close()
    return 0


async def _watch(runtime: Runtime, source: Source, config: RuntimeConfig) -> None:
    """Reloads when a file changes; what can't be used is reported and leaves the configuration in force."""
    async for _ in _changed(source):
        try:
            loaded = load(source)
            if loaded.problems:
                raise SourceError("\n".join(map(str, loaded.problems)))
            compiled = compile_source(source, loaded)
            await runtime.apply(compiled.config, "Local")
        except (SourceError, ConfigRefused) as error:
            err.print(f"[red]not reloaded:[/red] {escape(str(error))}\nthe configuration before stays in force")
            continue
        lines = changes(config, compiled.config)
        for found in findings_of(loaded, compiled):
            warn(f"{found.kind} {found.name}: {found.message}")
        for line in lines:
            err.print(f"[green]reloaded:[/green] {escape(line)}")
        config = compiled.config


def _changed(source: Source) -> AsyncIterator[object]:
    folders = {path if path.is_dir() else path.parent for path in source.paths}
    return awatch(*folders, recursive=False, debounce=100, step=50)


def _say_where(config: RuntimeConfig, socket: Path) -> None:
    for pool in config.pools:
        for bind in pool.binds:
            err.print(f"pool {pool.name}: http://{bind.address}:{bind.port} → {pool.upstream.host}:{pool.upstream.port}")
    rules = sum(len(p.cache_rules) + len(p.breaker_rules) for p in config.pools)
    err.print(f"{len(config.pools)} pools, {rules} rules in force; socket {socket}; Ctrl-C ends")


def local_urls(config: dict[str, object]) -> dict[str, tuple[str, str]]:
    """Pool → (URL of its layers, URL of its upstream), of an effective configuration as `status?full=1` gives it."""
    decoded = msgspec.convert(config, RuntimeConfig)
    found = {}
    for pool in decoded.pools:
        bind = next((b for b in pool.binds if b.kind == "Local"), None)
        if bind is not None:
            found[pool.name] = (f"http://{bind.address}:{bind.port}", f"http://{pool.upstream.host}:{pool.upstream.port}")
    return found
