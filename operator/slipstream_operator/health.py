"""The operator's own small server: /livez, /readyz, /metrics. Reports what it is told; never touches the API server.

A probe that a busy framework answers proves little: /livez looks at the loop's heartbeat and at every task that must not end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str]  # empty: fine; else what is missing
BEAT: Final = 1.0
STALE: Final = 10.0  # seconds without a heartbeat: something blocks the loop


class Heartbeat:
    """Shows that the event loop still turns."""

    def __init__(self) -> None:
        self._last: float | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._last = loop.time()
            await asyncio.sleep(BEAT)

    def check(self) -> str:
        if self._last is None:
            return "not started"
        age = asyncio.get_running_loop().time() - self._last
        return f"no heartbeat for {age:.0f} s" if age > STALE else ""


class HealthServer:
    """`live` and `ready` are named checks; every one has to be empty."""

    def __init__(self, registry: CollectorRegistry, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._registry, self._live, self._ready = registry, live, ready
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int, host: str = "0.0.0.0") -> None:  # noqa: S104 - the kubelet probes the pod's address
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self._live)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(checks: Mapping[str, Check]) -> web.Response:
    lines = [(name, check()) for name, check in checks.items()]
    text = "".join(f"{name}: {problem or 'ok'}\n" for name, problem in lines)
    return web.Response(text=text, status=503 if any(problem for _, problem in lines) else 200)
