"""The spans of a sidecar as a pod runs it: under its workload's name, the last of them sent before the process ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes.collector import Collector
from tests.fakes.proxied import free_port
from tests.fakes.raw_upstream import RawUpstream
from tests.integration.datapath.test_access_log_process import listening, start


@pytest.mark.timeout(120)
async def test_a_sidecar_sends_its_spans_to_the_collector(tmp_path: Path) -> None:
    """One a request, and those that still wait at SIGTERM."""
    port = free_port()
    with Collector() as collector:
        async with RawUpstream() as up:
            process = await start(up.port, port, tmp_path, "0", SLIPSTREAM_TRACES=collector.url)
            try:
                caller = await listening(process, port)
                assert [(await caller.ask(path)).status for path in (b"/a", b"/b?x=1")] == [200, 200]
                caller.leave()
                process.send_signal(signal.SIGTERM)
                await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
        assert process.returncode == 0
        assert [(span.name, span.resource["service.name"]) for span in collector.requests] == [("GET", "w")] * 2
        assert [span.parent for span in collector.attempts] == [span.id for span in collector.requests]


@pytest.mark.timeout(120)
async def test_a_sidecar_that_can_t_make_spans_says_so_and_ends() -> None:
    """An endpoint that is none; and nothing is served without what was asked for."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "SLIPSTREAM_TRACES": "collector:4317"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipstream_runtime", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert (process.returncode, b"SLIPSTREAM_TRACES=collector:4317" in said) == (2, True)
