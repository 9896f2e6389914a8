"""Sessions are apart, by a check that a leaky server doesn't pass; a kill while the database is made leaves no half of it."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from memory_server import store

SESSIONS = 20
# A server whose recall forgets whose events they are: what the check below must notice.
LEAKY = """
import runpy, sys
from memory_server import store
def recall(connection, session, query, limit):
    rows = connection.execute("SELECT id, text FROM events WHERE text LIKE ? ORDER BY id LIMIT ?", (f"%{query}%", limit))
    return [dict(row) for row in rows]
store.recall = recall
runpy.run_module("memory_server", run_name="__main__")
"""


@asynccontextmanager
async def server(database: Path, *start: str) -> AsyncIterator[str]:
    """A server process without seed; it must end by itself on SIGTERM."""
    arguments = ("--port", "0", "--db", str(database), "--no-seed")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *(start or ("-m", "memory_server")), *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def crossings(url: str) -> list[str]:
    """What sessions found that isn't their own, and what they didn't find of their own, under concurrent writes and reads."""
    async with aiohttp.ClientSession(url) as http:

        async def live(who: str) -> list[str]:
            headers = {"X-Session-Id": who}
            for number in range(5):
                async with http.post("/episodic/remember", json={"text": f"pebble {number} of {who}"}, headers=headers) as stored:
                    assert stored.status == 201
            async with http.get("/episodic/recall", params={"q": "pebble", "limit": "500"}, headers=headers) as found:
                answer: dict[str, Any] = await found.json()
            texts = sorted(row["text"] for row in answer["results"])
            expected = [f"pebble {number} of {who}" for number in range(5)]
            return [f"{who} got {text}" for text in texts if text not in expected] + [
                f"{who} lacks {t}" for t in expected if t not in texts
            ]

        found = await asyncio.gather(*(live(f"s{number}") for number in range(SESSIONS)))
    return [crossing for one in found for crossing in one]


async def test_sessions_stay_apart_under_concurrent_writes_and_reads(tmp_path: Path) -> None:
    """Each finds its own texts, all of them, and nothing else."""
    async with server(tmp_path / "memory.db") as url:
        assert await crossings(url) == []


async def test_a_leaky_server_is_caught(tmp_path: Path) -> None:
    """The control: the same check on a server that forgets whose events they are."""
    (tmp_path / "leaky.py").write_text(LEAKY)
    async with server(tmp_path / "memory.db", str(tmp_path / "leaky.py")) as url:
        assert any("got pebble" in crossing for crossing in await crossings(url))


SLOW_SEED = """
import sys, time
from pathlib import Path
from memory_server import store
def texts():
    for number in range(10 ** 9):
        if number == 200:
            print("in the middle", flush=True)
        yield (f"topic{number}", "text " * 50)
connection = store.connect(Path(sys.argv[1]))
store.migrate(connection)
store.seed(connection, texts(), 0.0)
"""


async def test_a_kill_while_seeding_leaves_nothing_and_the_next_start_seeds(tmp_path: Path) -> None:
    """SIGKILL in the middle of the transaction."""
    path = tmp_path / "memory.db"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SLOW_SEED, str(path), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"in the middle\n"
    process.kill()
    await process.wait()
    connection = store.connect(path)
    assert store.migrate(connection) >= 1
    assert not store.is_seeded(connection)
    assert store.seed(connection, [("t", "text")], 0.0) == 1
    connection.close()


async def test_two_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    """Neither fails, nothing is there twice."""
    program = (
        "import sys; from pathlib import Path; from memory_server import store; c = store.connect(Path(sys.argv[1])); store.migrate(c); "
        "store.seed(c, ((f't{n}', 'x') for n in range(2000)), 0.0)"
    )
    path = tmp_path / "memory.db"
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path)) for _ in range(3)]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM facts").fetchone() == (2000,)
    connection.close()


def test_a_migration_that_ends_in_the_middle_is_refused() -> None:
    """A file that was cut off is no schema."""
    with pytest.raises(ValueError, match="middle of a statement"):
        list(store._statements("CREATE TABLE a (b);\nCREATE TABLE c ("))
