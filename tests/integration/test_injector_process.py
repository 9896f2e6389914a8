"""The injector as a process: TLS, a watch, a certificate that changes under it, SIGTERM."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from slipstream_api.clock import ManualClock, MonotonicClock
from slipstream_operator.certificates.authority import new_authority, new_certificate, utc
from slipstream_operator.certificates.keep import Keeper, decoded
from slipstream_operator.injector.metrics import Metrics
from slipstream_operator.injector.pools import PoolIndex
from slipstream_operator.injector.published import ServingCertificate
from slipstream_operator.injector.server import InjectorServer, Reviewer
from slipstream_operator.kube.kinds import MUTATING_WEBHOOK, SECRET
from tests.fakes.api_server import ApiServer
from tests.fakes.fake_kube import FakeKube
from tests.fakes.pods import SETTINGS, a_pod

SYSTEM = "slipstream-system"
NAME = "slipstream-injector.slipstream-system.svc"
PATIENCE = 20.0


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def a_review(pod: dict[str, Any]) -> bytes:
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {"uid": "u", "namespace": "agents", "operation": "CREATE", "resource": resource, "object": pod}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


class Running:
    """The process, its ports as it logged them, and an API server's way of talking to it."""

    def __init__(self, api: ApiServer, process: asyncio.subprocess.Process, now: float) -> None:
        self.api, self.process, self.now = api, process, now
        self.ports: dict[str, int] = {}
        self.bundle = b""
        self._log = asyncio.create_task(self._read())
        self._heard = asyncio.Event()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            found = re.search(r"(serving|health and metrics) on port (\d+)", line.decode())
            if found:
                self.ports[found[1]] = int(found[2])
                self._heard.set()

    async def port(self, name: str) -> int:
        async with asyncio.timeout(PATIENCE):
            while name not in self.ports:
                self._heard.clear()
                await self._heard.wait()
        return self.ports[name]

    def certify(self) -> None:
        """A certificate of a new authority in the Secret."""
        authority = new_authority(utc(self.now))
        pair = new_certificate(authority, [NAME], utc(self.now))
        self.bundle = authority.certificate
        self.api.put(SYSTEM, "secrets", "slipstream-injector-tls", {"tls.crt": b64(pair.certificate), "tls.key": b64(pair.key)})

    async def review(self, body: bytes) -> tuple[int, Any]:
        """As the API server calls it: a verified certificate for the Service's name."""
        context = ssl.create_default_context(cadata=self.bundle.decode())
        url = f"https://127.0.0.1:{await self.port('serving')}/inject"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(body), ssl=context, server_hostname=NAME) as answer,
        ):
            return answer.status, await answer.json() if answer.status == 200 else await answer.text()

    async def ready(self) -> tuple[int, str]:
        url = f"http://127.0.0.1:{await self.port('health and metrics')}/readyz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        await self._log
        return code


async def eventually(look: Any, expected: Any) -> None:
    """Looks until it is so, for a bounded time."""
    seen = None
    for _ in range(int(PATIENCE / 0.05)):
        seen = await look()
        if seen == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE:g} s: {expected!r}; last seen: {seen!r}")


@pytest.fixture
async def injector(tmp_path: Path) -> AsyncIterator[Running]:
    """Started, and not ready: neither keys nor a certificate are there."""
    api = ApiServer()
    await api.start()
    environ = {
        **os.environ,
        "KUBECONFIG": str(api.kubeconfig(tmp_path / "kubeconfig")),
        "SLIPSTREAM_RUNTIME_IMAGE": "slipstream-runtime:dev",
        "SLIPSTREAM_HOST": "127.0.0.1",
        "SLIPSTREAM_PORT": "0",
        "SLIPSTREAM_HEALTH_PORT": "0",
        "SLIPSTREAM_DRAIN_SECONDS": "0.2",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "slipstream_operator.injector", env=environ, stderr=asyncio.subprocess.PIPE
    )
    running = Running(api, process, time.time())
    try:
        yield running
    finally:
        await running.stop()
        await api.stop()


def injected_hosts(review: Any) -> list[str]:
    ops = json.loads(base64.b64decode(review["response"]["patch"]))
    status = next(op["value"] for op in ops if "slipstream.dev~1status" in op["path"] or op["path"] == "/metadata/annotations")
    status = status["slipstream.dev/status"] if isinstance(status, dict) else status
    return [endpoint["host"] for endpoint in json.loads(status)["endpoints"]]


async def test_the_life_of_an_injector(injector: Running) -> None:
    """Not ready without keys and certificate; then it serves, hears of a pool, and ends when asked."""
    status, text = await injector.ready()
    assert status == 503
    assert "is the operator running?" in text

    injector.api.put(SYSTEM, "configmaps", "slipstream-public-keys", {"keys.json": '{"k1": "AAAA"}', "cluster": "uid"})
    injector.certify()
    await eventually(lambda: _first(injector.ready()), 200)

    code, review = await injector.review(a_review(a_pod()))
    assert (code, injected_hosts(review)) == (200, [])
    await asyncio.wait_for(injector.api.watching.wait(), PATIENCE)
    upstream = {"protocol": "HTTP", "host": "memory-server", "port": 8080}
    pool = {
        "metadata": {"name": "memory", "namespace": "agents", "resourceVersion": "2"},
        "spec": {"workloads": ["agent"], "upstream": upstream},
    }
    injector.api.put_pool(pool)

    async def hosts() -> list[str]:
        return injected_hosts((await injector.review(a_review(a_pod())))[1])

    await eventually(hosts, ["memory-server"])

    # What it may read by name is all that it read by name.
    allowed = {f"/api/v1/namespaces/{SYSTEM}/{path}" for path in ("secrets/slipstream-injector-tls", "configmaps/slipstream-public-keys")}
    assert set(injector.api.paths) == allowed | {"/apis/slipstream.dev/v1alpha1/connectionpools"}
    assert await injector.stop() == 0


async def test_the_size_of_a_review_is_bounded(injector: Running) -> None:
    """Beyond 1 MiB, which is where aiohttp ends by itself, up to 3 MiB."""
    injector.api.put(SYSTEM, "configmaps", "slipstream-public-keys", {"keys.json": '{"k1": "AAAA"}', "cluster": "uid"})
    injector.certify()
    await eventually(lambda: _first(injector.ready()), 200)
    code, review = await injector.review(a_review(a_pod(annotations={"big": "x" * (2 << 20)})))
    assert (code, "patch" in review["response"]) == (200, True)
    assert (await injector.review(a_review(a_pod(annotations={"big": "x" * (3 << 20)}))))[0] == 413
    assert (await injector.review(b"nonsense"))[0] == 400


async def test_a_new_certificate_is_served_without_a_restart() -> None:
    """New connections verify with the new authority only; nothing is restarted."""
    kube, now = FakeKube(), time.time()
    wall = ManualClock(now)
    kube.seed(SECRET, {"metadata": {"name": "slipstream-injector-tls", "namespace": SYSTEM}})
    kube.seed(MUTATING_WEBHOOK, {"metadata": {"name": "slipstream-injector"}, "webhooks": []})
    keeper = Keeper(kube, wall.now, SYSTEM, settle=0)
    certificate = ServingCertificate(kube, SYSTEM)
    server = InjectorServer(Reviewer(PoolIndex(), lambda: SETTINGS, Metrics(), MonotonicClock()))
    await keeper.look()
    await certificate.refresh()
    old = decoded(await kube.get(SECRET, SYSTEM, "slipstream-injector-tls"))["ca.crt"]
    await server.start(0, certificate.context, "127.0.0.1")
    url = f"https://127.0.0.1:{server.port}/inject"

    async def ask(session: aiohttp.ClientSession, authority: bytes) -> int:
        context = ssl.create_default_context(cadata=authority.decode())
        async with session.post(url, data=a_review(a_pod()), ssl=context, server_hostname=NAME) as answer:
            await answer.read()
            return answer.status

    try:
        async with aiohttp.ClientSession() as before, aiohttp.ClientSession() as after:
            assert await ask(before, old) == 200
            await kube.patch(SECRET, SYSTEM, "slipstream-injector-tls", {"data": None})
            await keeper.look()
            await certificate.refresh()
            new = decoded(await kube.get(SECRET, SYSTEM, "slipstream-injector-tls"))["ca.crt"]
            assert await ask(after, new) == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await ask(after, old)
    finally:
        await server.stop()


async def _first(pair: Any) -> Any:
    return (await pair)[0]
