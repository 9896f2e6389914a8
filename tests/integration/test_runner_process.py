"""The runner pod as a process: barrier, signed orders, the part over HTTP and in the log, abort at every moment, exit codes."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api.envelope import pod_audience
from slipstream_loadtest.measured.merge import merge
from slipstream_loadtest.measured.part import decode_part, digest
from slipstream_loadtest.plan.build import Route, Routes
from slipstream_loadtest.plan.model import Plan
from slipstream_loadtest.runner.server import DIGEST_HEADER
from tests.fakes.loadtest_plans import BOTH, URL, a_plan
from tests.fakes.runner_process import RunnerProcess, ended, requests_seen
from tests.fakes.scripted_target import ScriptedTarget, scripted_target


@pytest.fixture
async def target() -> AsyncIterator[ScriptedTarget]:
    async with scripted_target() as served:
        yield served


@pytest.fixture
async def runner(tmp_path: Path, target: ScriptedTarget) -> AsyncIterator[RunnerProcess]:
    """A runner of a plan of 300 ms against the scripted target, launched."""
    made = RunnerProcess(tmp_path, plan_for(target, "300ms"))
    await made.launch()
    yield made
    await ended(made)


def rss_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def plan_for(target: ScriptedTarget, duration: str) -> Plan:
    stages = [{"name": "s", "users": 2, "duration": duration}]
    return a_plan(Routes(direct=Route(url=target.url)), stages=stages)


async def test_a_run_from_ready_to_acknowledged(runner: RunnerProcess):
    """Ready, one common start, the part with its digest, acknowledged, gone: the log and the termination message have it too."""
    await runner.wait_for("Ready")
    assert (await runner.request("GET", "/part"))[0] == 404
    status, told = await runner.start()
    assert status == 200
    state = await runner.wait_for("Done")
    assert state["startAt"] == told["startAt"]
    status, data, headers = await runner.request("GET", "/part")
    part = decode_part(data)
    assert headers[DIGEST_HEADER] == state["digest"] == digest(data)
    assert (part.run, part.index, part.attempt, part.aborted) == ("uid-1/1", 0, "pod-1", "")
    assert merge(runner.plan, [part]).windows[0].steps[0].completed > 10
    assert runner.termination_log.read_text() == f"part {digest(data)}"
    assert (await runner.request("POST", "/ack", b'{"digest": "another"}'))[0] == 409
    assert (await runner.request("POST", "/ack", json.dumps({"digest": digest(data)}).encode()))[0] == 200
    code, in_log = await runner.end()
    assert (code, in_log) == (0, [part])


async def test_nothing_is_sent_before_the_start(runner: RunnerProcess, target: ScriptedTarget):
    """Ready means connected, not running."""
    await runner.wait_for("Ready")
    assert target.connections == 2
    assert target.requests == []


async def test_a_second_start_changes_nothing(runner: RunnerProcess):
    """An operator that restarts asks again: the first start counts, and is told."""
    await runner.wait_for("Ready")
    _, first = await runner.start()
    status, second = await runner.start(lead=60)
    assert (status, second) == (200, first)


async def test_an_abort_in_the_middle_leaves_a_part(tmp_path: Path, target: ScriptedTarget):
    """Signed abort while running: Aborted, exit code 0, what was measured is there."""
    runner = RunnerProcess(tmp_path, plan_for(target, "60s"))
    await runner.launch()
    try:
        await runner.wait_for("Ready")
        await runner.start()
        await runner.wait_for("Running")
        await requests_seen(target, 20)
        status, body, _ = await runner.request("POST", "/abort", runner.order("Command", {"op": "Abort", "reason": "suspended"}))
        assert (status, json.loads(body)["phase"]) == (200, "Draining")
        state = await runner.wait_for("Aborted")
        await runner.request("POST", "/ack", json.dumps({"digest": state["digest"]}).encode())
        code, (part,) = await runner.end()
        assert (code, part.aborted) == (0, "suspended")
        assert part.offered >= 20
    finally:
        await ended(runner)


@pytest.mark.parametrize("phase", ["Ready", "Running"])
async def test_sigterm_ends_the_run_and_prints_the_part(tmp_path: Path, target: ScriptedTarget, phase: str):
    """A pod that is deleted has its grace period: the part is in the log, nobody is waited for."""
    runner = RunnerProcess(tmp_path, plan_for(target, "60s"))
    await runner.launch()
    try:
        await runner.wait_for("Ready")
        if phase == "Running":
            await runner.start()
            await requests_seen(target, 20)
        runner.process.send_signal(signal.SIGTERM)
        code, (part,) = await runner.end()
        assert (code, part.aborted) == (0, "the pod was told to stop")
        assert bool(part.phases) == (phase == "Running")
    finally:
        await ended(runner)


async def test_forged_replayed_expired_and_misdirected_orders_are_refused(runner: RunnerProcess, target: ScriptedTarget):
    """Each with its reason; none starts anything; a good one still does."""
    await runner.wait_for("Ready")
    payload = {"startAt": time.time()}
    elsewhere = pod_audience("cluster-1", "default", "agent", "pod-2")
    orders = {
        "BadSignature": runner.order("Start", payload, key=Ed25519PrivateKey.generate()),
        "WrongAudience": runner.order("Start", payload, audience=elsewhere),
        "Expired": runner.order("Start", payload, ttl=-5),
        "Malformed": b"not an envelope",
    }
    for reason, order in orders.items():
        status, body, _ = await runner.request("POST", "/start", order)
        assert (status, json.loads(body)["reason"]) == (403, reason)
    status, body, _ = await runner.request("POST", "/start", runner.order("Command", {"op": "Abort"}))
    assert (status, json.loads(body)["reason"]) == (403, "WrongAudience")
    assert (await runner.state())["phase"] == "Ready"
    assert target.requests == []
    good = runner.order("Start", {"startAt": time.time()})
    assert (await runner.request("POST", "/start", good))[0] == 200
    status, body, _ = await runner.request("POST", "/start", good)
    assert (status, json.loads(body)["reason"]) == (403, "Replayed")


async def test_a_runner_that_is_never_started_gives_up(tmp_path: Path, target: ScriptedTarget):
    """Bounded: the operator may be gone for ever. There is a part, of nothing."""
    runner = RunnerProcess(tmp_path, plan_for(target, "1s"), SLIPSTREAM_START_TIMEOUT="1", SLIPSTREAM_HAND_OVER_TIMEOUT="0")
    await runner.launch()
    try:
        code, (part,) = await runner.end()
        assert (code, part.offered) == (0, 0)
        assert "no start came within 1s" in part.aborted
    finally:
        await ended(runner)


async def test_a_target_that_can_not_be_measured_is_exit_code_1(tmp_path: Path, target: ScriptedTarget):
    """No route through the layers: the termination message says what is missing."""
    runner = RunnerProcess(tmp_path, a_plan(BOTH, target={"poolRef": {"name": "memory"}}))
    await runner.launch()
    code, parts = await runner.end()
    assert (code, parts) == (1, [])
    assert "SLIPSTREAM_MEMORY_URL isn't set" in runner.termination_log.read_text()


async def test_a_pod_that_was_made_wrong_is_exit_code_2(tmp_path: Path):
    """The variable is named."""
    runner = RunnerProcess(tmp_path, a_plan(URL), JOB_COMPLETION_INDEX="7")
    await runner.launch()
    code, _ = await runner.end()
    assert code == 2
    assert "JOB_COMPLETION_INDEX=7, but the plan has 1 runners" in runner.termination_log.read_text()


async def test_a_port_that_is_taken_is_exit_code_2(tmp_path: Path):
    """The operator could never reach it: said at once, with the address."""
    runner = RunnerProcess(tmp_path, a_plan(URL))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", runner.port))
        taken.listen()
        await runner.launch()
        code, _ = await runner.end()
    assert code == 2
    assert f"127.0.0.1:{runner.port} can't be listened on" in runner.termination_log.read_text()


async def test_a_runner_is_ready_when_its_sidecar_is(tmp_path: Path, target: ScriptedTarget):
    """Through the layers: Preparing until /readyz answers 200."""
    stages = [{"name": "s", "users": 1, "duration": "100ms"}]
    plan = a_plan(BOTH, target={"poolRef": {"name": "memory"}}, stages=stages)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    runner = RunnerProcess(tmp_path, plan, SLIPSTREAM_MEMORY_URL=target.url, SLIPSTREAM_SIDECAR_URL=f"http://127.0.0.1:{port}")
    await runner.launch()
    try:
        await runner.wait_for("Preparing")
        await asyncio.sleep(0.3)  # negative control: it isn't ready by itself
        assert (await runner.state())["phase"] == "Preparing"

        async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(ready, "127.0.0.1", port):
            await runner.wait_for("Ready")
    finally:
        await ended(runner)


async def test_a_runner_is_small_and_imports_no_pydantic(runner: RunnerProcess):
    """Idle RSS below 60 MB; no pydantic, rich or typer beside a workload."""
    await runner.wait_for("Ready")
    assert rss_kb(runner.process.pid) < 60_000
    check = "import sys, slipstream_loadtest.runner.__main__; print(sorted({'pydantic', 'rich', 'typer', 'kopf'} & set(sys.modules)))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", check, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"
