"""The operator as a process, against an API server on loopback: it starts, delivers, ends when asked, survives SIGKILL, and stays small."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slipstream_operator.kube.kinds import NAMESPACE
from slipstream_operator.names import INJECTOR_TLS_SECRET, SIGNING_KEYS_SECRET, SYSTEM_NAMESPACE
from tests.fakes import policies as make
from tests.fakes.cluster import KINDS
from tests.fakes.fake_kube import FakeKube
from tests.fakes.http_api import HttpApi
from tests.fakes.operator_world import eventually

NS = make.NS
RSS_LIMIT_MB = 150
POLICIES = 200


class Machine:
    """An API server, and at most one operator at a time."""

    def __init__(self, folder: Path) -> None:
        self.kube = FakeKube()
        self.api = HttpApi(self.kube)
        self.folder, self.log = folder, folder / "operator.log"
        self.process: asyncio.subprocess.Process | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.kube.seed(NAMESPACE, {"metadata": {"name": "kube-system", "uid": "c1"}})
        for name in (SIGNING_KEYS_SECRET, INJECTOR_TLS_SECRET):
            self.put({"kind": "Secret", "metadata": {"namespace": SYSTEM_NAMESPACE, "name": name}})

    def put(self, manifest: dict[str, Any]) -> None:
        self.kube.seed(KINDS[manifest["kind"]], manifest)

    async def start(self) -> asyncio.subprocess.Process:
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPSTREAM_", "KUBERNETES_", "POD_"))}
        environ["KUBECONFIG"] = str(self.api.kubeconfig(self.folder / "kubeconfig"))
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "slipstream_operator", "--health-port", str(self.port), env=environ, stdout=log, stderr=log
            )
        return self.process

    async def get(self, path: str) -> tuple[int, str]:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""

    async def answers(self, path: str, code: int, text: str = "") -> None:
        """Until it does; a deadline, not a duration."""
        async with asyncio.timeout(30):
            while True:
                status, body = await self.get(path)
                if status == code and text in body:
                    return
                await asyncio.sleep(0.05)

    def rss_mb(self) -> int:
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) // 1024

    def condition(self, kind: str, name: str, type_: str) -> str:
        conditions = (self.kube.objects[KINDS[kind].plural, NS, name].get("status") or {}).get("conditions") or []
        return str(next((c["status"] for c in conditions if c["type"] == type_), ""))

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.api.stop()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    made = Machine(tmp_path)
    await made.api.start()
    yield made
    await made.close()


async def test_it_starts_delivers_survives_a_kill_and_ends_when_asked(machine: Machine) -> None:
    """A policy is accepted; SIGKILL in between; the next process ends in the same state, and leaves with 0 on SIGTERM."""
    process = await machine.start()
    await machine.answers("/readyz", 200)
    for manifest in (make.pool(), make.cache()):
        machine.put(manifest)
    await eventually(lambda: machine.condition("CachePolicy", "memory", "Ready") == "True")
    stored = machine.kube.objects["configmaps", NS, "slipstream-agent"]["data"]
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    changes = machine.kube.changes
    process = await machine.start()
    await machine.answers("/readyz", 200)
    assert machine.kube.objects["configmaps", NS, "slipstream-agent"]["data"] == stored
    assert machine.kube.changes == changes, "a restart changes nothing"
    machine.put(make.cache(ttl="7m"))
    await eventually(lambda: machine.kube.objects["configmaps", NS, "slipstream-agent"]["data"] != stored)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0
    took = time.monotonic() - begun
    print(f"from SIGTERM to the end: {took:.2f} s")
    assert took < 4, "kopf waits 5 s for tasks that were left to it"
    assert "Traceback" not in machine.log.read_text()


async def test_without_its_secret_it_says_what_is_missing_and_isnt_ready(machine: Machine) -> None:
    """It may not make one."""
    machine.kube.remove(KINDS["Secret"], SYSTEM_NAMESPACE, SIGNING_KEYS_SECRET)
    await machine.start()
    await machine.answers("/readyz", 503, "keys: the signing keys")
    assert (await machine.get("/livez"))[0] == 200
    assert "apply manifests/" in machine.log.read_text()


async def test_with_two_hundred_policies_it_stays_small_and_writes_each_status_once(machine: Machine) -> None:
    """Resident memory below 150 MB; 50 workloads, 50 pools, 100 caches, 50 breakers, 100 pods."""
    for n in range(POLICIES // 4):
        machine.put(make.pool(f"p{n}", workloads=(f"w{n}",), host=f"host-{n}"))
        machine.put(make.cache(f"c{n}a", pools=(f"p{n}",), rules=("recall", "list", "search")))
        machine.put(make.cache(f"c{n}b", pools=(f"p{n}",), rules=("one", "two", "three")))
        machine.put(make.breaker(f"b{n}", pools=(f"p{n}",)))
        for pod in range(2):
            machine.put(make.pod(f"w{n}-{pod}", workload=f"w{n}", started=False))
    await machine.start()
    await machine.answers("/readyz", 200)
    names = [
        (kind, key[2])
        for key in machine.kube.objects
        for kind in ("ConnectionPool", "CachePolicy", "CircuitBreaker")
        if key[0] == KINDS[kind].plural
    ]
    assert len(names) == POLICIES
    await eventually(lambda: all(machine.condition(kind, name, "Accepted") == "True" for kind, name in names), within=30)
    writes = [call for call in machine.kube.writes() if call[0] == "patch_status"]
    rss = machine.rss_mb()
    print(f"operator RSS with {POLICIES} policies: {rss} MB, {len(writes)} status writes")
    assert rss < RSS_LIMIT_MB
    assert len(writes) <= 2 * POLICIES, "once, or twice where the workload came later than the policy"
    assert json.loads(machine.kube.objects["configmaps", SYSTEM_NAMESPACE, "slipstream-public-keys"]["data"]["keys.json"])
