"""A small real server of per-session notes on loopback that can be broken in one way at a time. Holds no expectations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Fault = Literal["none", "leaks-sessions", "leaks-sometimes", "loses-writes", "refuses", "stalls", "leaks-memory"]
STATUS = {"refuses": 503}


@dataclass
class SessionServer:
    """`fault` may be changed at any time. `gauge`: what it says its memory is."""

    fault: Fault = "none"
    url: str = ""
    notes: dict[str, list[str]] = field(default_factory=dict)
    served: int = 0
    gauge: float = 80e6
    cached: dict[str, Any] = field(default_factory=dict)
    on_write: Callable[[], None] = lambda: None

    async def write(self, request: web.Request) -> web.Response:
        await self._misbehave()
        who = request.headers["X-Session-Id"]
        if self.fault != "loses-writes":
            self.notes.setdefault(who, []).append((await request.json())["text"])
        self.on_write()
        return web.json_response({"session": who}, status=201)

    async def read(self, request: web.Request) -> web.Response:
        """What the session has written; with its fault, what a cache would say that leaves the session out of its key."""
        await self._misbehave()
        who = request.headers["X-Session-Id"]
        self.served += 1
        answer = {"session": who, "notes": self.notes.get(who, [])[-3:]}
        leaks = self.fault == "leaks-sessions" or (self.fault == "leaks-sometimes" and self.served % 20 == 0)
        before = self.cached.get(request.path_qs, answer)
        self.cached[request.path_qs] = answer
        return web.json_response(before if leaks else answer)

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(text=f"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {self.gauge}\n")

    async def _misbehave(self) -> None:
        if self.fault == "leaks-memory":
            self.gauge += 20_000
        if self.fault == "stalls":
            await asyncio.sleep(3600)
        if self.fault in STATUS:
            raise web.HTTPServiceUnavailable


@asynccontextmanager
async def session_server(fault: Fault = "none") -> AsyncIterator[SessionServer]:
    """Runs the server for the length of a test."""
    server = SessionServer(fault)
    app = web.Application()
    app.add_routes([web.post("/notes", server.write), web.get("/notes", server.read), web.get("/metrics", server.metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
