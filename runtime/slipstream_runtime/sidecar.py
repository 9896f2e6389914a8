"""The sidecar's process: bootstrap, mounted configuration, admin API, signals. The order of its life; the parts do the work."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from slipstream_api.clock import MonotonicClock
from slipstream_api.envelope import Refused
from slipstream_api.sidecar import Bootstrap
from slipstream_runtime.control.admin import sidecar_app
from slipstream_runtime.control.descriptors import default_connections, raise_descriptors
from slipstream_runtime.control.gate import Gate
from slipstream_runtime.control.mount import Mount
from slipstream_runtime.control.settings import Settings
from slipstream_runtime.observe.access_writer import to_stdout
from slipstream_runtime.observe.traces import TracesError, to_collector
from slipstream_runtime.proxy.dialer import DnsResolver
from slipstream_runtime.runtime import ConfigRefused, Runtime, Source

if TYPE_CHECKING:
    from slipstream_runtime.observe.tracing import Tracing

MOUNT_SECONDS = 1.0  # between two looks at the volume; the kubelet itself takes up to 90 s
log = logging.getLogger("slipstream.sidecar")


class Acceptor:
    """What comes through the gate is applied; what doesn't is remembered, and changes nothing."""

    def __init__(self, runtime: Runtime, gate: Gate, wall: Callable[[], float] = time.time) -> None:
        self._runtime, self._gate, self._wall = runtime, gate, wall

    async def push(self, envelope: bytes) -> str:
        """A pushed envelope; raises Refused, with the reason in the status too."""
        return await self.take(envelope, "Push")

    async def take(self, envelope: bytes, source: Source) -> str:
        try:
            config, head = self._gate.config(envelope, self._wall())
        except Refused as refused:
            self._runtime.rejected(refused.reason, refused.message)
            raise
        try:
            revision = await self._runtime.apply(config, source)
        except ConfigRefused as error:
            raise Refused("Invalid", str(error)) from error
        self._gate.accept(head)
        self._runtime.sequence = self._gate.sequence
        return revision


async def watch_mount(mount: Mount, gate: Gate, acceptor: Acceptor) -> None:
    """Takes what the volume brings, for as long as the process lives."""
    while True:
        if mount.changed():
            await take_mounted(mount, gate, acceptor)
        await asyncio.sleep(MOUNT_SECONDS)


async def take_mounted(mount: Mount, gate: Gate, acceptor: Acceptor) -> None:
    """Keys first, since the envelope may be signed by a new one. Older than what was pushed: nothing to do."""
    mounted = mount.read()
    if mounted.problem:
        log.warning("mounted configuration", extra={"detail": mounted.problem})
    try:
        if mounted.keys is not None:
            gate.mounted_keys(mounted.keys)
        if mounted.envelope is not None:
            await acceptor.take(mounted.envelope, "File")
    except Refused as refused:
        log.warning("mounted configuration refused", extra={"reason": refused.reason, "detail": refused.message})


def traced(endpoint: str, service: str) -> Tracing | None:
    """Without OpenTelemetry a pod is served all the same, and its log says what is missing."""
    try:
        return to_collector(endpoint, service)
    except TracesError as error:
        log.error("no traces", extra={"detail": str(error)})
        return None


async def serve(settings: Settings) -> int:
    """Until SIGTERM or SIGINT; the exit code."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    bootstrap = settings.bootstrap or Bootstrap(cluster="", namespace="", workload="")
    runtime, gate, mount = Runtime(MonotonicClock(), DnsResolver(), settings.tls_dir), Gate(bootstrap), Mount(settings.config_dir)
    runtime.context.max_clients = settings.max_clients
    descriptors = raise_descriptors()
    runtime.context.budget.limit = settings.max_connections or default_connections(descriptors)
    acceptor = Acceptor(runtime, gate)
    logged = to_stdout(settings.access_log)
    if logged is not None:
        runtime.context.access = logged[0]
    tracing = runtime.context.tracing = traced(settings.traces, bootstrap.workload or "slipstream")
    await runtime.start(bootstrap)
    # Before the startup probe passes: a pod that begins with its ConfigMap mounted never serves without it.
    await take_mounted(mount, gate, acceptor)
    admin = web.AppRunner(sidecar_app(runtime, acceptor, gate, time.time), access_log=None)
    await admin.setup()
    await web.TCPSite(admin, settings.admin_host or None, settings.admin_port).start()
    watcher = asyncio.create_task(watch_mount(mount, gate, acceptor), name="mount")
    ended = asyncio.create_task(over.wait(), name="signal")
    try:
        await asyncio.wait({watcher, ended}, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done():
            watcher.result()  # a watch that dies is a fault: the kubelet starts the sidecar anew
        await runtime.drain(settings.drain_seconds)
    finally:
        for task in (watcher, ended):
            task.cancel()
        await asyncio.gather(watcher, ended, return_exceptions=True)
        await admin.cleanup()
        if logged is not None:
            await asyncio.to_thread(logged[1].stop)
        if tracing is not None:
            await asyncio.to_thread(tracing.close)
    return 0
