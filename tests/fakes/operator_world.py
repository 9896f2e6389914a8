"""A cluster in memory, sidecars on loopback, and an operator that can be killed and started: what tests of the whole operator stand on."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from slipstream_api.conditions import find
from slipstream_operator.app import App
from slipstream_operator.names import SYSTEM_NAMESPACE
from slipstream_operator.settings import Settings
from tests.fakes import policies as make
from tests.fakes.cluster import Cluster
from tests.fakes.sidecar import FakeSidecar

NS = make.NS
CLUSTER_ID = "c1"
QUICK = Settings(
    debounce=0.005,
    poll_interval=0.1,
    grace=60.0,
    resync=3600.0,
    push_timeout=2.0,
    figures_interval=0.3,
    key_activation=1e-6,
    key_retention=1e6,
)


class World:
    """A cluster, sidecars in it, and an operator that can be killed and started."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.sidecars: dict[str, FakeSidecar] = {}
        self.wall_offset = 0.0
        with socket.socket() as free:
            free.bind(("127.9.0.1", 0))
            self.port = free.getsockname()[1]
        self.app: App | None = None

    async def operator(self, settings: Settings = QUICK) -> App:
        """A fresh process: it knows nothing but what is in the cluster."""
        app = App(replace(settings, admin_port=self.port), self.cluster.kube, CLUSTER_ID, wall=lambda: time.time() + self.wall_offset)
        # With a debounce of its own for speed; the default is longer than a test.
        app.policy_queue.limits = replace(app.policy_queue.limits, debounce=0.02)
        self.cluster.run(app)
        self.app = app
        return app

    async def kill(self) -> None:
        app, self.app, self.cluster.app = self.app, None, None
        if app is not None:
            await app.stop()

    async def pod(self, name: str = "agent-1", *, workload: str = "agent", start: bool = True, **options: Any) -> FakeSidecar:
        """A pod with a sidecar that knows the operator's keys, as the injector would have told it."""
        sidecar = FakeSidecar(f"{CLUSTER_ID}/{NS}/{workload}", self.port)
        if self.cluster.has("ConfigMap", SYSTEM_NAMESPACE, "slipstream-public-keys"):
            sidecar.keys = json.loads(self.cluster.get("ConfigMap", SYSTEM_NAMESPACE, "slipstream-public-keys")["data"]["keys.json"])
        if start:
            await sidecar.start()
        self.sidecars[name] = sidecar
        self.cluster.put(make.pod(name, workload=workload, ip=sidecar.ip, **options))
        return sidecar

    async def close(self) -> None:
        await self.kill()
        for sidecar in self.sidecars.values():
            await sidecar.stop()

    def condition(self, kind: str, name: str, type_: str) -> Mapping[str, Any]:
        found = find(self.status(kind, name).get("conditions") or (), type_)
        return found or {"status": "", "reason": "", "message": ""}

    def status(self, kind: str, name: str) -> Mapping[str, Any]:
        return self.cluster.get(kind, NS, name).get("status") or {}

    def programmed(self, kind: str = "CachePolicy", name: str = "memory") -> bool:
        found = self.condition(kind, name, "Programmed")
        generation = self.cluster.get(kind, NS, name)["metadata"]["generation"]
        return (found["status"], found["reason"], found.get("observedGeneration")) == ("True", "Programmed", generation)

    def count(self, name: str) -> float:
        """Sum of a metric's samples."""
        assert self.app is not None
        return sum(s.value for metric in self.app.metrics.registry.collect() for s in metric.samples if s.name == name)

    def events(self) -> list[str]:
        return [obj["reason"] for (plural, *_), obj in self.cluster.kube.objects.items() if plural == "events"]


async def eventually(what: Callable[[], object], within: float = 8.0) -> None:
    """Until `what` is true; a deadline, not a duration."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not what():  # noqa: ASYNC110 - what is waited for is in another task, or process
                await asyncio.sleep(0.005)
    assert what()


@asynccontextmanager
async def new_world() -> AsyncIterator[World]:
    made = World()
    try:
        yield made
    finally:
        await made.close()


async def settle(world: World) -> None:
    """A pool, a cache, a breaker, two pods, everything acknowledged."""
    await world.operator()
    await eventually(lambda: world.app is not None and world.app.keys.ready)
    await world.pod("agent-1")
    await world.pod("agent-2")
    for manifest in (make.pool(), make.cache(), make.breaker()):
        world.cluster.put(manifest)
    await eventually(
        lambda: all(world.condition(k, "memory", "Ready")["status"] == "True" for k in ("ConnectionPool", "CachePolicy", "CircuitBreaker"))
    )
    await eventually(lambda: world.status("CachePolicy", "memory")["summary"]["pods"] == "2/2")
