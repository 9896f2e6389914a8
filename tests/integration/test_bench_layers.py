"""`bench/cores.py --layers` as a command: a line for each layer of both paths, and whatever layer is counted twice is found."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

CORES = Path(__file__).parents[2] / "bench" / "cores.py"
BOTH = (
    "request head scanned",
    "routing, of a line seen before",
    "key: what it asks of the cache",
    "answer",
    "figures",
    "the rest",
    "whole",
)
INLINE = "routing, of a line seen before"  # calls nothing
CALLED = ("store look-up, a hit", "exchange made", "single-flight: the mark to pass", "pool: take, put", "answer head scanned")


async def layers(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and output; the machine has no valgrind as long as there is no PATH."""
    command = (sys.executable, str(CORES), "--layers", "--quick", "--pure", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=dict(os.environ) | environment
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.timeout(150)
async def test_both_paths_have_a_line_for_each_layer_and_nothing_is_counted_twice() -> None:
    code, output = await layers("--ns")
    assert code == 0, output
    assert output.endswith("layers: counted_twice=0\n"), output
    tables = output.split("a miss that passes through")
    assert len(tables) == 2, output
    for table in tables:
        for name in BOTH:
            assert f"| {name}" in table, (name, table)
        rows = {
            cells[1].strip(): cells[2].split("/") for cells in (line.split("|") for line in table.splitlines() if line.startswith("| "))
        }
        for work in range(2):
            costs = {name: float(row[work].replace(",", "")) for name, row in rows.items() if name}
            total = sum(cost for name, cost in costs.items() if not name.startswith(("sum of", "the rest", "whole")))
            assert total == pytest.approx(costs["sum of the layers"], abs=len(costs))
            assert costs["sum of the layers"] + costs["the rest: both connections, the way between layers"] == pytest.approx(
                costs["whole"], abs=2
            )


@pytest.mark.timeout(150)
async def test_a_layer_that_is_counted_twice_is_found() -> None:
    """Whether it costs much or hardly anything, so it isn't noise that finds it."""
    broken = await asyncio.gather(*(layers("--ns", "--break", name) for name in (*CALLED, INLINE)))
    for name, (code, output) in zip((*CALLED, INLINE), broken, strict=True):
        assert code == 1, output
        assert f"{name} and {name} (again) are one operation" in output, output
        assert name == INLINE or f"{name}, {name} (again); by a request 1 times" in output, output


async def test_a_missing_valgrind_is_named() -> None:
    code, output = await layers(PATH="")
    assert code == 1, output
    assert "valgrind is missing" in output
