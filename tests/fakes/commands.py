"""The `slipstream` command and the memory server as processes on loopback, and what they print. Holds no expectations."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import typer
from click.testing import Result
from typer.testing import CliRunner

from slipstream_cli.main import app, register

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SLIPSTREAM = (sys.executable, "-m", "slipstream_cli.main")
TIMEOUT = 30.0


class Process:
    """A running command; `said` is what it has printed so far, both streams."""

    def __init__(self, process: asyncio.subprocess.Process, timeout: float) -> None:
        self.process = process
        self.timeout = timeout
        self.said = ""
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, *command: str, timeout: float = TIMEOUT) -> Process:
        merged = asyncio.subprocess.STDOUT
        return cls(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=merged), timeout)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._news:
                self.said += line.decode(errors="replace")
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def until(self, text: str | Callable[[str], bool]) -> str:
        """Waits until it has printed `text`; what it has said. AssertionError when it ends before."""
        found = (lambda said: text in said) if isinstance(text, str) else text
        async with asyncio.timeout(self.timeout), self._news:
            await self._news.wait_for(lambda: found(self.said) or self._reader.done() or self.process.returncode is not None)
        assert found(self.said), f"it never said {text!r}, but: {self.said}"
        return self.said

    def signal(self, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)

    async def end(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(self.timeout):
            code = await self.process.wait()
            await self._reader
        return code

    async def close(self) -> None:
        """Whatever it does, it is gone after this."""
        if self.process.returncode is None:
            self.process.kill()
        await self.end()


async def command(*arguments: str) -> Result:
    """Runs a subcommand in this process, in a thread since it waits for answers of others."""
    return await asyncio.to_thread(CliRunner().invoke, application(), arguments)


@cache
def application() -> typer.Typer:
    """The command with all its subcommands."""
    register()
    return app


@asynccontextmanager
async def memory_server(folder: Path) -> AsyncIterator[int]:
    """A memory server without seed; its port."""
    process = await Process.start(sys.executable, "-m", "memory_server", "--port", "0", "--db", str(folder / "memory.db"), "--no-seed")
    try:
        said = await process.until("listening on")
        yield int(said.split()[-1].rpartition(":")[2])
    finally:
        await process.close()


@asynccontextmanager
async def running(policies: Path, upstream: int, folder: Path, *more: str) -> AsyncIterator[tuple[Process, str, Path]]:
    """`slipstream run` on a folder of policies: the process, the URL of its pool, its socket."""
    port, control = free_port(), folder / "slipstream.sock"
    options = ("--upstream", f"memory=127.0.0.1:{upstream}", "--listen", f"memory={port}", "--socket", str(control))
    process = await Process.start(*SLIPSTREAM, "run", "-f", str(policies), *options, *more)
    try:
        await process.until("in force")
        yield process, f"http://127.0.0.1:{port}", control
    finally:
        await process.close()


def samples(folder: Path) -> Path:
    """A copy of the sample policies that a test may edit."""
    copy = folder / "samples"
    copy.mkdir()
    for path in SAMPLES.glob("*.yaml"):
        shutil.copy(path, copy)
    return copy


def edit(path: Path, old: str, new: str) -> None:
    """Replaces a text that must be there, in one step, as an editor does."""
    text = path.read_text()
    assert old in text, f"{old!r} isn't in {path}"
    written = path.with_suffix(".new")
    written.write_text(text.replace(old, new))
    written.replace(path)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
