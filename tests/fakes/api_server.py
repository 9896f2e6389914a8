"""As much of an API server as the injector asks, over HTTP on loopback: objects by name, pools listed and watched. Knows no rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

POOLS = "/apis/slipstream.dev/v1alpha1/connectionpools"


class ApiServer:
    """`objects`: path → object. `pools` changes by `put_pool`, and whoever watches hears of it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.pools: dict[str, dict[str, Any]] = {}
        self.paths: list[str] = []
        self.watching = asyncio.Event()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, path: Path) -> Path:
        """A file that leads here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": "t"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def put(self, namespace: str, plural: str, name: str, data: Mapping[str, Any]) -> None:
        self.objects[f"/api/v1/namespaces/{namespace}/{plural}/{name}"] = {"metadata": {"name": name}, "data": dict(data)}

    def put_pool(self, pool: dict[str, Any]) -> None:
        self.pools[pool["metadata"]["name"]] = pool
        self._events.put_nowait({"type": "ADDED", "object": pool})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        if request.path != POOLS:
            found = self.objects.get(request.path)
            return web.json_response(found) if found else web.json_response({"reason": "NotFound"}, status=404)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": list(self.pools.values())})
        response = web.StreamResponse()
        await response.prepare(request)
        self.watching.set()
        while True:
            event = await self._events.get()
            await response.write(json.dumps(event).encode() + b"\n")
