"""/livez, /readyz, /metrics: each check by its name, 503 while one says what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from slipstream_operator.health import STALE, HealthServer, Heartbeat


class Server:
    """A server whose checks say what the test says."""

    def __init__(self) -> None:
        self.live, self.ready = "", "the caches aren't filled yet"
        registry = CollectorRegistry()
        Counter("seen", "how often", registry=registry).inc()
        self.http = HealthServer(registry, {"loop": lambda: self.live}, {"caches": lambda: self.ready, "keys": lambda: ""})

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.http.port}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.http.start(0, "127.0.0.1")
    yield made
    await made.http.stop()


async def test_ready_only_when_every_check_is(server: Server) -> None:
    """The answer names each."""
    assert await server.get("/readyz") == (503, "caches: the caches aren't filled yet\nkeys: ok\n")
    server.ready = ""
    assert await server.get("/readyz") == (200, "caches: ok\nkeys: ok\n")


async def test_not_ready_is_not_dead(server: Server) -> None:
    """A kubelet that kills what is only waiting makes it wait longer."""
    assert (await server.get("/livez"))[0] == 200
    server.live = "no heartbeat for 60 s"
    assert await server.get("/livez") == (503, "loop: no heartbeat for 60 s\n")


async def test_metrics_are_served(server: Server) -> None:
    """In Prometheus' own format."""
    status, text = await server.get("/metrics")
    assert status == 200
    assert "seen_total 1.0" in text


@pytest.mark.looptime
async def test_a_heartbeat_that_stops_is_noticed() -> None:
    """Not before it began, not while it beats, only when it's late."""
    heart = Heartbeat()
    assert heart.check()
    task = asyncio.create_task(heart.run())
    await asyncio.sleep(100.5)
    assert heart.check() == ""
    task.cancel()
    await asyncio.sleep(STALE - 1)
    assert heart.check() == ""
    await asyncio.sleep(2)
    assert "no heartbeat" in heart.check()
