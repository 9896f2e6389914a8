"""The access log of a sidecar as a pod runs it: JSON lines on stdout, the last of them written before the process ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from slipstream_api.sidecar import Bootstrap, Endpoint
from tests.fakes.proxied import Caller, free_port
from tests.fakes.raw_upstream import RawUpstream

ADDRESS = "127.64.9.8"


async def start(upstream: int, port: int, folder: Path, share: str, **more: str) -> asyncio.subprocess.Process:
    bootstrap = Bootstrap(
        cluster="c", namespace="n", workload="w", endpoints=(Endpoint(host="127.0.0.1", port=upstream, address=ADDRESS, listen_port=port),)
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SLIPSTREAM_BOOTSTRAP": msgspec.json.encode(bootstrap).decode(),
        "SLIPSTREAM_CONFIG_DIR": str(folder),
        "SLIPSTREAM_ADMIN_PORT": str(free_port()),
        "SLIPSTREAM_ACCESS_LOG": share,
        **more,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipstream_runtime", env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )


async def listening(process: asyncio.subprocess.Process, port: int) -> Caller:
    """Another process has no event to wait for: it is asked until it answers or ends."""
    while process.returncode is None:
        try:
            return Caller(*await asyncio.open_connection(ADDRESS, port))
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    raise AssertionError("the sidecar ended")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("share", "told"), [("1", 2), ("0", 0)])
async def test_a_sidecar_tells_its_answers_on_stdout(tmp_path: Path, share: str, told: int) -> None:
    """And nothing where the log is off."""
    port = free_port()
    async with RawUpstream() as up:
        process = await start(up.port, port, tmp_path, share)
        try:
            caller = await listening(process, port)
            assert [(await caller.ask(path)).status for path in (b"/a", b"/b?x=1")] == [200, 200]
            caller.leave()
            process.send_signal(signal.SIGTERM)
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    lines = [msgspec.json.decode(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert [(line["status"], line["operation"], line["end"]) for line in lines] == [(200, "GET *", "complete")] * told


async def test_a_share_that_is_none_ends_the_process_with_words(tmp_path: Path) -> None:
    """Exit code 2, as for every setting."""
    process = await start(free_port(), free_port(), tmp_path, "all")
    assert await process.wait() == 2
