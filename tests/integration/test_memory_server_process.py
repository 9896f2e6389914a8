"""The memory server as a process on loopback: its counters are true, it says why it can't answer, it ends cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from memory_server.agent import WRITES, live


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A server without seed on a free port; it must end by itself on SIGTERM."""
    command = [sys.executable, "-m", "memory_server", "--port", "0", "--db", str(tmp_path / "memory.db"), "--no-seed"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"seeded 0 texts\n"
    yield (await process.stdout.readline()).decode().split()[-1]
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_its_counters_are_true(url: str) -> None:
    """A request more is one more, and only of its operation."""
    headers = {"X-Session-Id": "a"}
    async with aiohttp.ClientSession(url) as http:
        for _ in range(3):
            async with http.post("/episodic/remember", json={"text": "pebble"}, headers=headers) as stored:
                assert stored.status == 201
        async with http.get("/episodic/recall?q=pebble", headers=headers) as found:
            assert len((await found.json())["results"]) == 3
        async with http.get("/stats") as stats:
            operations = (await stats.json())["operations"]
    assert (operations["episodic/remember"], operations["episodic/recall"]) == (3, 1)


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/episodic/recall?q=x", {}, 400, "X-Session-Id"),
        ("/episodic/recall", {"X-Session-Id": "a"}, 400, "?q="),
        ("/episodic/listEvents?limit=many", {"X-Session-Id": "a"}, 400, "whole number"),
        ("/episodic/dream", {"X-Session-Id": "a"}, 404, ""),
    ],
)
async def test_what_cannot_be_answered_says_why(url: str, path: str, headers: dict[str, str], status: int, words: str) -> None:
    """400 with what to change."""
    async with aiohttp.ClientSession(url) as http, http.get(path, headers=headers) as answer:
        assert answer.status == status
        assert words in await answer.text()


async def test_the_example_agent_asks_and_remembers(url: str) -> None:
    """Every call is accounted for; without a cache in front nothing was kept."""
    seen = await live(url, "ann", 0.0, WRITES * 2, asyncio.Event())
    assert seen == {"calls": WRITES * 2, "written": 2, "fetched": WRITES * 2 - 2}


async def test_the_example_agent_counts_failures_and_goes_on() -> None:
    """An upstream that isn't there is what an agent has to live with."""
    seen = await live("http://127.0.0.1:1", "ann", 0.0, 3, asyncio.Event())
    assert seen["calls"] == 3
    assert seen["ClientConnectorError"] == 3
