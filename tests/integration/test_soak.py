"""The soak as a command: it finds nothing where nothing is wrong, and each planted fault."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "bench" / "soak.py"

assert len(os.sched_getaffinity(0)) >= 2, "the soak needs a core for the sidecar and one for the rest"


async def soak(*arguments: str) -> tuple[int, str]:
    """Exit code and output of some seconds."""
    command = (sys.executable, str(SOAK), "--pure", "--seed", "1", "--seconds", "4", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.timeout(150)
async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    code, output = await soak()
    assert code == 0, output
    assert "MISSED" not in output


@pytest.mark.timeout(150)
async def test_every_planted_fault_is_found() -> None:
    """All at once, each with its own processes, since most of the time goes into waiting."""
    faults = ("foreign", "stale", "truncated")
    for fault, (code, output) in zip(faults, await asyncio.gather(*(soak("--break", fault) for fault in faults)), strict=True):
        assert code == 1, output
        missed = [line.split()[1] for line in output.splitlines() if line.endswith("MISSED")]
        assert f"soak_{fault}" in missed, output
