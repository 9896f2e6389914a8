"""The runtime: what a sidecar and `slipstream run` have in common. Puts configurations in force, reports, drains; knows no operator."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version
from itertools import chain
from typing import Any, Final, Literal

from slipstream_api.clock import Clock
from slipstream_api.config import RuntimeConfig, revision
from slipstream_api.sidecar import Bootstrap, Rejection, SidecarStatus
from slipstream_runtime.control.commands import Command, CommandResult
from slipstream_runtime.control.perform import perform
from slipstream_runtime.observe.explain import explain
from slipstream_runtime.observe.metrics import access_exposition, exposition
from slipstream_runtime.observe.status import pool_status, rss_bytes
from slipstream_runtime.places import Places
from slipstream_runtime.pools import ConfigRefused, Pools
from slipstream_runtime.proxy.addresses import Resolver
from slipstream_runtime.proxy.context import Context
from slipstream_runtime.proxy.dialer import Dialer, LoopResolver
from slipstream_runtime.proxy.sweep import Sweep

__all__ = ["ConfigRefused", "Runtime"]

TURNS: Final = 3  # of the loop: whatever transports there are, what has come already is read in them
Source = Literal["None", "File", "Push", "Local"]
log = logging.getLogger("slipstream.runtime")


class Runtime:
    """One per process. `start`, then `apply` as often as there is something new, then `drain`."""

    def __init__(self, clock: Clock, resolver: Resolver | None = None, tls_folder: str = "") -> None:
        self.context = Context(clock)
        dialer = Dialer(resolver or LoopResolver(), clock, tls_folder, self.context.wires)
        self.pools = Pools(self.context, dialer)
        self.places = Places(self.context, dialer, self.pools)
        self._sweep = Sweep(self.context, self._swept)
        self._clock = clock
        self._started = clock.now()
        self._config: RuntimeConfig | None = None
        self._revision = ""
        self._source: Source = "None"
        self._rejected: Rejection | None = None
        self._applying = asyncio.Lock()
        self._idle: asyncio.Event | None = None
        self.sequence = 0  # of the envelope in force, for the status
        self.ready = False

    async def start(self, bootstrap: Bootstrap | None) -> None:
        """Listens where the pod was told; with no configuration everything passes through."""
        if bootstrap is not None:
            await self.places.open_bootstrap(bootstrap)
        self._sweep.start()
        self.ready = True

    async def apply(self, config: RuntimeConfig, source: Source) -> str:
        """Puts a configuration in force, whole or not at all (ConfigRefused); its revision. No connection is lost."""
        async with self._applying:
            wanted = revision(config)
            try:
                prepared = self.pools.prepare(config)
                opened = await self.places.open_local(config)
            except ConfigRefused as refused:
                self.rejected("Invalid", str(refused), wanted)
                raise
            # From here on nothing can fail and nothing waits: requests see the old or the new configuration, never a mixture.
            self.pools.commit(prepared)
            self.places.commit_local(config, opened)
            self.places.refresh(config)
            self._config, self._revision, self._source, self._rejected = config, wanted, source, None
            log.info("configuration in force", extra={"revision": wanted[:12], "source": source, "pools": len(config.pools)})
            return wanted

    def rejected(self, reason: str, message: str, refused: str = "") -> None:
        """Remembers why something wasn't taken, for the status."""
        self._rejected = Rejection(reason=reason, message=message, revision=refused)
        log.warning("configuration refused", extra={"reason": reason, "detail": message})

    def effective(self) -> RuntimeConfig | None:
        """The configuration in force."""
        return self._config

    def status(self) -> SidecarStatus:
        now = self._clock.now()
        return SidecarStatus(
            version=version("slipstream"),
            revision=self._revision,
            sequence=self.sequence,
            source=self._source,
            rejected=self._rejected,
            uptime_ms=int((now - self._started) * 1000),
            rss_bytes=rss_bytes(),
            draining=self.context.draining,
            connections=self.context.budget.used,
            max_connections=self.context.budget.limit,
            pools=tuple(pool_status(service, now) for _, service in sorted(self.pools.services.items())),
            listeners=self.places.status(),
        )

    def metrics(self) -> bytes:
        """Prometheus text."""
        page = exposition(self.status(), self.pools.services, len(self.context.clients), self.context.refused, self.places.raw_ports)
        return page if self.context.access is None else page + access_exposition(self.context.access)

    def explain(self, method: str, url: str, pool: str = "", headers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
        """What would happen to a request; sends nothing and changes nothing."""
        return explain(self.pools.services, method, url, pool, headers, self._clock.now())

    def command(self, command: Command) -> CommandResult:
        return perform(command, self.pools.services, self._clock.now())

    async def drain(self, timeout: float) -> bool:
        """Stops accepting, lets what is under way end for `timeout` seconds, cuts the rest; whether nothing had to be cut."""
        self.ready = False
        self.context.draining = True
        self.places.close()
        for _ in range(TURNS):  # a request that has come already is answered; to close its connection would reset it
            await asyncio.sleep(0)
        for client in list(self.context.clients):
            client.retire()
        clean = True
        if timeout > 0 and self._busy():
            self._idle = asyncio.Event()
            try:
                await asyncio.wait_for(self._idle.wait(), timeout)
            except TimeoutError:
                clean = False
                log.warning("not drained in time", extra={"requests": self.pools.under_way, "tunnels": self.context.tunnels})
        self._sweep.stop()
        for client in list(self.context.clients):
            client.abort() if client.exchange is not None else client.retire()
        self.pools.close()
        self.context.wires.close()
        return clean

    def _busy(self) -> bool:
        """Requests under way, or answers that their callers haven't read to the end."""
        return bool(self.pools.under_way or self.context.tunnels) or any(client.unwritten for client in self.context.clients)

    def _swept(self):  # type: ignore[no-untyped-def]  # an iterator of what the sweep looks at
        if self._idle is not None and not self._busy():
            self._idle.set()
        return chain(self.pools.swept(), self.pools.stores)
