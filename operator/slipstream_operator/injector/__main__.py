"""`python -m slipstream_operator.injector`: puts the parts together and runs them until SIGTERM. Decides nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from slipstream_api.clock import MonotonicClock
from slipstream_operator import logs
from slipstream_operator.health import HealthServer, Heartbeat
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolIndex
from slipstream_operator.injector.published import PublicKeys, ServingCertificate, poll
from slipstream_operator.injector.server import InjectorServer, Reviewer
from slipstream_operator.injector.settings import BadSettings, InjectorSettings, read
from slipstream_operator.injector.sidecar import Settings
from slipstream_operator.injector.watching import ApiSource, follow
from slipstream_operator.kube.api import ApiKube, connect
from slipstream_operator.kube.kinds import CONNECTION_POOL

log = logging.getLogger("slipstream_operator.injector")


class Injector:
    """The process: two servers, and a task for each thing that is kept current."""

    def __init__(self, settings: InjectorSettings, kube: ApiKube) -> None:
        self._settings, self._kube = settings, kube
        self.metrics, self._clock = Metrics(), MonotonicClock()
        self._index, self._beat = PoolIndex(), Heartbeat()
        self._keys = PublicKeys(kube, settings.system_namespace)
        self._certificate = ServingCertificate(kube, settings.system_namespace)
        self._missing: set[str | None] = set(settings.namespaces or (None,))
        self._version, self._draining = _version(), False
        self.server = InjectorServer(Reviewer(self._index, self._sidecar, self.metrics, self._clock))
        self.metrics.pools.set_function(lambda: len(self._index))
        self.metrics.expiry.set_function(lambda: self._certificate.expires)
        ready = {
            "certificate": self._certificate.problem,
            "keys": self._keys.problem,
            "pools": lambda: "not listed yet" if self._missing else "",
            "server": lambda: "" if self.server.port else "not serving yet",
            "draining": lambda: "on the way out" if self._draining else "",
        }
        self.health = HealthServer(self.metrics.registry, {"loop": self._beat.check}, ready)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until a task that must not end has ended: then its error."""
        await self.health.start(self._settings.health_port)
        log.info("health and metrics on port %d", self.health.port)
        stopped = asyncio.create_task(self._until(stop), name="stop")
        tasks = [*self._keepers(), stopped]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.server.stop()
            await self.health.stop()

    def _keepers(self) -> list[asyncio.Task[None]]:
        scopes: list[str | None] = list(self._settings.namespaces) or [None]
        return [
            asyncio.create_task(self._beat.run(), name="heartbeat"),
            asyncio.create_task(poll(self._keys.refresh, self._keys.problem), name="keys"),
            asyncio.create_task(poll(self._certificate.refresh, self._certificate.problem), name="certificate"),
            *(asyncio.create_task(self._follow(scope), name=f"pools {scope or ''}") for scope in scopes),
        ]

    async def _follow(self, scope: str | None) -> None:
        def synced() -> None:
            self._missing.discard(scope)
            self.metrics.synced.set(time.time())

        await follow(ApiSource.of(self._kube, CONNECTION_POOL, scope), self._index, scope, synced, self._clock)

    async def _until(self, stop: asyncio.Event) -> None:
        """Serves as soon as there is a certificate; on `stop` goes on serving until nobody is sent here any more."""
        waiting = asyncio.create_task(stop.wait())
        loaded = asyncio.create_task(self._certificate.loaded.wait())
        try:
            await asyncio.wait((waiting, loaded), return_when=asyncio.FIRST_COMPLETED)
            if loaded.done():
                await self.server.start(self._settings.port, self._certificate.context, self._settings.host)
                log.info("serving on port %d", self.server.port)
                await waiting
                self._draining = True
                await asyncio.sleep(self._settings.drain)
        finally:
            waiting.cancel()
            loaded.cancel()

    def _sidecar(self) -> Settings:
        s = self._settings
        return Settings(s.image, self._keys.cluster, self._keys.keys, s.pull_policy, self._version, s.defaults, s.passed)


def _version() -> str:
    try:
        return version("slipstream")
    except PackageNotFoundError:
        return "unknown"


async def _main(settings: InjectorSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    kube = await connect()
    try:
        await Injector(settings, kube).run(stop)
    finally:
        await kube.close()


def main() -> int:
    try:
        settings = read(os.environ)
    except BadSettings as error:
        print(f"slipstream-injector: {error}", file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    logs.configure(settings.log_level, settings.log_format)
    asyncio.run(_main(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
