"""The isolation check on the layers themselves: `slipstream run` with the sample policies keeps sessions apart, one wrong line doesn't."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from slipstream_api.load import load_paths
from slipstream_api.models import LoadTestSpec
from slipstream_loadtest.judged.checks import CheckRow, judge_checks
from slipstream_loadtest.plan.build import Route, Routes, build_plan
from slipstream_loadtest.runner.local import run_local
from tests.fakes.commands import SAMPLES, edit, memory_server, running, samples

SESSION = "partition:\n        type: Header\n        headers: [X-Session-Id]\n      tags: [events]\n    - name: events"
SHARED = "partition:\n        type: Shared\n      tags: [events]\n    - name: events"


async def probed(policies: Path, folder: Path) -> CheckRow:
    """The sample's check, with its stage shortened, against a real stack."""
    (test,) = load_paths([SAMPLES / "loadtests" / "isolation.yaml"]).resources
    assert isinstance(test.spec, LoadTestSpec)
    async with memory_server(folder) as port, running(policies, port, folder) as (_, url, _):
        routes = Routes(direct=Route(url=f"http://127.0.0.1:{port}"), layers=Route(url=url))
        spec = test.spec.model_copy(update={"stages": (test.spec.stages[0].model_copy(update={"duration": "1s"}),)})
        plan = build_plan("isolation", "default", spec, routes, 1, runners=1)
        result = (await run_local(plan, environ={})).result
        (row,) = judge_checks(plan, result)
        return msgspec.structs.replace(row, message=f"{row.message} {result.isolation}")


async def test_the_sample_policies_keep_fifty_sessions_apart(tmp_path: Path) -> None:
    """400 answers, half of which a cache could have given; the leaky server in the runner is caught."""
    row = await probed(samples(tmp_path), tmp_path)
    assert (row.result, row.control) == ("Passed", "Caught"), row
    assert row.observed == "0 crossings in 400 answers of 50 sessions x 8 probes"


async def test_a_shared_partition_on_a_path_with_sessions_is_caught(tmp_path: Path) -> None:
    """One line of a policy: answers of getRecent for everybody."""
    policies = samples(tmp_path)
    edit(policies / "cachepolicy.yaml", SESSION, SHARED)
    row = await probed(policies, tmp_path)
    assert row.result == "Failed", row
    assert "GET /episodic/getRecent" in row.message


pytestmark = pytest.mark.timeout(120)
