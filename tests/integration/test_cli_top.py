"""`slipstream top` beside a real `slipstream run`: exact figures, a terminal of any size, a pipe, and what ends while it looks."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from slipstream_cli.admin import NotRunning
from slipstream_cli.top import Looks
from tests.fakes.commands import SLIPSTREAM, Process, command, free_port, memory_server, running, samples

OVERLAP = 4_096  # characters that are looked at again: the longest line, with its control sequences
RECALL = "/episodic/recall?q=pebble"
# The only time limit is the hang detector: a loaded machine may take a while to start three processes.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Stack:
    url: str
    socket: Path

    async def recall(self, session: str, times: int) -> None:
        """Reads of one session: the first goes to the server, the others don't."""
        async with aiohttp.ClientSession(self.url, headers={"X-Session-Id": session}) as http:
            for _ in range(times):
                async with http.get(RECALL) as answer:
                    assert answer.status == 200
                    await answer.read()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A memory server and the layers in front of it, for all tests."""
    folder = tmp_path_factory.mktemp("stack")
    async with memory_server(folder) as port, running(samples(folder), port, folder) as (_, url, socket):
        yield Stack(url, socket)


async def test_what_happened_between_two_looks_is_counted_exactly(stack: Stack) -> None:
    """Not what was before; and nothing is nothing."""
    await stack.recall("before", 30)
    looks = await asyncio.to_thread(Looks, stack.socket)
    await stack.recall("ann", 20)
    found = await asyncio.to_thread(looks.next, 0.0)
    (pool,) = found.pools
    assert round(pool.requests_per_second * found.seconds, 6) == 20
    assert (pool.name, pool.hit_ratio, pool.errors_per_second) == ("memory", 19 / 20, 0.0)
    assert pool.p95 is not None
    assert pool.p95.above == 0.0  # a hit is in the first bucket
    (cache,) = pool.cache
    assert round(cache.requests_per_second * found.seconds, 6) == 20
    busiest = pool.operations[0]
    assert (busiest.operation, round(busiest.requests_per_second * found.seconds, 6)) == ("GET /episodic/recall", 20)
    assert (busiest.hit_ratio, busiest.p95 is not None, busiest.circuit) == (19 / 20, True, "Closed")
    (pool,) = (await asyncio.to_thread(looks.next, 0.0)).pools
    assert (pool.requests_per_second, pool.hit_ratio, pool.p95) == (0.0, None, None)


async def test_once_is_one_look_for_scripts(stack: Stack) -> None:
    """As JSON and as tables, over the interval that was asked for."""
    found = await command("top", "--once", "--interval", "0.2", "-o", "json", "--socket", str(stack.socket))
    said = json.loads(found.stdout)
    assert (found.exit_code, [pool["name"] for pool in said["pools"]]) == (0, ["memory"])
    assert 0.2 <= said["seconds"] < 5.0
    assert {"requestsPerSecond", "hitRatio", "p95", "inUse", "reuseRatio", "cache", "circuits"} <= set(said["pools"][0])
    assert {"operation", "requestsPerSecond", "hitRatio", "p95", "circuit"} <= set(said["pools"][0]["operations"][0])
    found = await command("top", "--interval", "0.2", "-o", "json", "--socket", str(stack.socket))
    assert (found.exit_code, [pool["name"] for pool in json.loads(found.stdout)["pools"]]) == (0, ["memory"])
    found = await command("top", "--once", "--interval", "0.2", "--socket", str(stack.socket))
    assert found.exit_code == 0
    assert re.search(r"POOL +OPERATION +REQ/S +HIT +P95 +CIRCUIT", found.stdout)
    assert re.search(r"memory +GET /episodic/recall +0 +- +- +Closed", found.stdout)
    assert all(word in found.stdout for word in ("REQ/S", "BYPASS/S", "OPERATION", "memory"))
    assert "\x1b" not in found.stdout


async def test_without_a_terminal_each_interval_is_printed_and_ctrl_c_ends_it(stack: Stack) -> None:
    """Into a pipe: no control sequences, no traceback, exit code 0."""
    process = await Process.start(*SLIPSTREAM, "top", "--interval", "0.1", "--socket", str(stack.socket))
    try:
        await process.until(lambda said: said.count("OPENED/S") >= 2)
        process.signal()
        assert await process.end() == 0
    finally:
        await process.close()
    assert "Traceback" not in process.said
    assert "\x1b" not in process.said


async def test_ctrl_c_before_the_one_look_is_130(tmp_path: Path) -> None:
    """A script must not take it for a result."""
    asked = asyncio.Event()

    async def status(request: web.Request) -> web.Response:
        return web.json_response({"version": "1"})

    async def metrics(request: web.Request) -> web.Response:
        asked.set()
        return web.Response(text="")

    app = web.Application()
    app.add_routes([web.get("/status", status), web.get("/metrics", metrics)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s.sock")).start()
    process = await Process.start(*SLIPSTREAM, "top", "--once", "--interval", "60", "--socket", str(tmp_path / "s.sock"))
    try:
        await asked.wait()
        process.signal()
        assert await process.end() == 130
    finally:
        await process.close()
        await runner.cleanup()
    assert process.said == ""


def widths(said: str) -> set[int]:
    """Of all whole lines, without their control sequences; the first and the last may be parts of lines."""
    return {len(line) for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said).splitlines()[1:-1]}


class Terminal:
    """`slipstream top` on a terminal of its own. Waits for what it says, never for a time."""

    def __init__(self, socket: Path, columns: int, **environment: str) -> None:
        self._socket = socket
        self._environment = environment
        self._ours, self._its = pty.openpty()
        self._news = asyncio.Event()
        self.said = ""
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    async def start(self) -> asyncio.subprocess.Process:
        environment = {**os.environ, "TERM": "xterm"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        arguments = ("top", "--interval", "0.1", "--socket", str(self._socket))
        ends = {"stdin": self._its, "stdout": self._its, "stderr": self._its}
        process = await asyncio.create_subprocess_exec(*SLIPSTREAM, *arguments, env=environment | self._environment, **ends)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return process

    def _read(self) -> None:
        self.said += os.read(self._ours, 65_536).decode(errors="replace")
        self._news.set()

    async def until(self, text: str | int, begin: int = 0) -> None:
        """It says a text, or a line of that width, after `begin`; what was looked at once isn't looked at again."""
        while True:
            self._news.clear()
            told = self.said[begin:]
            if text in (told if isinstance(text, str) else widths(told)):
                return
            begin = max(begin, len(self.said) - OVERLAP)
            await self._news.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        os.close(self._its)


async def test_a_terminal_shows_it_live_at_its_size_and_is_left_as_it_was(stack: Stack) -> None:
    """The other screen, a new size at the next look, and after Ctrl-C the first screen with a visible cursor and the last tables."""
    terminal = Terminal(stack.socket, 160)
    process = await terminal.start()
    try:
        await terminal.until("OPENED/S")
        begin = len(terminal.said)
        await terminal.until(160)
        terminal.resize(60)
        await terminal.until(60, begin)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        await terminal.until("\x1b[?1049l")
        await terminal.until("memory", terminal.said.index("\x1b[?1049l"))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()
    assert terminal.said.index("\x1b[?1049h") < terminal.said.index("\x1b[?1049l")
    assert terminal.said.rindex("\x1b[?25h") > terminal.said.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.said


async def test_what_is_looked_at_may_end_and_come_back(tmp_path: Path) -> None:
    """A look says so; after the wait nothing of the old process is counted, and a restart that nobody noticed gives no negative rate."""
    (tmp_path / "a").mkdir()
    policies = samples(tmp_path)
    nobody = free_port()
    async with running(policies, nobody, tmp_path) as (_, url, socket):
        looks, unaware = Looks(socket), Looks(socket)
        await refused(url, 5)
        assert looks.next(0.0).pools[0].errors_per_second > 0
        unaware.next(0.0)
    with pytest.raises(NotRunning):
        looks.next(0.0)
    async with running(policies, nobody, tmp_path) as (_, url, socket):
        await asyncio.to_thread(looks.wait, 0.1)
        assert looks.next(0.0).pools[0].errors_per_second == 0
        await refused(url, 2)
        found = unaware.next(0.0)
        assert round(found.pools[0].errors_per_second * found.seconds, 6) == 2


async def refused(url: str, times: int) -> None:
    """Requests that nobody answers."""
    async with aiohttp.ClientSession(url) as http:
        for _ in range(times):
            async with http.get("/x") as answer:
                assert answer.status >= 500


async def test_a_pipe_is_told_when_it_ends(tmp_path: Path) -> None:
    """Where nobody looks, nobody waits for the next one: words, and exit code 2."""
    async with running(samples(tmp_path), free_port(), tmp_path) as (layers, _, socket):
        process = await Process.start(*SLIPSTREAM, "top", "--interval", "0.1", "--socket", str(socket))
        try:
            await process.until("REQ/S")
            layers.signal()
            assert await process.end() == 2
        finally:
            await process.close()
    assert "no `slipstream run` at" in process.said
