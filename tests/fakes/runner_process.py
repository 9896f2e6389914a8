"""A runner pod as a process on loopback, with the environment of its pod and orders signed as the operator signs them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from slipstream_api.envelope import dump_key, pod_audience, sign
from slipstream_loadtest.measured.part import Part, decode_part, find_parts
from slipstream_loadtest.plan.model import Plan, encode_plan
from tests.fakes.scripted_target import ScriptedTarget

KEY = Ed25519PrivateKey.generate()
AUDIENCE = pod_audience("cluster-1", "default", "agent", "pod-1")


class RunnerProcess:
    """A runner with the environment of its pod."""

    def __init__(self, folder: Path, plan: Plan, **environ: str) -> None:
        plan_file = folder / "plan.json"
        plan_file.write_bytes(encode_plan(plan))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.plan = plan
        self.termination_log = folder / "termination-log"
        self.environ = os.environ | {
            "SLIPSTREAM_PLAN": str(plan_file),
            "SLIPSTREAM_RUN": "uid-1/1",
            "SLIPSTREAM_CLUSTER": "cluster-1",
            "SLIPSTREAM_NAMESPACE": "default",
            "SLIPSTREAM_WORKLOAD": "agent",
            "SLIPSTREAM_KEYS": json.dumps({"k1": dump_key(KEY.public_key())}),
            "POD_UID": "pod-1",
            "JOB_COMPLETION_INDEX": "0",
            "SLIPSTREAM_RUNNER_HOST": "127.0.0.1",
            "SLIPSTREAM_RUNNER_PORT": str(self.port),
            "SLIPSTREAM_TERMINATION_LOG": str(self.termination_log),
            "SLIPSTREAM_HAND_OVER_TIMEOUT": "20",
            "SLIPSTREAM_START_TIMEOUT": "20",
            **environ,
        }
        self.sequence = 0

    async def launch(self) -> None:
        command = (sys.executable, "-m", "slipstream_loadtest.runner")
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*command, env=self.environ, stdout=pipe, stderr=pipe)

    async def request(self, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes, dict[str, str]]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}", data=data) as answer,
        ):
            return answer.status, await answer.read(), dict(answer.headers)

    async def state(self) -> dict[str, Any]:
        _, body, _ = await self.request("GET", "/state")
        found: dict[str, Any] = json.loads(body)
        return found

    async def wait_for(self, *phases: str) -> dict[str, Any]:
        """The state once it is one of these phases."""
        async with asyncio.timeout(15):
            while True:
                try:
                    state = await self.state()
                    if state["phase"] in phases:
                        return state
                except aiohttp.ClientError:
                    assert self.process.returncode is None, (await self.process.communicate())[1].decode()
                await asyncio.sleep(0.02)

    def order(self, kind: Any, payload: dict[str, Any], *, key: Ed25519PrivateKey = KEY, audience: str = AUDIENCE, ttl: int = 30) -> bytes:
        self.sequence += 1
        data = json.dumps(payload).encode()
        expires = int(time.time()) + ttl
        return sign(key, "k1", kind=kind, audience=audience, sequence=self.sequence, payload=data, expires=expires).encode()

    async def start(self, lead: float = 0.05) -> tuple[int, dict[str, Any]]:
        status, body, _ = await self.request("POST", "/start", self.order("Start", {"startAt": time.time() + lead}))
        return status, json.loads(body)

    async def end(self) -> tuple[int, list[Part]]:
        """Exit code, and the parts in the log."""
        async with asyncio.timeout(15):
            out, self.errors = await self.process.communicate()
        return self.process.returncode or 0, list(map(decode_part, find_parts(out.decode().splitlines()).parts.values()))


async def requests_seen(target: ScriptedTarget, n: int) -> None:
    async with asyncio.timeout(10):
        while True:
            if len(target.requests) >= n:
                return
            await asyncio.sleep(0.01)


async def ended(made: RunnerProcess) -> None:
    if made.process.returncode is None:
        made.process.kill()
        await made.process.communicate()
