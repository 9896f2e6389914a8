"""`slipstream loadtest` with a table in a ConfigMap beside the test: every user asks with its own row; mistakes are said."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.commands import SLIPSTREAM, Process
from tests.fakes.scripted_target import ScriptedTarget, scripted_target

TABLE = """apiVersion: v1
kind: ConfigMap
metadata: {name: people}
data:
  users.csv: |
    email,token
    ann@x,t0
    bob@x,t1
    cee@x,t2
"""
TEST = """apiVersion: slipstream.dev/v1alpha1
kind: LoadTest
metadata: {name: tables}
spec:
  target: {url: "URL"}
  stages:
    - {name: three, users: 3, duration: 400ms, ramp: 300ms, settle: 100ms, drain: 200ms}
  scenarios:
    - name: profile
      thinkTime: {type: Uniform, min: 1ms, max: 20ms}
      steps:
        - name: get
          http: {path: "/things?u=${user}&email=${users.email}", headers: {X-Token: "${users.token}"}}
  data:
    - {name: users, configMap: {name: people, key: users.csv}, format: CSV, mode: UniquePerUser, onExhausted: Fail}
"""


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


async def run(folder: Path, *more: str) -> tuple[int, str]:
    process = await Process.start(*SLIPSTREAM, "loadtest", "-f", str(folder), *more)
    return await process.end(), process.said


@pytest.mark.parametrize("runners", ["1", "2"])
async def test_each_user_has_its_own_row(tmp_path: Path, target: ScriptedTarget, runners: str) -> None:
    """On any number of processes."""
    (tmp_path / "people.yaml").write_text(TABLE)
    (tmp_path / "test.yaml").write_text(TEST.replace("URL", target.url))
    code, said = await run(tmp_path, "--report", str(tmp_path / "out.json"), "--runners", runners)
    assert code in (0, 3), said  # a machine that is too busy to measure is no mistake of the data
    asked = {(request.query["u"], request.query["email"], request.headers["x-token"]) for request in target.requests}
    assert asked == {("0", "ann@x", "t0"), ("1", "bob@x", "t1"), ("2", "cee@x", "t2")}
    (stage,) = json.loads((tmp_path / "out.json").read_text())["stages"]
    assert 0 < stage["offered"] < len(target.requests)  # the ramp's calls are no part of the stage


async def test_a_table_that_is_not_there_or_too_short_is_said_before_anything_runs(tmp_path: Path, target: ScriptedTarget) -> None:
    """With the field and what to do; nothing is sent."""
    (tmp_path / "test.yaml").write_text(TEST.replace("URL", target.url))
    code, said = await run(tmp_path)
    assert code == 2
    assert "no key users.csv in a ConfigMap people" in " ".join(said.split())
    (tmp_path / "people.yaml").write_text(TABLE.replace("    cee@x,t2\n", ""))
    code, said = await run(tmp_path)
    assert code == 2
    assert "3 users need as many rows, there are 2" in " ".join(said.split())
    assert target.requests == []
