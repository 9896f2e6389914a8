"""`slipstream loadtest` and `slipstream report` against the layers on loopback: verdicts, exit codes, and a leak that is caught."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from slipstream_cli import admin
from tests.fakes.commands import SLIPSTREAM, Process, command, edit, memory_server, running, samples

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = (
    ("repeats: 5", "repeats: 1"),
    ("baseline: Direct", "baseline: None"),
    ("warmup: 1s", "warmup: 0s"),
    ("duration: 3s", "duration: 500ms"),
)
RULE = "partition:\n        type: {}\n      tags: [facts]"


@dataclass(frozen=True)
class Layers:
    """A running `slipstream run`, and the files that it follows."""

    process: Process
    socket: Path
    policies: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def layers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Layers]:
    """In front of an unseeded memory server."""
    folder = tmp_path_factory.mktemp("loadtest")
    policies = samples(folder)
    async with memory_server(folder) as port, running(policies, port, folder) as (process, _, socket):
        yield Layers(process, socket, policies)


def quick(folder: Path, *changes: tuple[str, str]) -> Path:
    """The sample load test, made short."""
    path = samples(folder) / "loadtest.yaml"
    for old, new in (*QUICK, *changes):
        edit(path, old, new)
    return path


async def run(layers: Layers, test: Path, *more: str) -> tuple[int, str, dict[str, Any]]:
    """In a process of its own, as users do: exit code, what it printed, the stored result."""
    stored = test.parent / "out.json"
    process = await Process.start(*SLIPSTREAM, "loadtest", "-f", str(test), "--socket", str(layers.socket), "--report", str(stored), *more)
    code = await process.end()
    return code, process.said, json.loads(stored.read_text()) if stored.exists() else {}


def level(document: dict[str, Any], target: str = "Layers") -> dict[str, Any]:
    (found,) = [one for one in document["stages"] if one["target"] == target]
    return dict(found)


def doubts(document: dict[str, Any]) -> set[str]:
    """Reasons besides a machine that was too busy to measure anything well."""
    return {reason["code"] for reason in document["reasons"]} - {"GeneratorSaturated"}


async def test_a_test_through_the_layers_shows_hits_and_no_wrong_answer(layers: Layers, tmp_path: Path) -> None:
    """The hits that the answers tell of are those that the layers have counted."""
    before = admin.get(layers.socket, "/status")["pools"][0]
    code, said, document = await run(layers, quick(tmp_path))
    after = admin.get(layers.socket, "/status")["pools"][0]
    assert code == {"Passed": 0, "Inconclusive": 3}[document["result"]], said
    assert doubts(document) <= {"Passed"}
    found = level(document)
    assert (found["wrong"], found["failed"]) == (0, 0)
    hits = after["cache"][0]["hits"] - before["cache"][0]["hits"]
    asked = after["requestsTotal"] - before["requestsTotal"]
    assert found["completed"] <= asked <= found["completed"] + 10  # those that the end of the stage cut off
    assert abs(found["cache"]["hitPercent"] - 100 * hits / asked) < 1
    shown = await command("report", str(tmp_path / "samples" / "out.json"))
    assert shown.exit_code == code
    assert "c10" in shown.stdout


async def test_an_impossible_threshold_is_exit_code_99(layers: Layers, tmp_path: Path) -> None:
    """As k6's, and the message names it."""
    impossible = ("    - name: wrong\n", "    - name: impossible\n      metric: throughput\n      min: 100000000\n    - name: wrong\n")
    code, said, document = await run(layers, quick(tmp_path, impossible))
    assert {row["name"]: row["result"] for row in document["thresholds"]}["impossible"] == "Failed"
    assert "impossible" in said
    assert code == {"Failed": 99, "Inconclusive": 3}[document["result"]]
    assert (code == 99) == (document["reasons"][0]["code"] == "ThresholdsFailed")  # a machine too busy to measure judges nobody


async def test_too_few_repeats_are_inconclusive_and_exit_code_3(layers: Layers, tmp_path: Path) -> None:
    """It says how many are needed; two processes share the load."""
    code, said, document = await run(layers, quick(tmp_path, ("baseline: None", "baseline: Direct")), "--runners", "2")
    assert (code, document["result"]) == (3, "Inconclusive")
    assert document["runners"]["received"] == [0, 1]
    assert "set repeats to at least 5" in said


async def test_a_policy_that_mixes_sessions_is_caught(layers: Layers, tmp_path: Path) -> None:
    """The control of `wrong=0`: one store for all sessions, and answers say somebody else's name."""
    private, leaky = RULE.format("Header\n        headers: [X-Session-Id]"), RULE.format("Shared")
    edit(layers.policies / "cachepolicy.yaml", private, leaky)
    await layers.process.until("cache rule search: partition")
    try:
        _, _, document = await run(layers, quick(tmp_path))
    finally:
        edit(layers.policies / "cachepolicy.yaml", leaky, private)
    steps = {step["step"]: step["wrong"] for step in level(document)["steps"]}
    assert steps["search"] > 0
    assert steps["recall"] == 0
    threshold = next(row for row in document["thresholds"] if row["name"] == "wrong")
    assert threshold["result"] == "Failed"


async def test_ctrl_c_stores_and_shows_what_was_measured(layers: Layers, tmp_path: Path) -> None:
    """Exit code 130; neither passed nor failed."""
    test = quick(tmp_path, ("duration: 500ms", "duration: 60s"))
    stored = test.parent / "out.json"
    process = await Process.start(*SLIPSTREAM, "loadtest", "-f", str(test), "--socket", str(layers.socket), "--report", str(stored))
    await process.until("Hold c10")
    process.signal(signal.SIGINT)
    assert await process.end() == 130
    document = json.loads(stored.read_text())
    assert document["reasons"][0]["code"] == "Aborted"
    assert level(document)["completed"] > 0
