"""`slipstream demo`, with a load that is shorter than the sample's: it measures, says so in its last line, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.commands import SLIPSTREAM, Process, edit, samples

pytestmark = pytest.mark.timeout(120)  # the memory server reads the standard library first
LINE = re.compile(r"demo: read_p95_ratio=([\d.]+) throughput_ratio=([\d.]+) hit_rate=([\d.]+) reuse=([\d.]+) wrong=(\d+)")


@asynccontextmanager
async def demo_in(folder: Path) -> AsyncIterator[Process]:
    """A demo whose temporary folder is in `folder`, and whose children are known by that."""
    policies = samples(folder)
    for old, new in (("warmup: 1s", "warmup: 100ms"), ("duration: 3s", "duration: 300ms")):
        edit(policies / "loadtest.yaml", old, new)
    temporary = folder / "t"  # the path of a socket in there has to be short
    temporary.mkdir()
    command = ("/usr/bin/env", f"TMPDIR={temporary}", *SLIPSTREAM, "demo", "--samples", str(policies))
    process = await Process.start(*command, timeout=90.0)
    try:
        yield process
    finally:
        await process.close()


def alive(folder: Path) -> list[str]:
    """Processes that name the folder in their command line or environment: the demo and its children."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            try:
                text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in text:
                found.append(text.decode(errors="replace"))
    return found


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in (folder / "t").iterdir()]


async def test_a_demo_measures(tmp_path: Path) -> None:
    """The last line is the one that is promised, and the exit code agrees with its figures."""
    async with demo_in(tmp_path) as demo:
        code = await demo.end()
    found = LINE.fullmatch(demo.said.rstrip().splitlines()[-1])
    assert found, demo.said
    read, throughput, hit_rate, reuse = map(float, found.groups()[:4])
    assert found[5] == "0"
    assert hit_rate > 0.5  # half of a short run may be the first time that something is asked
    assert reuse > 0.5
    as_promised = read >= 2.3 and throughput >= 6 and hit_rate >= 0.75 and reuse >= 0.85
    assert code == (0 if as_promised and "less than promised" not in demo.said else 1), demo.said
    for row in ("latency p50", "latency p95", "throughput", "hit rate", "connection reuse", "errors", "wrong answers", "memory"):
        assert re.search(rf"^ *{row} ", demo.said, re.MULTILINE), row
    assert "10 users for 300ms" in demo.said
    assert (alive(tmp_path), left_behind(tmp_path)) == ([], [])


@pytest.mark.parametrize(("moment", "number"), [("memory server:", signal.SIGTERM), (" c10 Direct", signal.SIGINT)])
async def test_an_ended_demo(tmp_path: Path, moment: str, number: int) -> None:
    """While it starts and while it measures."""
    async with demo_in(tmp_path) as demo:
        await demo.until(moment)
        assert alive(tmp_path)
        demo.signal(number)
        assert await demo.end() == 130
    assert "demo:" not in demo.said
    assert (alive(tmp_path), left_behind(tmp_path)) == ([], [])
